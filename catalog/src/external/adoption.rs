//! The runs over external tables, and the files that those do not show.

use duckdb::{Connection, OptionalExt, params};
use serde::{Deserialize, Serialize};
use sink::Timestamp;

use crate::db::engine::Session;
use crate::error::Error;

/// One run over an external table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// The table's name.
    pub name: String,
    /// When the run began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Files that are new or have changed.
    pub found: u64,
    /// Files that the table shows now.
    pub adopted: u64,
    /// Their rows.
    pub rows: u64,
    /// Files that the table does not show.
    pub quarantined: u64,
    /// Files that were deleted.
    pub gone: u64,
    /// Other files in the tree, which the table leaves out: those with hidden names, and those
    /// that are no Parquet files.
    pub left_out: u64,
    /// The quarantined files and the new columns, one line each.
    pub detail: String,
}

/// A file that an external table does not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The table's name.
    pub name: String,
    /// The file's path.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why it is not shown.
    pub reason: String,
}

/// Keeps a run that found something, or whose detail differs from the newest run's.
pub(crate) fn keep(connection: &Connection, run: &Adoption) -> Result<(), Error> {
    let newest = "SELECT detail FROM external_runs WHERE name = ? ORDER BY started_at DESC LIMIT 1";
    let known: Option<String> = connection
        .query_row(newest, [&run.name], |row| row.get(0))
        .optional()?;
    let is_news = !run.detail.is_empty() && known.as_ref() != Some(&run.detail);
    if run.found + run.gone == 0 && !is_news {
        return Ok(());
    }
    connection.execute(
        "INSERT INTO external_runs VALUES (?, make_timestamptz(?), ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            run.name,
            run.started_at.micros(),
            run.took_ms,
            run.found,
            run.adopted,
            run.rows,
            run.quarantined,
            run.gone,
            run.left_out,
            run.detail
        ],
    )?;
    Ok(())
}

/// The newest `n` runs, newest first.
pub(crate) fn adoptions(session: &Session, n: usize) -> Result<Vec<Adoption>, Error> {
    let mut statement = session.connection.prepare(
        "SELECT name, epoch_us(started_at), took_ms, \"found\", adopted, \"rows\",
            quarantined, gone, left_out, detail
         FROM external_runs ORDER BY started_at DESC, name LIMIT ?",
    )?;
    let runs = statement.query_map([n as u64], |row| {
        Ok(Adoption {
            name: row.get(0)?,
            started_at: Timestamp::from_micros(row.get(1)?),
            took_ms: row.get(2)?,
            found: row.get(3)?,
            adopted: row.get(4)?,
            rows: row.get(5)?,
            quarantined: row.get(6)?,
            gone: row.get(7)?,
            left_out: row.get(8)?,
            detail: row.get(9)?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}

/// The first `n` files that external tables do not show, by table and path.
pub(crate) fn quarantined(session: &Session, n: usize) -> Result<Vec<Quarantined>, Error> {
    let mut statement = session.connection.prepare(
        "SELECT name, path, bytes, reason FROM external_objects
         WHERE reason IS NOT NULL AND NOT left_out ORDER BY name, path LIMIT ?",
    )?;
    let files = statement.query_map([n as u64], |row| {
        Ok(Quarantined {
            name: row.get(0)?,
            path: row.get(1)?,
            bytes: row.get(2)?,
            reason: row.get(3)?,
        })
    })?;
    Ok(files.collect::<Result<_, _>>()?)
}
