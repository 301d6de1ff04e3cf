//! What a statement answers elsewhere, as a table of the catalog: data sets, and tables of other
//! servers.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;

use crate::db::columns::{Column, columns, received};
use crate::db::engine::Session;
use crate::db::table_function::{Held, Lend, Lending};
use crate::error::{Error, blame};
use crate::sql::named;

/// What of an answer is written at once, in bytes.
const TOGETHER: usize = 8 << 20;
/// The name under which it is lent to the catalog's own database.
const ANSWER: &str = "answer";

/// Makes a table of the catalog anew, of what `sql` answers in another database, and says how
/// many rows that are. It is the caller's to commit.
///
/// # Errors
/// Those of `sql`, as a query's; [`Error::TimedOut`] where nobody waits any more.
pub(crate) fn fill<K>(
    catalog: &Session,
    table: &str,
    from: &Session<K>,
    sql: &str,
    limit: Duration,
) -> Result<u64, Error> {
    let blame = |error: duckdb::Error| blame(&error, limit);
    let table = named(table);
    let answer = format!("(\n{sql}\n)");
    let columns = columns(&from.connection, &answer).map_err(blame)?;
    let list = |of: &dyn Fn(&Column) -> String| {
        let columns: Vec<String> = columns.iter().map(of).collect();
        columns.join(", ")
    };
    let typed = list(&|column| format!("{} {}", column.name, column.kind));
    catalog
        .connection
        .execute_batch(&format!("CREATE OR REPLACE TABLE {table} ({typed})"))?;
    let insert = format!("INSERT INTO {table} {}", received(ANSWER, &columns));
    let select = format!("SELECT {} FROM {answer}", list(&Column::sent));
    let mut statement = from.connection.prepare(&select).map_err(blame)?;
    let schema = statement.stream_arrow([]).map_err(blame)?.get_schema();
    let (mut count, mut held, mut bytes) = (0, Vec::new(), 0);
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
            held.push(rows);
        }
        if bytes > TOGETHER || ended {
            let rows = Held::new(Arc::clone(&schema), std::mem::take(&mut held));
            let rows: Arc<dyn Lend> = Arc::new(rows);
            let _lending = Lending::new([(ANSWER.to_owned(), rows)].into());
            catalog.connection.execute_batch(&insert)?;
            bytes = 0;
        }
        if ended {
            return Ok(count);
        }
    }
}
