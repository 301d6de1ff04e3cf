//! The catalog's own tables, lent to where free SQL runs: read in the transaction of one
//! snapshot, some rows at a time and only the columns that are asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;

use crate::db::columns::{Column, columns};
use crate::db::engine::{Session, Transaction};
use crate::db::table_function::{Lend, Scan};
use crate::error::Error;
use crate::sql::named;

/// A transaction of the catalog that reads, and that others read in meanwhile.
pub(crate) type Snapshot = Arc<Mutex<Transaction>>;

/// What is fetched at once, in bytes: less than DuckDB itself holds of a scan.
const PIECE: u64 = 8 << 20;
/// How many rows are fetched first, when it is not known what they weigh …
const FIRST: u64 = 8 * 2048;
/// … and at most: what DuckDB keeps together.
const MOST: u64 = 122_880;

/// A table of a snapshot.
pub(crate) struct Loan {
    pub(crate) snapshot: Snapshot,
    pub(crate) table: Owned,
}

impl Lend for Loan {
    fn schema(&self) -> Result<SchemaRef, Error> {
        let columns: Vec<String> = self.table.columns.iter().map(Column::sent).collect();
        let sql = format!(
            "SELECT {} FROM {} LIMIT 0",
            columns.join(", "),
            named(&self.table.name)
        );
        let session = self.snapshot.lock();
        let mut statement = session.connection.prepare(&sql)?;
        let schema = statement.stream_arrow([])?.get_schema();
        Ok(schema)
    }

    fn rows(&self) -> u64 {
        self.table.rows
    }

    fn scan(&self, columns: Vec<usize>) -> Scan {
        let columns: Vec<String> = columns
            .iter()
            .map(|at| self.table.columns[*at].sent())
            .collect();
        Box::new(Pieces {
            snapshot: Arc::clone(&self.snapshot),
            select: format!(
                "SELECT {} FROM {}",
                columns.join(", "),
                named(&self.table.name)
            ),
            table: named(&self.table.name),
            at: 0,
            end: None,
            step: FIRST,
            fetched: VecDeque::new(),
        })
    }
}

/// A table's rows by their numbers. A connection has one answer at a time, and many scans share
/// this one, so each piece is an answer of its own.
struct Pieces {
    snapshot: Snapshot,
    select: String,
    table: String,
    at: u64,
    /// Where the rows end; none before the first piece.
    end: Option<u64>,
    step: u64,
    fetched: VecDeque<RecordBatch>,
}

impl Pieces {
    /// Fetches the next piece; whether there was one.
    fn fetch(&mut self) -> Result<bool, Error> {
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
            return Ok(false);
        }
        let next = self.at.saturating_add(self.step).min(end);
        let sql = format!(
            "{} WHERE rowid >= {} AND rowid < {next}",
            self.select, self.at
        );
        let mut statement = session.connection.prepare(&sql)?;
        // It begins; its chunks are taken below.
        let _ = statement.stream_arrow([])?;
        let (mut rows, mut bytes) = (0, 0);
        while let Some(chunk) = statement.step()? {
            let chunk = RecordBatch::from(&chunk);
            rows += chunk.num_rows() as u64;
            bytes += chunk.get_array_memory_size() as u64;
            self.fetched.push_back(chunk);
        }
        let fit = PIECE.saturating_mul(rows) / bytes.max(1);
        self.at = next;
        self.step = fit.clamp(2048, MOST);
        Ok(true)
    }
}

impl Iterator for Pieces {
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

/// A table of the catalog's own.
pub(crate) struct Owned {
    pub(crate) name: String,
    /// How many rows it has, about.
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Column>,
}

impl Session {
    /// Those of the catalog's own tables that `wanted` says yes to.
    pub(crate) fn tables(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Owned>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT table_name, estimated_size::UBIGINT FROM duckdb_tables()
             WHERE database_name = current_database() AND NOT temporary ORDER BY table_oid",
        )?;
        let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let tables: Vec<(String, u64)> = tables.collect::<Result<_, _>>()?;
        let tables = tables.into_iter().filter(|(name, _)| wanted(name));
        tables
            .map(|(name, rows)| {
                let columns = columns(&self.connection, &named(&name))?;
                Ok(Owned {
                    name,
                    rows,
                    columns,
                })
            })
            .collect()
    }

    /// The catalog's own views, by name: what they select.
    pub(crate) fn texts(&self) -> Result<Vec<(String, String)>, Error> {
        let mut statement = self.connection.prepare(
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
}
