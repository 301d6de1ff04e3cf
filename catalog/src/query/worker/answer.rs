//! Runs one statement and sends its answer.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::Connection;

use crate::db::copy::described;
use crate::error::{Error, blame};
use crate::query::tokens::without_end;
use crate::query::worker::remote::Link;
use crate::query::worker::wire::{WorkerReport, send, written};

/// The most memory that an answer which is shown may take.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// How much is sent at once.
const SEND_BYTES: usize = 1 << 20;

/// Rows on their way to the process that asked.
struct RowSender<'l> {
    link: &'l Link,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl<'l> RowSender<'l> {
    /// Begins an answer: its schema goes first.
    fn new(link: &'l Link, schema: SchemaRef) -> Result<Self, Error> {
        let mut answer = Self {
            link,
            schema,
            batches: Vec::new(),
            bytes: 0,
        };
        answer.flush()?;
        Ok(answer)
    }

    fn push(&mut self, batch: RecordBatch) -> Result<(), Error> {
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        match self.bytes > SEND_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let body = written(&self.schema, &self.batches).map_err(|error| {
            Error::Invalid(format!(
                "a column cannot be carried out of the database, cast it to VARCHAR: {error}"
            ))
        })?;
        self.batches.clear();
        self.bytes = 0;
        send(&mut self.link.lock(), &WorkerReport::Answer, &body)
            .map_err(|error| Error::Unavailable(format!("nobody waits for the answer: {error}")))
    }
}

/// Sends the first `max_rows` rows of a statement. Returns true if there are more.
///
/// # Errors
/// [`Error::Invalid`] if DuckDB does not understand it, [`Error::TooLarge`] at the limits.
pub(super) fn shown(
    connection: &Connection,
    link: &Link,
    sql: &str,
    max_rows: usize,
) -> Result<bool, Error> {
    let blame = |error: duckdb::Error| blame(&error, sql, Duration::ZERO);
    let mut statement = connection.prepare(sql).map_err(blame)?;
    let schema = statement.stream_arrow([]).map_err(blame)?.get_schema();
    let mut answer = RowSender::new(link, schema)?;
    let (mut rows, mut bytes, mut truncated) = (0, 0, false);
    while let Some(chunk) = statement.step().map_err(blame)? {
        let batch = RecordBatch::from(&chunk);
        bytes += batch.get_array_memory_size();
        if bytes > MAX_ANSWER_BYTES {
            let mebibytes = MAX_ANSWER_BYTES >> 20;
            let what = format!("the answer is larger than {mebibytes} MiB");
            return Err(Error::too_large(what, "narrow the query"));
        }
        let room = max_rows - rows;
        truncated = batch.num_rows() > room;
        let batch = batch.slice(0, batch.num_rows().min(room));
        rows += batch.num_rows();
        answer.push(batch)?;
        if truncated {
            break;
        }
    }
    answer.flush()?;
    Ok(truncated)
}

/// Sends all rows of a statement, as they are kept in a table. Returns false: none is cut.
///
/// # Errors
/// As [`shown`].
pub(crate) fn kept(connection: &Connection, link: &Link, sql: &str) -> Result<bool, Error> {
    let blame = |error: duckdb::Error| blame(&error, sql, Duration::ZERO);
    // It is one statement that reads, so it may be part of another.
    let (columns, select) = described(connection, without_end(sql)).map_err(blame)?;
    let columns = columns.into_iter();
    let columns = columns.map(|column| (column.name.0, column.kind)).collect();
    send(&mut link.lock(), &WorkerReport::Columns(columns), &[])
        .map_err(|error| Error::Unavailable(format!("nobody waits for the answer: {error}")))?;
    let mut statement = connection.prepare(&select).map_err(blame)?;
    let schema = statement.stream_arrow([]).map_err(blame)?.get_schema();
    let mut answer = RowSender::new(link, schema)?;
    while let Some(chunk) = statement.step().map_err(blame)? {
        answer.push(RecordBatch::from(&chunk))?;
    }
    answer.flush()?;
    Ok(false)
}
