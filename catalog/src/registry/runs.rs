//! The crawler's history.

use std::time::Duration;

use duckdb::{Connection, params};
use serde::Serialize;
use sink::Timestamp;

use crate::db::engine::Session;
use crate::error::Error;

/// How many runs that registered nothing are kept.
const KEPT_QUIET_RUNS: u64 = 1_000;

/// One run of the crawler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// True if it listed the whole lake.
    pub full: bool,
    /// Objects that were not registered yet.
    pub found: u64,
    /// Objects that it registered.
    pub registered: u64,
    /// Objects that wait for the object before them.
    pub held: u64,
    /// Objects that are damaged or out of place.
    pub refused: u64,
    /// Files that are not named like an object.
    pub foreign: u64,
    /// The held, refused and foreign names, and why.
    pub detail: String,
}

impl Run {
    /// The same run, which took so long.
    pub(crate) fn ended_after(&self, took: Duration) -> Self {
        Self {
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            ..self.clone()
        }
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Timestamp {
        let took = i64::try_from(self.took_ms).unwrap_or(i64::MAX);
        let ended = self
            .started_at
            .micros()
            .saturating_add(took.saturating_mul(1_000));
        Timestamp::from_micros(ended)
    }
}

/// The newest `n` runs, newest first.
pub(crate) fn newest_runs(session: &Session, n: usize) -> Result<Vec<Run>, Error> {
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
}

/// Keeps a run, and now and then deletes old ones that registered nothing.
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
            params![KEPT_QUIET_RUNS, number],
        )?;
    }
    Ok(())
}
