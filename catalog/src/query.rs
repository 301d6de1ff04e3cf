//! Free SQL: one reading statement over the lake's views, in a sandbox, within limits.

use std::time::Duration;

use arrow::array::RecordBatch;
use sink::Location;
use tokio::time::Instant;

use crate::engine::Session;
use crate::error::sentence;
use crate::live::Shown;
use crate::tail::Now;
use crate::{Catalog, Config, Error, Rows, sandbox};

/// What an answer may weigh in memory, in bytes.
const ANSWER: usize = 64 << 20;

impl Catalog {
    /// Runs one statement that reads (`FROM clicks LIMIT 5`), in one snapshot. It sees
    /// `clicks`, `dead_letters` and the catalog's own tables; `clicks_live`, which is `clicks`
    /// and what the tail has behind them, `clicks_per_minute` over it, and `tail`, which says
    /// how each partition's stands. It can neither write nor reach a file outside of the lake.
    ///
    /// # Errors
    /// [`Error::Refused`] for a statement of another kind, [`Error::Invalid`] where DuckDB
    /// does not understand it, [`Error::TimedOut`] and [`Error::TooLarge`] at the limits.
    pub async fn query(&self, sql: &str) -> Result<Rows, Error> {
        // Taken before the snapshot: a crawl in between takes from the tail what only a later
        // snapshot lists.
        self.query_beside(self.inner.tail.now(), sql).await
    }

    /// … beside what the tail kept a moment ago.
    pub(crate) async fn query_beside(&self, now: Now, sql: &str) -> Result<Rows, Error> {
        let (sql, inner) = (sql.to_owned(), self.inner.clone());
        let (most, limit) = (inner.config.query_rows, inner.config.query_timeout);
        let work = move |session: &mut Session| {
            let started = Instant::now();
            sandbox::check(&session.connection, &sql)?;
            let (shown, note) = bind(session, &inner.config, inner.lake.location(), &now, &sql)?;
            let mut rows = answer(session, &sql, most, limit, started)?;
            drop(shown);
            rows.note = note;
            Ok(rows)
        };
        self.read(work).await
    }
}

/// Makes the views that `sql` may name. Binding opens objects, so only what is asked for is
/// bound. What the tail adds is shown until the first of the answer is dropped; the second is
/// what is to be known of it.
pub(crate) fn bind(
    session: &mut Session,
    config: &Config,
    location: &Location,
    now: &Now,
    sql: &str,
) -> Result<(Option<Shown>, Option<String>), Error> {
    let text = sql.to_lowercase();
    let names = |names: &[&str]| names.iter().any(|name| text.contains(name));
    if names(&["click", "dead_letters", "tail", "show"]) {
        session.bind_views(location)?;
    }
    session.bind_externals(&config.externals, &text)?;
    if !names(&["clicks_live", "clicks_per_minute", "tail", "show"]) {
        return Ok((None, None));
    }
    let (shown, note) = session.bind_live(now)?;
    let said = names(&["clicks_live", "clicks_per_minute"]);
    Ok((Some(shown), note.filter(|_| said)))
}

fn answer(
    session: &Session,
    sql: &str,
    most: usize,
    limit: Duration,
    started: Instant,
) -> Result<Rows, Error> {
    let blame = |error: &duckdb::Error| blame(error, limit);
    let mut statement = session
        .connection
        .prepare(sql)
        .map_err(|error| blame(&error))?;
    let schema = statement
        .stream_arrow([])
        .map_err(|error| blame(&error))?
        .get_schema();
    let (mut batches, mut rows, mut weight, mut truncated) = (Vec::new(), 0, 0, false);
    while let Some(chunk) = statement.step().map_err(|error| blame(&error))? {
        if session.is_stopped() {
            return Err(Error::TimedOut(limit));
        }
        let batch = RecordBatch::from(&chunk);
        weight += batch.get_array_memory_size();
        if weight > ANSWER {
            return Err(Error::TooLarge(format!(
                "the answer is larger than {} MiB",
                ANSWER >> 20
            )));
        }
        let room = most - rows;
        truncated = batch.num_rows() > room;
        let batch = batch.slice(0, batch.num_rows().min(room));
        rows += batch.num_rows();
        batches.push(batch);
        if truncated {
            break;
        }
    }
    Rows::new(&schema, &batches, truncated, started.elapsed())
}

/// Whose fault an error of somebody's SQL is.
pub(crate) fn blame(error: &duckdb::Error, limit: Duration) -> Error {
    let text = sentence(error);
    let is = |kind: &str| text.starts_with(kind);
    if is("INTERRUPT") {
        Error::TimedOut(limit)
    } else if is("Out of Memory") {
        Error::TooLarge(text.lines().next().unwrap_or(&text).to_owned())
    } else if is("Permission Error") {
        Error::Refused(format!(
            "{}: only the lake's own objects and external tables can be read",
            text.lines().next().unwrap_or(&text)
        ))
    } else if is("IO Error") || is("HTTP Error") || is("FATAL") {
        Error::Unavailable(text)
    } else {
        Error::Invalid(text)
    }
}
