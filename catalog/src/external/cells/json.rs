//! The rows of a JSON file: objects one after the other, or an array of them.

use std::fmt;
use std::io::BufRead;

use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::external::cells::guess::{CellPlan, is_id};
use crate::external::cells::text::{FileText, unread};
use crate::external::fit::is_same;

/// How deep a value may nest. DuckDB follows it on its stack.
const MAX_DEPTH: usize = 64;
/// The most columns of a table.
const MAX_COLUMNS: usize = 2_000;
/// The digits that every BIGINT holds.
const WHOLE_DIGITS: usize = 18;

/// A column, and what its values are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JsonColumn {
    pub(super) name: String,
    text: bool,
    boolean: bool,
    whole: bool,
    /// Whole numbers that a BIGINT may not hold.
    large: bool,
    fraction: bool,
    nested: bool,
}

impl JsonColumn {
    /// The column's type: a text stays one, and what is mixed is text.
    pub(super) fn plan(&self) -> CellPlan {
        let typed = |kind: &str| CellPlan::Typed(kind.to_owned());
        let scalar = self.text || self.boolean || self.whole || self.large || self.fraction;
        let number = self.whole || self.large || self.fraction;
        if self.nested {
            return if scalar {
                typed("VARCHAR")
            } else {
                CellPlan::Nested
            };
        }
        if self.text || is_id(&self.name) || (self.boolean && number) {
            return typed("VARCHAR");
        }
        match (self.boolean, self.large, self.fraction, self.whole) {
            (true, ..) => typed("BOOLEAN"),
            (_, true, true, _) => typed("VARCHAR"),
            (_, true, ..) => typed("HUGEINT"),
            (_, _, true, _) => typed("DOUBLE"),
            (_, _, _, true) => typed("BIGINT"),
            _ => typed("VARCHAR"),
        }
    }

    fn count(&mut self, value: &str) {
        let digits = value.trim_start_matches('-');
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        match value.as_bytes().first() {
            Some(b'"') => self.text = true,
            Some(b't' | b'f') => self.boolean = true,
            Some(b'{' | b'[') => self.nested = true,
            Some(b'n') | None => {}
            Some(_) if !whole => self.fraction = true,
            Some(_) if digits.len() > 38 => self.text = true,
            Some(_) if digits.len() > WHOLE_DIGITS => self.large = true,
            Some(_) => self.whole = true,
        }
    }
}

/// The columns of a file, in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct JsonColumns {
    pub(super) columns: Vec<JsonColumn>,
}

impl JsonColumns {
    /// Counts a row in. The error says what in it cannot be taken.
    pub(super) fn add(&mut self, row: &JsonRow) -> Result<(), String> {
        for (place, (name, value)) in row.iter().enumerate() {
            let value = value.get();
            if depth(value) > MAX_DEPTH {
                return Err(format!("{name} nests deeper than {MAX_DEPTH} levels"));
            }
            let at = self.place(name, place);
            let at = at.unwrap_or_else(|| {
                self.columns.push(JsonColumn {
                    name: name.clone(),
                    ..JsonColumn::default()
                });
                self.columns.len() - 1
            });
            if at >= MAX_COLUMNS {
                return Err(format!("there are more than {MAX_COLUMNS} keys"));
            }
            self.columns[at].count(value);
        }
        Ok(())
    }

    /// The place of a column. Rows mostly have the same keys in the same order.
    fn place(&self, name: &str, likely: usize) -> Option<usize> {
        let known = |column: &JsonColumn| is_same(&column.name, name);
        match self.columns.get(likely) {
            Some(column) if column.name == name => Some(likely),
            _ => self.columns.iter().position(known),
        }
    }

    /// A row's cells, in the columns' order.
    pub(super) fn cells(&self, row: JsonRow) -> Result<Vec<Option<String>>, String> {
        let mut cells = vec![None; self.columns.len()];
        for (place, (name, value)) in row.into_iter().enumerate() {
            let at = self
                .place(&name, place)
                .ok_or("the file has changed meanwhile")?;
            let value = value.get();
            cells[at] = match value.as_bytes().first() {
                Some(b'n') | None => None,
                Some(b'"') => Some(serde_json::from_str(value).map_err(|error| error.to_string())?),
                Some(_) => Some(value.to_owned()),
            };
        }
        Ok(cells)
    }
}

/// How deep a value nests. Brackets in texts do not count.
fn depth(value: &str) -> usize {
    let (mut depth, mut deepest, mut text, mut escaped) = (0_usize, 0, false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A row: its keys and values, as they are written.
pub(super) type JsonRow = Vec<(String, Box<RawValue>)>;

/// Calls `each` with every row of a file. The error says which row is none.
pub(super) fn rows(
    mut text: FileText,
    each: &mut dyn FnMut(JsonRow) -> Result<(), String>,
) -> Result<(), String> {
    let mut count = 0_u64;
    let mut counted = |row: JsonRow| {
        count += 1;
        each(row).map_err(|why| format!("row {count}: {why}"))
    };
    let begins_array = loop {
        let rest = text.fill_buf().map_err(|error| unread(&error))?;
        let Some(first) = rest.first().copied() else {
            return Err("it is empty".to_owned());
        };
        if !first.is_ascii_whitespace() {
            break first == b'[';
        }
        text.consume(1);
    };
    if begins_array {
        let mut reader = serde_json::Deserializer::from_reader(text);
        let read = reader.deserialize_seq(ArrayVisitor(&mut counted));
        return read
            .and_then(|()| reader.end())
            .map_err(|error| error.to_string());
    }
    let values = serde_json::Deserializer::from_reader(text).into_iter::<Box<RawValue>>();
    for value in values {
        let value = value.map_err(|error| error.to_string())?;
        counted(row(value.get())?)?;
    }
    Ok(())
}

fn row(text: &str) -> Result<JsonRow, String> {
    if depth(text) > MAX_DEPTH {
        return Err(format!("a row nests deeper than {MAX_DEPTH} levels"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    reader
        .deserialize_map(ObjectVisitor)
        .map_err(|error| format!("a row is no object: {error}"))
}

/// An object's keys and values.
struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = JsonRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRow, A::Error> {
        let mut row = JsonRow::new();
        while let Some(entry) = map.next_entry()? {
            row.push(entry);
        }
        Ok(row)
    }
}

/// The rows of an array, one after the other.
struct ArrayVisitor<'f>(&'f mut dyn FnMut(JsonRow) -> Result<(), String>);

impl<'de> Visitor<'de> for ArrayVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element_seed(RawSeed)? {
            let row = row(raw.get()).and_then(&mut *self.0);
            row.map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

/// A value as it is written.
struct RawSeed;

impl<'de> DeserializeSeed<'de> for RawSeed {
    type Value = Box<RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Box<RawValue>, D::Error> {
        serde::Deserialize::deserialize(reader)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, CellPlan)>, String> {
        let read: Box<dyn Read> = Box::new(Cursor::new(text.to_owned().into_bytes()));
        let mut columns = JsonColumns::default();
        rows(BufReader::new(read), &mut |row| columns.add(&row))?;
        let columns = columns.columns.iter();
        Ok(columns.map(|one| (one.name.clone(), one.plan())).collect())
    }

    #[test]
    fn b41_a_text_stays_a_text_and_a_number_one_if_all_are() {
        let check = |values: &[&str], expect: CellPlan| {
            let rows = values.iter().map(|value| format!("{{\"c\": {value}}}"));
            let lines: Vec<String> = rows.collect();
            let expect = Ok(vec![("c".to_owned(), expect)]);
            assert_eq!(read(&lines.join("\n")), expect, "{values:?}");
            assert_eq!(
                read(&format!("[{}]", lines.join(","))),
                expect,
                "{values:?}"
            );
        };
        let typed = |kind: &str| CellPlan::Typed(kind.to_owned());
        check(
            &["\"B8ACD569-0000-0000-0000-000000000000\""],
            typed("VARCHAR"),
        );
        check(&["\"2026-11-22\"", "null"], typed("VARCHAR"));
        check(&["1", "-2", "null"], typed("BIGINT"));
        check(&["1", "2.5", "1e3"], typed("DOUBLE"));
        check(&["1", "\"x\""], typed("VARCHAR"));
        check(&["9007199254740993"], typed("BIGINT"));
        check(&["18446744073709551615", "1"], typed("HUGEINT"));
        check(&["18446744073709551615", "1.5"], typed("VARCHAR"));
        check(&["true", "false"], typed("BOOLEAN"));
        check(&["true", "1"], typed("VARCHAR"));
        check(&["{\"a\": 1}", "[1]"], CellPlan::Nested);
        check(&["[1]", "5"], typed("VARCHAR"));
        check(&["null"], typed("VARCHAR"));
    }

    #[test]
    fn attack_5_a_file_that_nests_too_deep_is_refused() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(
            read(&deep).unwrap_err().contains("deeper"),
            "{:?}",
            read(&deep)
        );
        let deep = "{\"a\":".repeat(50_000) + "1" + &"}".repeat(50_000);
        assert!(read(&deep).unwrap_err().contains("deeper"));
        let text = format!("{{\"a\": \"{}\"}}", "[".repeat(1_000));
        assert!(read(&text).is_ok());
        for none in ["", "5", "{\"a\":1", "[1]", "[{\"a\":1}"] {
            assert!(read(none).is_err(), "{none}");
        }
    }
}
