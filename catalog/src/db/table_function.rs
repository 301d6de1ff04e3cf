//! Tables that one database exports to another: a table function, `snapshot_table('NAME')`,
//! answers the rows of the table that is exported under that name on the thread that binds it.
//!
//! DuckDB asks only for the columns that a query needs, and takes one vector of rows at a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::error::Error as StdError;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{
    BindInfo, InitInfo, TableFunctionInfo, VTab, record_batch_to_duckdb_data_chunk,
    to_duckdb_logical_type_for_field,
};
use parking_lot::Mutex;

use crate::error::Error;
use crate::sql::Literal;

/// The table function's name. The sandbox allows calls of it only inside the catalog's own views.
const FUNCTION: &str = "snapshot_table";
/// How many rows DuckDB takes at once: the size of its vectors.
const VECTOR_ROWS: usize = 2048;
/// How many threads may read one scan side by side.
const SCAN_THREADS: u64 = 4;

/// SQL of the table that is exported under a name.
pub(crate) fn exported(name: &str) -> String {
    format!("{FUNCTION}({})", Literal(name))
}

/// Something with columns and rows.
pub(crate) trait TableSource: Send + Sync {
    /// Its columns.
    fn schema(&self) -> Result<SchemaRef, Error>;

    /// About how many rows it has.
    fn rows(&self) -> u64;

    /// Its rows, with only these columns.
    fn scan(&self, columns: Vec<usize>) -> Scan;
}

/// Rows as they are read, in batches of any size.
pub(crate) type Scan = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;
/// The exported tables by name.
pub(crate) type Exports = BTreeMap<String, Arc<dyn TableSource>>;

/// A scan of rows that are fetched some batches at a time; `fetch` answers `None` at the end.
pub(crate) fn fetched(
    mut fetch: impl FnMut() -> Result<Option<Vec<RecordBatch>>, Error> + Send + 'static,
) -> Scan {
    let mut waiting = VecDeque::new();
    Box::new(std::iter::from_fn(move || {
        while waiting.is_empty() {
            match fetch() {
                Ok(Some(batches)) => waiting.extend(batches),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        waiting.pop_front().map(Ok)
    }))
}

thread_local! {
    static EXPORTS: RefCell<Exports> = const { RefCell::new(BTreeMap::new()) };
}

/// Exports tables to the statements that this thread binds until it is dropped. Then the exports
/// before it are restored.
pub(crate) struct ExportGuard {
    before: Exports,
}

impl ExportGuard {
    pub(crate) fn new(exports: Exports) -> Self {
        Self {
            before: EXPORTS.replace(exports),
        }
    }

    /// Exports one table.
    pub(crate) fn one(name: &str, table: impl TableSource + 'static) -> Self {
        let table: Arc<dyn TableSource> = Arc::new(table);
        Self::new([(name.to_owned(), table)].into())
    }
}

impl Drop for ExportGuard {
    fn drop(&mut self) {
        EXPORTS.set(std::mem::take(&mut self.before));
    }
}

/// Registers the table function with a database.
pub(crate) fn register(connection: &Connection) -> Result<(), duckdb::Error> {
    connection.register_table_function::<SnapshotTableFunction>(FUNCTION)
}

/// A table in memory.
pub(crate) struct MemoryTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl MemoryTable {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }
}

impl TableSource for MemoryTable {
    fn schema(&self) -> Result<SchemaRef, Error> {
        Ok(Arc::clone(&self.schema))
    }

    fn rows(&self) -> u64 {
        let rows = self.batches.iter().map(RecordBatch::num_rows);
        rows.map(|rows| rows as u64).sum()
    }

    fn scan(&self, columns: Vec<usize>) -> Scan {
        let project = move |batch: RecordBatch| {
            let projected = batch.project(&columns);
            projected.expect("DuckDB asks for columns that bind announced")
        };
        Box::new(self.batches.clone().into_iter().map(project).map(Ok))
    }
}

/// The rows of a scan as DuckDB takes them.
fn vectors(scan: Scan) -> Scan {
    let cut = |batch: Result<RecordBatch, Error>| {
        let (batch, error) = match batch {
            Ok(batch) => (Some(batch), None),
            Err(error) => (None, Some(Err(error))),
        };
        let cut = batch.into_iter().flat_map(|batch| {
            let starts = (0..batch.num_rows()).step_by(VECTOR_ROWS);
            starts.map(move |at| Ok(batch.slice(at, VECTOR_ROWS.min(batch.num_rows() - at))))
        });
        cut.chain(error)
    };
    Box::new(scan.flat_map(cut))
}

struct SnapshotTableFunction;

/// A scan that is under way.
struct ScanState {
    columns: Vec<usize>,
    /// Opened at the first fetch.
    scan: Mutex<Option<Scan>>,
}

impl VTab for SnapshotTableFunction {
    type InitData = ScanState;
    type BindData = Arc<dyn TableSource>;

    fn bind(bind: &BindInfo) -> Result<Self::BindData, Box<dyn StdError>> {
        let name = bind.get_parameter(0);
        // The text of NULL is an exception of C++, which nothing here could catch.
        if name.is_null() {
            return Err("a table's name is due, not NULL".into());
        }
        let name = name.to_string();
        let table = EXPORTS.with_borrow(|exports| exports.get(&name).cloned());
        let table = table.ok_or_else(|| format!("no table is exported as {name}"))?;
        for field in table.schema()?.fields() {
            bind.add_result_column(field.name(), to_duckdb_logical_type_for_field(field)?);
        }
        bind.set_cardinality(table.rows(), false);
        Ok(table)
    }

    fn init(init: &InitInfo) -> Result<Self::InitData, Box<dyn StdError>> {
        init.set_max_threads(SCAN_THREADS);
        let columns = init.get_column_indices();
        let columns = columns.into_iter().map(|column| column as usize).collect();
        Ok(ScanState {
            columns,
            scan: Mutex::default(),
        })
    }

    fn func(
        function: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn StdError>> {
        // One thread at a time fetches; the threads convert side by side.
        let (state, table) = (function.get_init_data(), function.get_bind_data());
        let next = {
            let mut scan = state.scan.lock();
            scan.get_or_insert_with(|| vectors(table.scan(state.columns.clone())))
                .next()
        };
        match next.transpose()? {
            Some(rows) => record_batch_to_duckdb_data_chunk(&rows, output),
            None => {
                output.set_len(0);
                Ok(())
            }
        }
    }

    fn supports_pushdown() -> bool {
        true
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::Varchar)])
    }
}
