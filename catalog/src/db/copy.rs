//! The answer of a statement in another database, written as a table of the catalog: data sets, and
//! copies of files and of servers' tables.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::Connection;

use crate::db::columns::{SqlColumn, columns, received};
use crate::db::engine::Session;
use crate::db::table_function::{ExportGuard, MemoryTable, exported};
use crate::error::Error;
use crate::sql::{Ident, joined};

/// How much of an answer is written at once.
const WRITE_BYTES: usize = 8 << 20;
/// The name under which rows are exported to the catalog's database.
const ANSWER: &str = "answer";

/// The columns of a statement's answer, and SQL that selects them as they are sent.
pub(crate) fn described(
    connection: &Connection,
    sql: &str,
) -> Result<(Vec<SqlColumn>, String), duckdb::Error> {
    let answer = format!("(\n{sql}\n)");
    let columns = columns(connection, &answer)?;
    let sent = joined(columns.iter().map(SqlColumn::sent), ", ");
    Ok((columns, format!("SELECT {sent} FROM {answer}")))
}

/// A table of the catalog that is made anew. The caller commits.
pub(crate) struct TableWriter<'c> {
    catalog: &'c Session,
    insert: String,
    held: Vec<RecordBatch>,
    schema: Option<SchemaRef>,
    bytes: usize,
    rows: u64,
}

impl<'c> TableWriter<'c> {
    /// Makes the table: names, and types in DuckDB's words.
    ///
    /// # Errors
    /// The catalog's database's.
    pub(crate) fn new(
        catalog: &'c Session,
        table: &str,
        columns: Vec<(String, String)>,
    ) -> Result<Self, Error> {
        let table = Ident(table);
        let columns = columns.into_iter().map(|(name, kind)| SqlColumn {
            name: Ident(name),
            kind,
        });
        let columns: Vec<SqlColumn> = columns.collect();
        let typed = columns.iter();
        let typed = typed.map(|column| format!("{} {}", column.name, column.kind));
        catalog.connection.execute_batch(&format!(
            "CREATE OR REPLACE TABLE {table} ({})",
            joined(typed, ", ")
        ))?;
        Ok(Self {
            catalog,
            insert: format!(
                "INSERT INTO {table} {}",
                received(&exported(ANSWER), &columns)
            ),
            held: Vec::new(),
            schema: None,
            bytes: 0,
            rows: 0,
        })
    }

    /// Adds rows, which are of one schema.
    ///
    /// # Errors
    /// The catalog's database's.
    pub(crate) fn push(
        &mut self,
        schema: &SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<(), Error> {
        self.schema.get_or_insert_with(|| schema.clone());
        for batch in batches {
            self.rows += batch.num_rows() as u64;
            self.bytes += batch.get_array_memory_size();
            self.held.push(batch);
        }
        match self.bytes > WRITE_BYTES {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        if let Some(schema) = &self.schema {
            let rows = MemoryTable::new(schema.clone(), std::mem::take(&mut self.held));
            let _exports = ExportGuard::one(ANSWER, rows);
            self.catalog.connection.execute_batch(&self.insert)?;
        }
        self.bytes = 0;
        Ok(())
    }

    /// Writes what is left, and returns how many rows the table has.
    ///
    /// # Errors
    /// The catalog's database's.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        self.write()?;
        Ok(self.rows)
    }
}
