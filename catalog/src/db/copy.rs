//! The answer of a statement in another database, written as a table of the catalog: data sets,
//! and tables of servers.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;

use crate::db::columns::{SqlColumn, columns, received};
use crate::db::engine::Session;
use crate::db::table_function::{ExportGuard, MemoryTable, exported};
use crate::error::{Error, blame};
use crate::sql::{Ident, joined};

/// How much of an answer is written at once.
const WRITE_BYTES: usize = 8 << 20;
/// The name under which rows are exported to the catalog's database.
const ANSWER: &str = "answer";

/// Makes a table of the catalog anew, from what `sql` answers in another database, and returns
/// how many rows it has. The caller commits.
///
/// # Errors
/// Those of `sql`, as a query's; [`Error::TimedOut`] if the work was stopped.
pub(crate) fn fill<K>(
    catalog: &Session,
    table: &str,
    from: &Session<K>,
    sql: &str,
    limit: Duration,
) -> Result<u64, Error> {
    let blame = |error: duckdb::Error| blame(&error, sql, limit);
    let table = Ident(table);
    let answer = format!("(\n{sql}\n)");
    let columns = columns(&from.connection, &answer).map_err(blame)?;
    let typed = columns.iter();
    let typed = typed.map(|column| format!("{} {}", column.name, column.kind));
    catalog.connection.execute_batch(&format!(
        "CREATE OR REPLACE TABLE {table} ({})",
        joined(typed, ", ")
    ))?;
    let insert = format!(
        "INSERT INTO {table} {}",
        received(&exported(ANSWER), &columns)
    );
    let sent = joined(columns.iter().map(SqlColumn::sent), ", ");
    let select = format!("SELECT {sent} FROM {answer}");
    let mut statement = from.connection.prepare(&select).map_err(blame)?;
    let schema = statement.stream_arrow([]).map_err(blame)?.get_schema();
    let (mut count, mut batches, mut bytes) = (0, Vec::new(), 0);
    loop {
        let chunk = statement.step().map_err(blame)?;
        if from.is_stopped() {
            return Err(Error::TimedOut(limit));
        }
        let ended = chunk.is_none();
        if let Some(chunk) = chunk {
            let rows = RecordBatch::from(&chunk);
            count += rows.num_rows() as u64;
            bytes += rows.get_array_memory_size();
            batches.push(rows);
        }
        if bytes > WRITE_BYTES || ended {
            let rows = MemoryTable::new(Arc::clone(&schema), std::mem::take(&mut batches));
            let _exports = ExportGuard::one(ANSWER, rows);
            catalog.connection.execute_batch(&insert)?;
            bytes = 0;
        }
        if ended {
            return Ok(count);
        }
    }
}
