//! Runs one statement and collects its answer.

use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::time::Instant;

use crate::db::engine::Session;
use crate::error::{Error, blame};
use crate::query::rows::Rows;

/// The most memory that an answer may take.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Runs a statement. Rows after the first `max_rows` are cut.
///
/// # Errors
/// [`Error::Invalid`] if DuckDB does not understand it, [`Error::TimedOut`] and
/// [`Error::TooLarge`] at the limits.
pub(crate) fn answer<K>(
    session: &Session<K>,
    sql: &str,
    max_rows: usize,
    limit: Duration,
    started: Instant,
) -> Result<Rows, Error> {
    let blame = |error: duckdb::Error| blame(&error, sql, limit);
    let mut statement = session.connection.prepare(sql).map_err(blame)?;
    let schema = statement.stream_arrow([]).map_err(blame)?.get_schema();
    let (mut batches, mut rows, mut bytes, mut truncated) = (Vec::new(), 0, 0, false);
    while let Some(chunk) = statement.step().map_err(blame)? {
        if session.is_stopped() {
            return Err(Error::TimedOut(limit));
        }
        let batch = RecordBatch::from(&chunk);
        bytes += batch.get_array_memory_size();
        if bytes > MAX_ANSWER_BYTES {
            return Err(Error::TooLarge(format!(
                "the answer is larger than {} MiB: narrow the query",
                MAX_ANSWER_BYTES >> 20
            )));
        }
        let room = max_rows - rows;
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
