//! Tables that a worker scans in the process that started it.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;

use crate::db::table_function::{Exports, Scan, TableSource, VECTOR_ROWS};
use crate::error::Error;
use crate::query::worker::wire::{Export, WorkerOrder, WorkerReport, read, receive, send};

/// The worker's end. A fetch holds it until its rows are there.
pub(super) type Link = Arc<Mutex<UnixStream>>;

/// A table of the process that started the worker.
struct RemoteTable {
    name: String,
    rows: u64,
    schema: SchemaRef,
    link: Link,
    scans: Arc<AtomicU64>,
}

/// The exported tables, whose schemas are one after another in `body`.
pub(super) fn exports(
    exports: Vec<Export>,
    mut body: &[u8],
    link: &Link,
    scans: &Arc<AtomicU64>,
) -> Result<Exports, Error> {
    let mut tables = Exports::new();
    for Export {
        name,
        rows,
        schema_bytes,
    } in exports
    {
        let (schema, rest) = body
            .split_at_checked(schema_bytes)
            .ok_or_else(|| Error::Unavailable("an exported table has no schema".into()))?;
        body = rest;
        let (schema, _) = read(schema).map_err(unread)?;
        let table = RemoteTable {
            name: name.clone(),
            rows,
            schema,
            link: Arc::clone(link),
            scans: Arc::clone(scans),
        };
        tables.insert(name, Arc::new(table));
    }
    Ok(tables)
}

fn unread(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("exported rows cannot be read: {error}"))
}

impl TableSource for RemoteTable {
    fn schema(&self) -> Result<SchemaRef, Error> {
        Ok(Arc::clone(&self.schema))
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn scan(&self, columns: Vec<usize>) -> Scan {
        Box::new(RemoteScan {
            number: self.scans.fetch_add(1, Ordering::Relaxed),
            table: self.name.clone(),
            columns,
            link: Arc::clone(&self.link),
            fetched: VecDeque::new(),
        })
    }
}

/// A scan that is under way.
struct RemoteScan {
    number: u64,
    table: String,
    columns: Vec<usize>,
    link: Link,
    fetched: VecDeque<RecordBatch>,
}

impl RemoteScan {
    /// Fetches the next rows. Returns false at the end.
    fn fetch(&mut self) -> Result<bool, Error> {
        let fetch = WorkerReport::Fetch {
            scan: self.number,
            table: self.table.clone(),
            columns: self.columns.clone(),
        };
        let (order, body) = {
            let mut link = self.link.lock();
            send(&mut link, &fetch, &[]).map_err(unread)?;
            receive(&mut link).map_err(unread)?
        };
        match order {
            WorkerOrder::Rows if body.is_empty() => Ok(false),
            WorkerOrder::Rows => {
                let (_, batches) = read(&body).map_err(unread)?;
                for batch in batches {
                    let starts = (0..batch.num_rows()).step_by(VECTOR_ROWS);
                    let rows = |at| batch.slice(at, VECTOR_ROWS.min(batch.num_rows() - at));
                    self.fetched.extend(starts.map(rows));
                }
                Ok(true)
            }
            WorkerOrder::NoRows(error) => Err(error.within(std::time::Duration::ZERO)),
            WorkerOrder::Open(_) | WorkerOrder::Run(_) => Err(unread("another order came")),
        }
    }
}

impl Iterator for RemoteScan {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.fetched.is_empty() {
            match self.fetch() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        self.fetched.pop_front().map(Ok)
    }
}
