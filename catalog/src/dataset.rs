//! Data sets: named SQL whose answer is kept as a table, and made anew after the crawls that
//! registered something, on a schedule, or on request.

use std::time::Duration;

use duckdb::{Connection, OptionalExt, params};
use serde::{Deserialize, Serialize};
use sink::Timestamp;
use sink::clock::SharedClock;
use tokio::time::Instant;

use crate::config::Dataset;
use crate::db::engine::{Engine, Mode, Session};
use crate::error::Error;
use crate::query::database::QueryDatabase;
use crate::sql::Ident;
use crate::tail::snapshot::TailSnapshot;

/// A data set and its newest runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetState {
    /// Its name.
    pub name: String,
    /// Its SQL.
    pub sql: String,
    /// When it is made, in words.
    pub when: String,
    /// The rows of its table. `None` before its first run that succeeded.
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
    /// How many rows its table has since. `None` if it failed; then the table is as before.
    pub rows: Option<u64>,
    /// Why it failed. `None` if it did not.
    pub error: Option<String>,
}

/// How many runs of a data set are kept.
const KEPT_RUNS: u64 = 100;
/// How many of them are shown.
const SHOWN_RUNS: usize = 10;

/// Finds a data set by its name.
///
/// # Errors
/// [`Error::Invalid`] if there is no data set of that name.
pub(crate) fn named(datasets: &[Dataset], name: &str) -> Result<Dataset, Error> {
    if let Some(dataset) = datasets.iter().find(|dataset| dataset.name == name) {
        return Ok(dataset.clone());
    }
    let names: Vec<&str> = datasets.iter().map(|d| d.name.as_str()).collect();
    Err(Error::Invalid(match names.as_slice() {
        [] => format!("there is no data set {name}: a [[dataset]] in clickweir.toml makes one"),
        names => format!(
            "there is no data set {name}: there are {}",
            names.join(", ")
        ),
    }))
}

/// Makes a data set's table anew. What its SQL meets is the run's error, and the table is then as
/// before.
///
/// # Errors
/// The catalog's database's.
pub(crate) async fn refresh(
    queries: &QueryDatabase,
    engine: &Engine,
    clock: &SharedClock,
    tail: TailSnapshot,
    dataset: &Dataset,
    limit: Duration,
) -> Result<DatasetRun, Error> {
    let (started_at, begun) = (clock.now(), Instant::now());
    let made = queries.fill(tail, dataset).await;
    let run = DatasetRun {
        started_at,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        rows: made.as_ref().ok().copied(),
        error: made.err().map(|error| error.to_string()),
    };
    let name = dataset.name.clone();
    // Its history says the same; a line at a higher level with each crawl would hide people's.
    tracing::debug!(
        target: "sql", by = "data set", name, took_ms = run.took_ms, rows = run.rows,
        error = run.error, "a data set was made"
    );
    let kept = run.clone();
    let keep = move |session: &mut Session| keep(&session.connection, &name, &kept);
    engine.run(Mode::Write, limit, keep).await?;
    Ok(run)
}

/// The data sets that are due. `registered` is true if a crawl registered something.
pub(crate) fn due(
    datasets: &[Dataset],
    states: Vec<DatasetState>,
    now: Timestamp,
    registered: bool,
) -> impl Iterator<Item = &Dataset> {
    let with_states = datasets.iter().zip(states);
    let due = with_states.filter(move |(dataset, state)| {
        let newest = state.runs.first().map(|run| run.started_at);
        match (newest, dataset.every) {
            (None, _) => true,
            (Some(_), None) => registered,
            (Some(at), Some(every)) => now.minus(every) >= at,
        }
    });
    due.map(|(dataset, _)| dataset)
}

/// The data sets with their newest runs, in the order of the configuration.
pub(crate) fn states(session: &Session, datasets: &[Dataset]) -> Result<Vec<DatasetState>, Error> {
    let states = datasets.iter();
    states
        .map(|dataset| state(&session.connection, dataset))
        .collect()
}

fn state(connection: &Connection, dataset: &Dataset) -> Result<DatasetState, Error> {
    let mut statement = connection.prepare(
        "SELECT epoch_us(started_at), took_ms, \"rows\", error FROM dataset_runs
         WHERE name = ? ORDER BY number DESC LIMIT ?",
    )?;
    let runs = statement.query_map(params![dataset.name, SHOWN_RUNS as u64], |row| {
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
        name: dataset.name.clone(),
        sql: dataset.sql.clone(),
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
        params![name, KEPT_RUNS, number],
    )?;
    Ok(())
}

/// Drops the tables of data sets that the configuration no longer has.
pub(crate) fn prune(connection: &Connection, datasets: &[Dataset]) -> Result<(), duckdb::Error> {
    let mut statement = connection.prepare("SELECT DISTINCT name FROM dataset_runs")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names.collect::<Result<Vec<_>, _>>()? {
        if datasets.iter().all(|dataset| dataset.name != name) {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", Ident(&name)))?;
            connection.execute("DELETE FROM dataset_runs WHERE name = ?", [&name])?;
        }
    }
    Ok(())
}
