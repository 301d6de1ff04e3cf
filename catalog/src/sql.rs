//! Text as SQL.

use sink::Timestamp;

/// Text as an SQL literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Text as a name in SQL.
pub(crate) fn named(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A path as a pattern that means nothing but itself.
pub(crate) fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter {
            '*' | '?' | '[' => plain.extend(['[', letter, ']']),
            letter => plain.push(letter),
        }
    }
    plain
}

/// SQL of a table that says why it has no rows when it is read.
pub(crate) fn nothing(why: &str) -> String {
    format!(
        "SELECT NULL AS nothing WHERE error({})::BOOLEAN",
        quoted(why)
    )
}

/// `column` within `[from, to)`.
pub(crate) fn within(column: &str, from: Timestamp, to: Timestamp) -> String {
    let (from, to) = (from.micros(), to.micros());
    format!("{column} >= make_timestamptz({from}) AND {column} < make_timestamptz({to})")
}

/// SQL of the begin of a calendar's unit of UTC, in microseconds, over a moment. A moment with a
/// time zone goes through DuckDB's calendars, which takes ten times as long.
pub(crate) fn truncated(unit: &str, at: &str) -> String {
    format!("epoch_us(date_trunc('{unit}', make_timestamp(epoch_us({at}))))")
}

/// `occurred_at`, down to a unit of so many microseconds.
pub(crate) fn floored(unit: i64) -> String {
    format!("make_timestamptz((epoch_us(occurred_at) // {unit}) * {unit})")
}
