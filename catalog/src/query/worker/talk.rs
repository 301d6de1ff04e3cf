//! What is said over one statement: the worker asks for rows of the catalog's tables, and sends
//! the answer's.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::db::table_function::{Exports, Scan};
use crate::error::Error;
use crate::query::worker::life::RunningWorker;
use crate::query::worker::wire::{
    Statement, WorkerOrder, WorkerReport, read, receive, send, written,
};

/// How much of a scan is sent at once.
const SEND_BYTES: usize = 1 << 20;

/// A statement with what the worker needs to run it.
pub(crate) struct SqlTask {
    pub(crate) statement: Statement,
    /// The schemas of the exported tables, one after another.
    pub(crate) schemas: Vec<u8>,
    pub(crate) exports: Exports,
    /// The catalog's revision whose views are told. `None` if none are.
    pub(crate) revision: Option<u64>,
}

/// A part of an answer.
pub(crate) enum Part {
    /// The columns of an answer that is kept: names, and types in DuckDB's words.
    Columns(Vec<(String, String)>),
    Rows(SchemaRef, Vec<RecordBatch>),
}

impl RunningWorker {
    /// Has a statement run, and hands on what it answers. Returns true if rows were cut.
    ///
    /// # Errors
    /// The statement's, and those of `take`. If the worker can no longer be followed, it is marked.
    pub(crate) fn run(
        &mut self,
        task: SqlTask,
        limit: Duration,
        take: impl FnMut(Part) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        // Whatever ends this early leaves the worker in the middle of something.
        self.broken = true;
        self.converse(task, limit, take).unwrap_or_else(|error| {
            self.gone = true;
            let why = format!("the process for SQL is gone: {error}");
            Err(Error::Unavailable(why))
        })
    }

    /// The outer error is the socket's.
    fn converse(
        &mut self,
        task: SqlTask,
        limit: Duration,
        mut take: impl FnMut(Part) -> Result<(), Error>,
    ) -> io::Result<Result<bool, Error>> {
        let run = WorkerOrder::Run(Box::new(task.statement));
        send(&mut self.stream, &run, &task.schemas)?;
        let (mut scans, mut bound) = (BTreeMap::new(), false);
        let done = loop {
            let (report, body) = receive(&mut self.stream)?;
            let taken = match report {
                WorkerReport::Bound => {
                    bound = true;
                    self.revision = task.revision.or(self.revision);
                    Ok(())
                }
                WorkerReport::Reset => {
                    bound = false;
                    Ok(())
                }
                WorkerReport::Fetch {
                    scan,
                    table,
                    columns,
                } => {
                    let open = scans.entry(scan).or_insert_with(|| {
                        let table = task.exports.get(&table);
                        table.map(|table| table.scan(columns))
                    });
                    let (order, rows) = match open.as_mut().map_or(Ok(None), fetched) {
                        Ok(rows) => (WorkerOrder::Rows, rows.unwrap_or_default()),
                        Err(error) => (WorkerOrder::NoRows(error.into()), Vec::new()),
                    };
                    send(&mut self.stream, &order, &rows)?;
                    Ok(())
                }
                WorkerReport::Columns(columns) => take(Part::Columns(columns)),
                WorkerReport::Answer => match read(&body) {
                    Ok((schema, rows)) => take(Part::Rows(schema, rows)),
                    Err(error) => Err(Error::Invalid(format!(
                        "the answer cannot be carried, cast its columns to VARCHAR: {error}"
                    ))),
                },
                WorkerReport::Done { truncated } => break Ok(truncated),
                WorkerReport::Failed(error) => break Err(error.within(limit)),
                WorkerReport::Ready => return Err(io::Error::other("it said something else")),
            };
            if let Err(error) = taken {
                return Ok(Err(error));
            }
        };
        if !bound {
            // It may have lost its views.
            self.revision = None;
        }
        self.broken = false;
        Ok(done)
    }
}

/// The next rows of a scan as a body. `None` at its end.
fn fetched(scan: &mut Scan) -> Result<Option<Vec<u8>>, Error> {
    let (mut batches, mut bytes) = (Vec::<RecordBatch>::new(), 0);
    while bytes < SEND_BYTES {
        let Some(batch) = scan.next().transpose()? else {
            break;
        };
        bytes += batch.get_array_memory_size();
        batches.push(batch);
    }
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let body = written(&first.schema(), &batches)
        .map_err(|error| Error::Unavailable(format!("a table cannot be sent: {error}")))?;
    Ok(Some(body))
}
