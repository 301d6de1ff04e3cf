//! What is said over one piece of work: the worker asks for rows of the catalog's tables, or for
//! bytes of a file, and sends what it answers.

use std::collections::BTreeMap;
use std::io;
use std::iter::Peekable;
use std::ops::Range;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::db::table_function::{Exports, Scan};
use crate::error::Error;
use crate::external::fit::FileColumn;
use crate::query::worker::life::RunningWorker;
use crate::query::worker::wire::{
    ForeignSource, Statement, WireError, WorkerOrder, WorkerReport, read, receive, send, written,
};

/// How much of a scan is sent at once: mostly all of it, since both processes wait for each other
/// at each turn, which is long on a busy machine.
const SEND_BYTES: usize = 8 << 20;
/// How much of a file is read at once, whatever a worker asks for.
const MAX_FETCH_BYTES: u64 = 4 << 20;

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
    /// What a Parquet file holds: its columns, and how many rows.
    File(Vec<FileColumn>, u64),
    /// What people must know of a copy, one line each.
    Notes(Vec<String>),
    /// The columns of an answer that is kept: names, and types in DuckDB's words.
    Columns(Vec<(String, String)>),
    Rows(SchemaRef, Vec<RecordBatch>),
}

/// Reads some bytes of the file that a worker takes apart. The error says why there are none.
pub(crate) type ByteSource = Box<dyn FnMut(Range<u64>) -> Result<Vec<u8>, String> + Send>;

/// What a worker may ask for while it works.
#[derive(Default)]
struct Supplies {
    exports: Exports,
    scans: BTreeMap<u64, Option<Peekable<Scan>>>,
    file: Option<ByteSource>,
    /// The catalog's revision whose views are told. `None` if none are.
    revision: Option<u64>,
}

impl Supplies {
    /// The next rows of a scan.
    fn rows(&mut self, scan: u64, table: &str, columns: Vec<usize>) -> (WorkerOrder, Vec<u8>) {
        let open = self.scans.entry(scan).or_insert_with(|| {
            let table = self.exports.get(table);
            table.map(|table| table.scan(columns).peekable())
        });
        match open.as_mut().map_or(Ok(None), fetched) {
            Ok(rows) => {
                let last = open.as_mut().is_none_or(|scan| scan.peek().is_none());
                (WorkerOrder::Rows { last }, rows.unwrap_or_default())
            }
            Err(error) => (WorkerOrder::NoRows(error.into()), Vec::new()),
        }
    }

    /// Bytes of the file.
    fn bytes(&mut self, at: u64, count: u64) -> (WorkerOrder, Vec<u8>) {
        let end = at.saturating_add(count.min(MAX_FETCH_BYTES));
        let read = self.file.as_mut().map(|read| read(at..end));
        match read.unwrap_or_else(|| Err("there is no file".to_owned())) {
            Ok(bytes) => (WorkerOrder::Rows { last: false }, bytes),
            Err(why) => (WorkerOrder::NoRows(WireError::Unavailable(why)), Vec::new()),
        }
    }
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
        let supplies = Supplies {
            exports: task.exports,
            revision: task.revision,
            ..Supplies::default()
        };
        let order = WorkerOrder::Run(Box::new(task.statement));
        self.follow((&order, &task.schemas), supplies, limit, take)
    }

    /// Has something of others read, and hands on what was found. `file` is asked for the bytes of
    /// a file of text.
    ///
    /// # Errors
    /// As [`RunningWorker::run`].
    pub(crate) fn read(
        &mut self,
        source: ForeignSource,
        file: Option<ByteSource>,
        limit: Duration,
        take: impl FnMut(Part) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let supplies = Supplies {
            file,
            ..Supplies::default()
        };
        let order = WorkerOrder::Read(Box::new(source));
        self.follow((&order, &[]), supplies, limit, take).map(drop)
    }

    fn follow(
        &mut self,
        order: (&WorkerOrder, &[u8]),
        supplies: Supplies,
        limit: Duration,
        take: impl FnMut(Part) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        // Whatever ends this early leaves the worker in the middle of something.
        self.broken = true;
        self.converse(order, supplies, limit, take)
            .unwrap_or_else(|error| {
                self.gone = true;
                let why = format!("the process for SQL is gone: {error}");
                Err(Error::Unavailable(why))
            })
    }

    /// The outer error is the socket's.
    fn converse(
        &mut self,
        (order, body): (&WorkerOrder, &[u8]),
        mut supplies: Supplies,
        limit: Duration,
        mut take: impl FnMut(Part) -> Result<(), Error>,
    ) -> io::Result<Result<bool, Error>> {
        send(&mut self.stream, order, body)?;
        let mut bound = false;
        let done = loop {
            let (report, body) = receive(&mut self.stream)?;
            let taken = match report {
                WorkerReport::Bound => {
                    bound = true;
                    self.revision = supplies.revision.or(self.revision);
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
                    let (order, rows) = supplies.rows(scan, &table, columns);
                    send(&mut self.stream, &order, &rows)?;
                    Ok(())
                }
                WorkerReport::FetchBytes { at, count } => {
                    let (order, bytes) = supplies.bytes(at, count);
                    send(&mut self.stream, &order, &bytes)?;
                    Ok(())
                }
                WorkerReport::File { columns, rows } => take(Part::File(columns, rows)),
                WorkerReport::Notes(notes) => take(Part::Notes(notes)),
                WorkerReport::Columns(columns) => take(Part::Columns(columns)),
                WorkerReport::Answer => match read(&body) {
                    Ok((schema, rows)) => take(Part::Rows(schema, rows)),
                    Err(error) => Err(Error::Invalid(format!(
                        "the answer cannot be carried, cast its columns to VARCHAR: {error}"
                    ))),
                },
                WorkerReport::Done { truncated } => break Ok(truncated),
                WorkerReport::Failed(error) => break Err(error.within(limit)),
                WorkerReport::Ready(_) => return Err(io::Error::other("it said something else")),
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

/// What a batch's rows take. Its arrays may be parts of larger ones.
fn sent_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    let sizes = columns.map(|column| column.to_data().get_slice_memory_size());
    // Arrow knows it of all types but views, which the tables do not have.
    sizes.map(Result::unwrap_or_default).sum()
}

/// The next rows of a scan as a body. `None` at its end.
fn fetched(scan: &mut Peekable<Scan>) -> Result<Option<Vec<u8>>, Error> {
    let (mut batches, mut bytes) = (Vec::<RecordBatch>::new(), 0);
    while bytes < SEND_BYTES {
        let Some(batch) = scan.next().transpose()? else {
            break;
        };
        bytes += sent_bytes(&batch);
        batches.push(batch);
    }
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let body = written(&first.schema(), &batches)
        .map_err(|error| Error::Unavailable(format!("a table cannot be sent: {error}")))?;
    Ok(Some(body))
}
