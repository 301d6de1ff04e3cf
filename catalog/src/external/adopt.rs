//! External trees and tables of servers, taken in.

use duckdb::{Connection, OptionalExt, params};
use serde::{Deserialize, Serialize};
use sink::Timestamp;
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::config::{External, Form};
use crate::db::engine::{Mode, PATIENCE, Session};
use crate::error::Error;
use crate::external::postgres;
use crate::external::tree::crawl;

/// What a run of the crawler found in an external tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// The table.
    pub name: String,
    /// When the run began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Objects that are new or have changed.
    pub found: u64,
    /// Objects that the table shows now.
    pub adopted: u64,
    /// Their rows.
    pub rows: u64,
    /// Objects that it does not show.
    pub quarantined: u64,
    /// Objects that went away.
    pub gone: u64,
    /// What was quarantined, and which columns are new, a line each.
    pub detail: String,
}

/// An object that an external table does not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The table.
    pub name: String,
    /// The object.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

impl Catalog {
    /// Crawls an external tree, or copies a server's table; a file of another form needs neither.
    /// A run that found nothing new is not kept.
    ///
    /// # Errors
    /// The database's. A tree or a server that cannot be reached keeps what is known of it,
    /// and its run's detail says why.
    pub async fn adopt(&self, external: &External) -> Result<Adoption, Error> {
        let (began, clock) = (self.inner.clock.now(), Instant::now());
        let copied = match external.form() {
            Form::Tree => None,
            Form::Postgres => Some(self.copy(external).await),
            _ => return Ok(Adoption::default()),
        };
        let external = external.clone();
        let work = move |session: &mut Session| {
            let mut run = match copied {
                Some(copied) => postgres::run(session, &external, copied)?,
                None => {
                    // What fails in a transaction ends it, and foreign objects may fail.
                    let spare = session.connection.try_clone()?;
                    crawl(session, &spare, &external)?
                }
            };
            run.started_at = began;
            run.took_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
            let newest =
                "SELECT detail FROM external_runs WHERE name = ? ORDER BY started_at DESC LIMIT 1";
            let said: Option<String> = session
                .connection
                .query_row(newest, [&external.name], |row| row.get(0))
                .optional()?;
            let says = !run.detail.is_empty() && said.as_ref() != Some(&run.detail);
            if run.found + run.gone > 0 || says {
                keep(&session.connection, &run)?;
            }
            Ok(run)
        };
        self.inner.engine.run(Mode::Write, PATIENCE, work).await
    }

    /// The newest `n` runs over external trees, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn adoptions(&self, n: usize) -> Result<Vec<Adoption>, Error> {
        self.read(move |session| {
            let mut statement = session.connection.prepare(
                "SELECT name, epoch_us(started_at), took_ms, \"found\", adopted, \"rows\",
                    quarantined, gone, detail
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
                    detail: row.get(8)?,
                })
            })?;
            Ok(runs.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The first `n` objects that external tables do not show, by table and path.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantined(&self, n: usize) -> Result<Vec<Quarantined>, Error> {
        self.read(move |session| {
            let mut statement = session.connection.prepare(
                "SELECT name, path, bytes, reason FROM external_objects
                 WHERE reason IS NOT NULL ORDER BY name, path LIMIT ?",
            )?;
            let objects = statement.query_map([n as u64], |row| {
                Ok(Quarantined {
                    name: row.get(0)?,
                    path: row.get(1)?,
                    bytes: row.get(2)?,
                    reason: row.get(3)?,
                })
            })?;
            Ok(objects.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn keep(connection: &Connection, run: &Adoption) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO external_runs VALUES (?, make_timestamptz(?), ?, ?, ?, ?, ?, ?, ?)",
        params![
            run.name,
            run.started_at.micros(),
            run.took_ms,
            run.found,
            run.adopted,
            run.rows,
            run.quarantined,
            run.gone,
            run.detail
        ],
    )?;
    Ok(())
}
