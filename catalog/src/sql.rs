//! The one place where text becomes SQL.
//!
//! Everything that is put into a statement and is not a constant of this crate goes through one
//! of these types.

use std::fmt;

use sink::{Offset, Timestamp};

/// A name: of a table, a view, a macro or a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ident<T>(pub(crate) T);

impl<T: AsRef<str>> fmt::Display for Ident<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.as_ref().replace('"', "\"\""))
    }
}

/// A text value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Literal<T>(pub(crate) T);

impl<T: AsRef<str>> fmt::Display for Literal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.as_ref().replace('\'', "''"))
    }
}

/// A path as a pattern that matches only that path. It is not quoted: see [`file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glob<T>(pub(crate) T);

impl<T: AsRef<str>> fmt::Display for Glob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.as_ref().chars() {
            match letter {
                '*' | '?' | '[' => write!(f, "[{letter}]")?,
                letter => write!(f, "{letter}")?,
            }
        }
        Ok(())
    }
}

/// One file, as an argument of a function that takes a pattern.
pub(crate) fn file(path: &str) -> Literal<String> {
    Literal(Glob(path).to_string())
}

/// A list of expressions: `[a, b]`.
pub(crate) fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    format!("[{}]", joined(items, ", "))
}

/// Expressions with a separator between them.
pub(crate) fn joined<T: fmt::Display>(
    items: impl IntoIterator<Item = T>,
    separator: &str,
) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(separator)
}

/// Conditions of which one must hold; `false` if there are none.
pub(crate) fn any<T: fmt::Display>(conditions: impl IntoIterator<Item = T>) -> String {
    match joined(conditions, " OR ") {
        none if none.is_empty() => "false".to_owned(),
        some => format!("({some})"),
    }
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "make_timestamptz({})", self.0.micros())
    }
}

/// The condition that a column's moment is in `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeCondition {
    /// The column's name.
    pub(crate) column: &'static str,
    /// From when.
    pub(crate) from: Timestamp,
    /// Until when (exclusive).
    pub(crate) to: Timestamp,
}

impl TimeCondition {
    /// The range of a column.
    pub(crate) const fn of(column: &'static str, (from, to): (Timestamp, Timestamp)) -> Self {
        Self { column, from, to }
    }
}

impl fmt::Display for TimeCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (Moment(self.from), Moment(self.to));
        let column = self.column;
        write!(f, "{column} >= {from} AND {column} < {to}")
    }
}

/// The condition that a row is of the offsets `[first, end)` of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetRange {
    /// The partition.
    pub(crate) partition: u32,
    /// The first offset.
    pub(crate) first: Offset,
    /// The offset after the last one.
    pub(crate) end: Offset,
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            first,
            end,
        } = self;
        write!(
            f,
            r#"("partition" = {partition} AND "offset" >= {first} AND "offset" < {end})"#
        )
    }
}

/// A query that fails with a sentence when it is run.
pub(crate) fn failing(why: &str) -> String {
    format!(
        "SELECT NULL AS nothing WHERE error({})::BOOLEAN",
        Literal(why)
    )
}

/// The start of a moment's calendar unit in UTC, in microseconds. It avoids DuckDB's functions
/// for moments with a time zone, which take ten times as long.
pub(crate) fn truncated(unit: &str, at: &str) -> String {
    format!("epoch_us(date_trunc('{unit}', make_timestamp(epoch_us({at}))))")
}

/// `occurred_at`, rounded down to a multiple of so many microseconds.
pub(crate) fn floored(micros: i64) -> String {
    format!("make_timestamptz((epoch_us(occurred_at) // {micros}) * {micros})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_quotes() {
        assert_eq!(Ident("a\"b").to_string(), "\"a\"\"b\"");
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Glob("a[b]*?").to_string(), "a[[]b][*][?]");
        assert_eq!(
            list([file("/x?.parquet"), file("y")]),
            "['/x[?].parquet', 'y']"
        );
    }

    #[test]
    fn a_range_ends_before_its_end() {
        let range = OffsetRange {
            partition: 1,
            first: Offset(2),
            end: Offset(3),
        };
        assert_eq!(
            range.to_string(),
            r#"("partition" = 1 AND "offset" >= 2 AND "offset" < 3)"#
        );
        assert_eq!(any([range; 0]), "false");
    }
}
