//! The catalog's own tables, exported to the query database: read in the transaction of one
//! snapshot, some rows at a time and only the columns that a query needs.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;

use crate::db::columns::{CatalogTable, SqlColumn};
use crate::db::engine::{Session, Transaction};
use crate::db::table_function::{Scan, TableSource, fetched};
use crate::error::Error;
use crate::sql::{Ident, joined};

/// A read transaction of the catalog, shared by several scans.
pub(crate) type Snapshot = Arc<Mutex<Transaction>>;

/// How much is fetched at once: less than DuckDB itself keeps of a scan.
const FETCH_BYTES: u64 = 8 << 20;
/// How many rows are fetched at least: one vector.
const MIN_FETCH_ROWS: u64 = 2048;
/// How many rows are fetched first, while their size is not known.
const FIRST_FETCH_ROWS: u64 = 8 * MIN_FETCH_ROWS;
/// How many rows are fetched at most: one row group.
const MAX_FETCH_ROWS: u64 = 122_880;

/// A table of a snapshot.
pub(crate) struct SnapshotTable {
    pub(crate) snapshot: Snapshot,
    pub(crate) table: CatalogTable,
}

impl SnapshotTable {
    /// SQL that selects columns as they are sent.
    fn select<'c>(&self, columns: impl IntoIterator<Item = &'c SqlColumn>) -> String {
        let columns = joined(columns.into_iter().map(SqlColumn::sent), ", ");
        format!("SELECT {columns} FROM {}", Ident(&self.table.name))
    }
}

impl TableSource for SnapshotTable {
    fn schema(&self) -> Result<SchemaRef, Error> {
        let sql = format!("{} LIMIT 0", self.select(&self.table.columns));
        let session = self.snapshot.lock();
        let mut statement = session.connection.prepare(&sql)?;
        let schema = statement.stream_arrow([])?.get_schema();
        Ok(schema)
    }

    fn rows(&self) -> u64 {
        self.table.rows
    }

    fn scan(&self, columns: Vec<usize>) -> Scan {
        let mut scan = RowScan {
            snapshot: Arc::clone(&self.snapshot),
            select: self.select(columns.iter().map(|at| &self.table.columns[*at])),
            table: Ident(self.table.name.clone()),
            at: 0,
            end: None,
            step: FIRST_FETCH_ROWS,
        };
        fetched(move || scan.fetch())
    }
}

/// A scan of a table by row numbers. A connection has one answer at a time, and the scans of a
/// snapshot share it, so each fetch is a statement of its own.
struct RowScan {
    snapshot: Snapshot,
    select: String,
    table: Ident<String>,
    at: u64,
    /// The end of the rows. `None` before the first fetch.
    end: Option<u64>,
    step: u64,
}

impl RowScan {
    /// Fetches the next rows. `None` at the end.
    fn fetch(&mut self) -> Result<Option<Vec<RecordBatch>>, Error> {
        let transaction = self.snapshot.lock();
        let session: &Session = &transaction;
        let end = match self.end {
            Some(end) => end,
            None => {
                let sql = format!(
                    "SELECT coalesce(max(rowid) + 1, 0)::UBIGINT FROM {}",
                    self.table
                );
                session.connection.query_row(&sql, [], |row| row.get(0))?
            }
        };
        self.end = Some(end);
        if self.at >= end {
            return Ok(None);
        }
        let next = self.at.saturating_add(self.step).min(end);
        let sql = format!(
            "{} WHERE rowid >= {} AND rowid < {next}",
            self.select, self.at
        );
        let mut statement = session.connection.prepare(&sql)?;
        // This starts it; the loop takes its chunks.
        let _ = statement.stream_arrow([])?;
        let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while let Some(chunk) = statement.step()? {
            let chunk = RecordBatch::from(&chunk);
            rows += chunk.num_rows() as u64;
            bytes += chunk.get_array_memory_size() as u64;
            batches.push(chunk);
        }
        let fit = FETCH_BYTES.saturating_mul(rows) / bytes.max(1);
        self.at = next;
        self.step = fit.clamp(MIN_FETCH_ROWS, MAX_FETCH_ROWS);
        Ok(Some(batches))
    }
}

/// The views of the catalog's own database: their names, and what they select.
pub(crate) fn view_definitions(session: &Session) -> Result<Vec<(String, String)>, Error> {
    let mut statement = session.connection.prepare(
        "SELECT view_name, sql FROM duckdb_views()
         WHERE NOT internal AND NOT temporary AND database_name = current_database()
         ORDER BY view_oid",
    )?;
    let views = statement.query_map([], |row| {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        // `CREATE VIEW name AS SELECT …;`
        let select = sql.split_once(" AS ").map_or("", |(_, select)| select);
        Ok((name, select.trim_end_matches([';', '\n']).to_owned()))
    })?;
    Ok(views.collect::<Result<_, _>>()?)
}
