//! The table `objects`: its columns, and how objects get into it.

use duckdb::{Connection, params};
use sink::ReplayName;

use crate::error::Error;
use crate::registry::state::{Discovered, place};
use crate::sql::{Ident, joined};

const MOMENT: &str = "TIMESTAMP WITH TIME ZONE";
/// The columns of `objects`, and their types.
const OBJECT_COLUMNS: [(&str, &str); 21] = [
    ("replay", "VARCHAR"),
    ("path", "VARCHAR"),
    ("partition", "INTEGER"),
    ("first", "BIGINT"),
    ("end", "BIGINT"),
    ("appended_at", MOMENT),
    ("bytes", "BIGINT"),
    ("rows", "BIGINT"),
    ("dead_letters", "BIGINT"),
    ("duplicates", "BIGINT"),
    ("differing", "BIGINT"),
    ("dropped", "BIGINT"),
    ("absent", "BIGINT"),
    ("letters", "VARCHAR"),
    ("occurred_least", MOMENT),
    ("occurred_greatest", MOMENT),
    ("window_cut", "BOOLEAN"),
    ("configuration", "VARCHAR"),
    ("current", "BOOLEAN"),
    ("footer", "VARCHAR"),
    ("folded", "BOOLEAN"),
];

/// SQL that makes the table.
pub(crate) fn create_table() -> String {
    let columns = OBJECT_COLUMNS.map(|(name, kind)| format!("{} {kind}", Ident(name)));
    format!(
        "CREATE TABLE objects ({}, PRIMARY KEY (path), UNIQUE (replay, partition, \"first\"));",
        columns.join(", ")
    )
}

/// SQL of all columns under their names, with moments in microseconds.
pub(crate) fn columns_in_micros() -> String {
    let columns = OBJECT_COLUMNS.map(|(name, kind)| match (Ident(name), kind) {
        (name, MOMENT) => format!("epoch_us({name}) AS {name}"),
        (name, _) => name.to_string(),
    });
    columns.join(", ")
}

/// Lists objects of a replay, or of the live lake if it is `None`, and moves the ends of their
/// partitions. `folded` says whether the same transaction folds their rows.
pub(crate) fn insert(
    connection: &Connection,
    replay: Option<&ReplayName>,
    objects: &[Discovered],
    folded: bool,
) -> Result<(), Error> {
    // The appender takes moments as numbers.
    let columns = OBJECT_COLUMNS.map(|(name, kind)| match kind {
        MOMENT => format!("{} BIGINT", Ident(name)),
        kind => format!("{} {kind}", Ident(name)),
    });
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE arrived ({}, hour BIGINT)",
        columns.join(", ")
    ))?;
    append(connection, replay, objects, folded)?;
    let selected = OBJECT_COLUMNS.map(|(name, kind)| match (Ident(name), kind) {
        (name, MOMENT) => format!("make_timestamptz({name})"),
        (name, _) => name.to_string(),
    });
    connection.execute_batch(&format!(
        "INSERT INTO objects SELECT {} FROM arrived;
         INSERT INTO partitions
         SELECT replay, partition, max(\"end\"), arg_max(hour, \"first\") FROM arrived GROUP BY ALL
         ON CONFLICT DO UPDATE SET registered_end = excluded.registered_end, hour = excluded.hour;
         DROP TABLE arrived;",
        joined(selected, ", ")
    ))?;
    Ok(())
}

/// Fills the table `arrived`, in the order of its columns.
fn append(
    connection: &Connection,
    replay: Option<&ReplayName>,
    objects: &[Discovered],
    folded: bool,
) -> Result<(), Error> {
    let (replay, folder) = place(replay);
    let mut appender = connection.appender("arrived")?;
    for object in objects {
        let Discovered { name, footer, .. } = object;
        let counts = &footer.counts;
        let letters = footer.letters.as_ref();
        let json = serde_json::to_string(footer).expect("a footer is plain text and numbers");
        appender.append_row(params![
            replay,
            format!("{folder}{name}"),
            footer.partition.0,
            footer.first.0,
            footer.end.0,
            footer.appended_at.micros(),
            object.bytes,
            counts.rows,
            counts.dead_letters,
            counts.duplicates,
            footer.differing,
            counts.dropped,
            counts.absent,
            letters.map(|path| format!("{folder}{path}")),
            footer.occurred.map(|(least, _)| least.micros()),
            footer.occurred.map(|(_, greatest)| greatest.micros()),
            footer.window_cut,
            footer.configuration,
            object.current,
            json,
            folded || counts.rows == 0,
            name.hour.0,
        ])?;
    }
    appender.flush()?;
    Ok(())
}
