//! Tables that a worker scans in the process that started it.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;

use crate::db::table_function::{Exports, Scan, TableSource, fetched};
use crate::error::Error;
use crate::query::worker::wire::{Export, WorkerOrder, WorkerReport, read, receive, send};

/// The worker's end. A fetch holds it until its rows are there.
pub(crate) type Link = Arc<Mutex<UnixStream>>;

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
        let mut scan = RemoteScan {
            number: self.scans.fetch_add(1, Ordering::Relaxed),
            table: self.name.clone(),
            columns,
            link: Arc::clone(&self.link),
            is_read: false,
        };
        fetched(move || scan.fetch())
    }
}

/// A scan that is under way.
struct RemoteScan {
    number: u64,
    table: String,
    columns: Vec<usize>,
    link: Link,
    /// True if the last rows are here.
    is_read: bool,
}

impl RemoteScan {
    /// Fetches the next rows. `None` at the end.
    fn fetch(&mut self) -> Result<Option<Vec<RecordBatch>>, Error> {
        if self.is_read {
            return Ok(None);
        }
        let fetch = WorkerReport::Fetch {
            scan: self.number,
            table: self.table.clone(),
            columns: self.columns.clone(),
        };
        let (body, last) = asked(&self.link, &fetch)?;
        self.is_read = last;
        if body.is_empty() {
            return Ok(None);
        }
        let (_, batches) = read(&body).map_err(unread)?;
        Ok(Some(batches))
    }
}

/// Asks the other process for rows or bytes. Returns with them whether they are the last.
///
/// # Errors
/// The other process's, and the socket's.
pub(crate) fn asked(link: &Link, report: &WorkerReport) -> Result<(Vec<u8>, bool), Error> {
    let (order, body) = {
        let mut link = link.lock();
        send(&mut link, report, &[]).map_err(unread)?;
        receive(&mut link).map_err(unread)?
    };
    match order {
        WorkerOrder::Rows { last } => Ok((body, last)),
        WorkerOrder::NoRows(error) => Err(error.within(std::time::Duration::ZERO)),
        WorkerOrder::Open(_) | WorkerOrder::Run(_) | WorkerOrder::Read(_) => {
            Err(unread("another order came"))
        }
    }
}
