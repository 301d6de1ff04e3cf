//! Data sets: named SQL whose answer is kept as a table, and made again after the crawls that
//! registered something, on a schedule, or when somebody asks for it.

use std::sync::Arc;

use duckdb::{Connection, OptionalExt, params};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sink::Timestamp;
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::config::Dataset;
use crate::db::engine::{Mode, Session};
use crate::error::Error;
use crate::query::views::Desk;
use crate::query::{copy, sandbox};

/// A data set and its newest run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetState {
    /// Its name.
    pub name: String,
    /// Its SQL.
    pub sql: String,
    /// When it is made.
    pub when: String,
    /// The rows of its table; none before its first run that succeeded.
    pub rows: Option<u64>,
    /// Its runs, newest first, at most ten.
    pub runs: Vec<DatasetRun>,
}

/// One run of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetRun {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many rows its table has since; none where it failed, and the table stayed as it was.
    pub rows: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How many runs of a data set are kept.
const RUNS: u64 = 100;
/// How many are shown.
const SHOWN: usize = 10;

impl Catalog {
    /// Makes a data set again. What its SQL meets is the run's error, and its table then stays.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no data set of that name, else the database's.
    pub async fn refresh(&self, name: &str) -> Result<DatasetRun, Error> {
        let config = &self.inner.config;
        let Some(dataset) = config.datasets.iter().find(|dataset| dataset.name == name) else {
            let names: Vec<&str> = config.datasets.iter().map(|d| d.name.as_str()).collect();
            return Err(Error::Invalid(match names.as_slice() {
                [] => format!(
                    "there is no data set {name}: a [[dataset]] in clickweir.toml makes one"
                ),
                names => format!(
                    "there is no data set {name}: there are {}",
                    names.join(", ")
                ),
            }));
        };
        let (dataset, inner) = (dataset.clone(), self.inner.clone());
        let (started_at, clock) = (inner.clock.now(), Instant::now());
        let limit = config.query_timeout;
        // The tail before the snapshot, as for every query.
        let now = inner.tail.now();
        let work = move |desk: &mut Session<Desk>| {
            sandbox::check(&desk.connection, &dataset.sql)?;
            let snapshot = Arc::new(Mutex::new(inner.engine.begin(Mode::Read)?));
            let location = inner.lake.location();
            let _laid = desk.lay(&snapshot, &inner.config, location, &now, &dataset.sql)?;
            let kept = inner.engine.begin(Mode::Write)?;
            // It is one statement that reads, so it may stand within another.
            let sql = dataset.sql.trim_end().trim_end_matches(';');
            let rows = copy::fill(&kept, &dataset.name, desk, sql, limit)?;
            kept.commit()?;
            Ok(rows)
        };
        let made = self.inner.desk.run(Mode::Read, limit, work).await;
        let run = DatasetRun {
            started_at,
            took_ms: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            rows: made.as_ref().ok().copied(),
            error: made.err().map(|error| error.to_string()),
        };
        // Its history tells the same; a line in the log with each crawl would hide people's.
        tracing::debug!(
            target: "sql", by = "data set", name, took_ms = run.took_ms, rows = run.rows,
            error = run.error, "a data set was made"
        );
        let (name, kept) = (name.to_owned(), run.clone());
        let keep = move |session: &mut Session| keep(&session.connection, &name, &kept);
        self.inner.engine.run(Mode::Write, limit, keep).await?;
        Ok(run)
    }

    /// Makes those data sets that are due: `registered` says that a crawl has brought something.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn refresh_due(&self, registered: bool) -> Result<(), Error> {
        let states = self.datasets().await?;
        let now = self.inner.clock.now();
        for (dataset, state) in self.inner.config.datasets.iter().zip(states) {
            let newest = state.runs.first().map(|run| run.started_at);
            let due = match (newest, dataset.every) {
                (None, _) => true,
                (Some(_), None) => registered,
                (Some(at), Some(every)) => now.minus(every) >= at,
            };
            if due {
                let run = self.refresh(&dataset.name).await?;
                if let Some(error) = run.error {
                    tracing::warn!(dataset = dataset.name, error, "a data set was not made");
                }
            }
        }
        Ok(())
    }

    /// The data sets, in the order of the configuration.
    ///
    /// # Errors
    /// The database's.
    pub async fn datasets(&self) -> Result<Vec<DatasetState>, Error> {
        let datasets = self.inner.config.datasets.clone();
        self.read(move |session| {
            let state = |dataset: Dataset| state(&session.connection, dataset);
            datasets.into_iter().map(state).collect()
        })
        .await
    }
}

fn state(connection: &Connection, dataset: Dataset) -> Result<DatasetState, Error> {
    let mut statement = connection.prepare(
        "SELECT epoch_us(started_at), took_ms, \"rows\", error FROM dataset_runs
         WHERE name = ? ORDER BY number DESC LIMIT ?",
    )?;
    let runs = statement.query_map(params![dataset.name, SHOWN as u64], |row| {
        Ok(DatasetRun {
            started_at: Timestamp::from_micros(row.get(0)?),
            took_ms: row.get(1)?,
            rows: row.get(2)?,
            error: row.get(3)?,
        })
    })?;
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let newest = "SELECT \"rows\" FROM dataset_runs WHERE name = ? AND error IS NULL
         ORDER BY number DESC LIMIT 1";
    let rows = connection.query_row(newest, [&dataset.name], |row| row.get(0));
    Ok(DatasetState {
        when: match dataset.every {
            None => "after each crawl that registers something".to_owned(),
            Some(every) => format!(
                "every {}",
                humantime_serde::re::humantime::format_duration(every)
            ),
        },
        name: dataset.name,
        sql: dataset.sql,
        rows: rows.optional()?,
        runs,
    })
}

fn keep(connection: &Connection, name: &str, run: &DatasetRun) -> Result<(), Error> {
    let number: u64 = connection.query_row(
        "SELECT coalesce(max(number) + 1, 0) FROM dataset_runs WHERE name = ?",
        [name],
        |row| row.get(0),
    )?;
    connection.execute(
        "INSERT INTO dataset_runs VALUES (?, ?, make_timestamptz(?), ?, ?, ?)",
        params![
            name,
            number,
            run.started_at.micros(),
            run.took_ms,
            run.rows,
            run.error
        ],
    )?;
    connection.execute(
        "DELETE FROM dataset_runs WHERE name = ? AND number + ? <= ?",
        params![name, RUNS, number],
    )?;
    Ok(())
}

/// Drops the tables of data sets that the configuration no longer has.
pub(crate) fn prune(connection: &Connection, datasets: &[Dataset]) -> Result<(), duckdb::Error> {
    let mut statement = connection.prepare("SELECT DISTINCT name FROM dataset_runs")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names.collect::<Result<Vec<_>, _>>()? {
        if datasets.iter().all(|dataset| dataset.name != name) {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS \"{name}\""))?;
            connection.execute("DELETE FROM dataset_runs WHERE name = ?", [&name])?;
        }
    }
    Ok(())
}
