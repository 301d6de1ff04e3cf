//! Reads a file as batches of drafts: split into records, mapped, wrapped in envelopes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::value::RawValue;

use super::batch::{BatchBuilder, LineClick};
use super::error::Error;
use super::job::Import;
use super::lines::Torn;
use super::map::{ColumnMap, MappedClick, SourceRow};
use super::records::{RecordReader, RecordText};
use super::source::SourceFile;
use crate::accept::identity::ClickIdentity;
use crate::accept::scan::{self, MAX_DEPTH};
use crate::address::IpPolicy;

/// How many batches are read before they are sent.
pub(super) const AHEAD_BATCHES: usize = 4;
/// How many records a mapping is held against before anything is sent.
const FIRST_RECORDS: usize = 1_000;

/// What was read besides the batches.
pub(super) struct ReadFile {
    /// The number of records before the first that was sent.
    pub(super) passed: u64,
    /// True if records are items of JSON rather than lines.
    pub(super) has_items: bool,
}

/// Reads the file after line `from` and sends its batches until they are no longer
/// received.
pub(super) fn read(
    file: &SourceFile,
    import: &Import,
    from: u64,
    mut builder: BatchBuilder<'_>,
) -> Result<ReadFile, Error> {
    check_map(file, import, builder.ip_policy())?;
    let map = import.map.as_ref();
    let mut records = RecordReader::open(file, import, builder.ip_policy())?;
    let columns = match &records {
        RecordReader::Csv { header, .. } => distinct(header),
        _ => Vec::new(),
    };
    let mut done = ReadFile {
        passed: 0,
        has_items: matches!(records, RecordReader::Items(_)),
    };
    while let Some((line, record)) = records.next().map_err(|error| file.unreadable(error))? {
        if line <= from {
            done.passed += 1;
            continue;
        }
        let click = record.and_then(|record| match (record, map) {
            (RecordText::Fields(fields), Some(map)) => {
                Ok(line_click(map.click(&csv_row(&columns, &fields))))
            }
            (RecordText::Fields(_), None) => Err(Torn::new("a CSV file needs a mapping", b"")),
            (RecordText::Json(text), map) => parse_object(map, &text),
            (RecordText::Click(click), _) => Ok(*click),
        });
        if !builder.push(line, records.consumed(), click) {
            return Ok(done);
        }
    }
    builder.flush();
    Ok(done)
}

/// Checks that the file has the columns that the mapping needs: in its header, or in one of its
/// first objects.
fn check_map(file: &SourceFile, import: &Import, ip: IpPolicy) -> Result<(), Error> {
    let Some(map) = &import.map else {
        return Ok(());
    };
    let mut records = RecordReader::open(file, import, ip)?;
    let mut names = match &records {
        RecordReader::Csv { header, .. } if header.is_empty() => return Ok(()),
        RecordReader::Csv { header, .. } => header.clone(),
        _ => Vec::new(),
    };
    let (columns, is_csv) = (distinct(&names), !names.is_empty());
    if is_csv && !map.explodes() {
        return Ok(map.check("the file", &names)?);
    }
    let mut found = BTreeSet::new();
    let mut objects = 0;
    for _ in 0..FIRST_RECORDS {
        let Some((_, record)) = records.next().map_err(|error| file.unreadable(error))? else {
            break;
        };
        match record {
            Ok(RecordText::Json(text)) => {
                if let Ok(fields) = serde_json::from_str(&text) {
                    objects += 1;
                    found.extend(map.columns_of(&SourceRow::of_object(&fields)));
                }
            }
            Ok(RecordText::Fields(fields)) => {
                objects += 1;
                found.extend(map.columns_of(&csv_row(&columns, &fields)));
            }
            _ => {}
        }
    }
    let is_new = |name: &String| !names.contains(name);
    let more: Vec<String> = found.into_iter().filter(is_new).collect();
    names.extend(more);
    match objects {
        0 => Ok(()),
        _ => Ok(map.check("the beginning of the file", &names)?),
    }
}

/// The names of a header, each once: the second `a` is `a_2`.
fn distinct(header: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = header.iter().cloned().collect();
    let mut count = HashMap::<&str, usize>::new();
    let mut name = |name| {
        let nth = count.entry(name).or_default();
        *nth += 1;
        if *nth == 1 {
            return name.to_owned();
        }
        loop {
            let numbered = format!("{name}_{nth}");
            if taken.insert(numbered.clone()) {
                return numbered;
            }
            *nth += 1;
        }
    };
    header.iter().map(|column| name(column)).collect()
}

fn csv_row<'r>(columns: &'r [String], fields: &'r [String]) -> SourceRow<'r> {
    let cells = columns.iter().zip(fields);
    let cells = cells.map(|(name, text)| (name.as_str(), Cow::Borrowed(text.as_str()), None));
    SourceRow::new(cells.collect())
}

fn line_click(mapped: MappedClick) -> LineClick {
    let json = RawValue::from_string(mapped.json).expect("the mapping writes JSON");
    LineClick {
        visitor: mapped.visitor,
        items: mapped.items,
        misfits: mapped.misfits,
        ..LineClick::of(json)
    }
}

/// Makes the click of an object.
pub(super) fn parse_object(map: Option<&ColumnMap>, text: &str) -> Result<LineClick, Torn> {
    let torn = |reason: String| Torn::new(reason, text.as_bytes());
    if !text.starts_with('{') {
        return Err(torn("the line is not an object".into()));
    }
    scan::end(text, MAX_DEPTH).map_err(|fault| torn(fault.reason))?;
    let Some(map) = map else {
        let click: &RawValue =
            serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
        let found = ClickIdentity::of(click).map_err(torn)?;
        return Ok(LineClick {
            visitor: found.visitor.map(Cow::into_owned),
            items: found.items,
            ..LineClick::of(click.to_owned())
        });
    };
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
    Ok(line_click(map.click(&SourceRow::of_object(&fields))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_name_are_told_apart() {
        let header = ["a", "b", "a", "a_2", "a"].map(str::to_owned);
        assert_eq!(distinct(&header), ["a", "b", "a_3", "a_2", "a_4"]);
    }
}
