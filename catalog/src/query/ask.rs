//! Free SQL: one reading statement over the lake's views, in a sandbox, within limits.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::db::engine::{Mode, Session};
use crate::error::{Error, blame};
use crate::query::log::{Asker, Question};
use crate::query::rows::Rows;
use crate::query::sandbox;
use crate::query::views::Desk;
use crate::tail::snapshot::Now;

/// What an answer may weigh in memory, in bytes.
const ANSWER: usize = 64 << 20;

impl Catalog {
    /// Runs one statement that reads (`FROM clicks LIMIT 5`), in one snapshot, and logs it. It
    /// sees `clicks`, `dead_letters` and the catalog's own tables; `clicks_live`, which is `clicks`
    /// and what the tail has behind them; over it, by minute of arrival, `clicks_per_minute`,
    /// `totals_per_minute` and `products_per_minute`; and `tail`, which says how each partition's
    /// stands. It can neither write nor reach a file outside of the lake and the external tables.
    ///
    /// # Errors
    /// [`Error::Refused`] for a statement of another kind, [`Error::Invalid`] where DuckDB
    /// does not understand it, [`Error::TimedOut`] and [`Error::TooLarge`] at the limits.
    pub async fn ask(&self, asker: &Asker, sql: &str) -> Result<Rows, Error> {
        let question = Question::new(asker, sql);
        // Taken before the snapshot: a crawl in between takes from the tail what only a later
        // snapshot lists.
        let answer = self.query_beside(self.inner.tail.now(), sql).await;
        question.answered(&answer);
        answer
    }

    /// … for this process itself.
    ///
    /// # Errors
    /// As [`Catalog::ask`].
    pub async fn query(&self, sql: &str) -> Result<Rows, Error> {
        self.ask(&Asker::here("this process"), sql).await
    }

    /// Runs one beside what the tail kept a moment ago.
    pub(crate) async fn query_beside(&self, now: Now, sql: &str) -> Result<Rows, Error> {
        let (sql, inner) = (sql.to_owned(), self.inner.clone());
        let (most, limit) = (inner.config.query_rows, inner.config.query_timeout);
        let work = move |desk: &mut Session<Desk>| {
            let started = Instant::now();
            sandbox::check(&desk.connection, &sql)?;
            let snapshot = Arc::new(Mutex::new(inner.engine.begin(Mode::Read)?));
            let laid = desk.lay(&snapshot, &inner.config, inner.lake.location(), &now, &sql)?;
            let mut rows = answer(desk, &sql, most, limit, started)?;
            rows.note = laid.note;
            Ok(rows)
        };
        self.inner.desk.run(Mode::Read, limit, work).await
    }
}

fn answer(
    desk: &Session<Desk>,
    sql: &str,
    most: usize,
    limit: Duration,
    started: Instant,
) -> Result<Rows, Error> {
    let blame = |error: &duckdb::Error| blame(error, limit);
    let mut statement = desk
        .connection
        .prepare(sql)
        .map_err(|error| blame(&error))?;
    let schema = statement
        .stream_arrow([])
        .map_err(|error| blame(&error))?
        .get_schema();
    let (mut batches, mut rows, mut weight, mut truncated) = (Vec::new(), 0, 0, false);
    while let Some(chunk) = statement.step().map_err(|error| blame(&error))? {
        if desk.is_stopped() {
            return Err(Error::TimedOut(limit));
        }
        let batch = RecordBatch::from(&chunk);
        weight += batch.get_array_memory_size();
        if weight > ANSWER {
            return Err(Error::TooLarge(format!(
                "the answer is larger than {} MiB: narrow the query",
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
