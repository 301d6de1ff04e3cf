//! The crawler's history.

use duckdb::{Connection, params};
use serde::Serialize;
use sink::Timestamp;

use crate::catalog::Catalog;
use crate::error::Error;

/// How many runs that registered nothing are kept.
const QUIET_RUNS: u64 = 1_000;

/// One run of the crawler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether it looked at the whole lake.
    pub full: bool,
    /// Objects it had not known.
    pub found: u64,
    /// Those that it registered.
    pub registered: u64,
    /// Those that wait for the one before them.
    pub held: u64,
    /// Those that are damaged or out of place.
    pub refused: u64,
    /// Files among the objects that are none.
    pub foreign: u64,
    /// What was held, refused or foreign, by name.
    pub detail: String,
}

impl Catalog {
    /// The crawler's newest `n` runs, newest first. Of runs that registered nothing
    /// only those of the newest thousand are kept.
    ///
    /// # Errors
    /// The database's.
    pub async fn crawls(&self, n: usize) -> Result<Vec<Run>, Error> {
        self.read(move |session| {
            let mut statement = session.connection.prepare(
                "SELECT epoch_us(started_at), took_ms, \"full\", \"found\", registered, held,
                    refused, \"foreign\", detail
                 FROM crawls ORDER BY number DESC LIMIT ?",
            )?;
            let runs = statement.query_map([n as u64], |row| {
                Ok(Run {
                    started_at: Timestamp::from_micros(row.get(0)?),
                    took_ms: row.get(1)?,
                    full: row.get(2)?,
                    found: row.get(3)?,
                    registered: row.get(4)?,
                    held: row.get(5)?,
                    refused: row.get(6)?,
                    foreign: row.get(7)?,
                    detail: row.get(8)?,
                })
            })?;
            Ok(runs.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Keeps a run.
pub(crate) fn insert_run(connection: &Connection, run: &Run) -> Result<(), Error> {
    let number: u64 = connection.query_row(
        "SELECT coalesce(max(number) + 1, 0) FROM crawls",
        [],
        |row| row.get(0),
    )?;
    connection.execute(
        "INSERT INTO crawls VALUES (?, make_timestamptz(?), ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            number,
            run.started_at.micros(),
            run.took_ms,
            run.full,
            run.found,
            run.registered,
            run.held,
            run.refused,
            run.foreign,
            run.detail
        ],
    )?;
    if number.is_multiple_of(100) {
        connection.execute(
            "DELETE FROM crawls WHERE registered = 0 AND number + ? < ?",
            params![QUIET_RUNS, number],
        )?;
    }
    Ok(())
}
