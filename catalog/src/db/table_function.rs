//! Rows that one database lends another: a table function, `lent('NAME')`, that gives what is
//! lent under that name to whoever binds it on the thread that lends.
//!
//! DuckDB asks for the columns that a query needs, and takes them a vector at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
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

/// The table function's name; the sandbox lets nobody call it but through our views.
pub(crate) const FUNCTION: &str = "lent";
/// How many rows DuckDB takes at once: its vectors' size.
const CHUNK: usize = 2048;
/// How many threads may read it side by side.
const THREADS: u64 = 4;

/// Something with rows.
pub(crate) trait Lend: Send + Sync {
    /// Its columns.
    fn schema(&self) -> Result<SchemaRef, Error>;

    /// How many rows it has, about.
    fn rows(&self) -> u64;

    /// Its rows, of these columns.
    fn scan(&self, columns: Vec<usize>) -> Scan;
}

/// Rows on their way.
pub(crate) type Scan = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;
/// What is lent, by name.
pub(crate) type Lent = BTreeMap<String, Arc<dyn Lend>>;

thread_local! {
    static LENT: RefCell<Lent> = const { RefCell::new(BTreeMap::new()) };
}

/// Lends to what is bound on this thread, until it is dropped; then what was lent before is
/// lent again.
pub(crate) struct Lending {
    before: Lent,
}

impl Lending {
    pub(crate) fn new(lent: Lent) -> Self {
        Self {
            before: LENT.replace(lent),
        }
    }
}

impl Drop for Lending {
    fn drop(&mut self) {
        LENT.set(std::mem::take(&mut self.before));
    }
}

/// Makes the function known to a database.
pub(crate) fn register(connection: &Connection) -> Result<(), duckdb::Error> {
    connection.register_table_function::<Function>(FUNCTION)
}

/// Rows in memory.
pub(crate) struct Held {
    schema: SchemaRef,
    rows: Vec<RecordBatch>,
}

impl Held {
    pub(crate) fn new(schema: SchemaRef, rows: Vec<RecordBatch>) -> Self {
        Self { schema, rows }
    }
}

impl Lend for Held {
    fn schema(&self) -> Result<SchemaRef, Error> {
        Ok(Arc::clone(&self.schema))
    }

    fn rows(&self) -> u64 {
        self.rows.iter().map(|rows| rows.num_rows() as u64).sum()
    }

    fn scan(&self, columns: Vec<usize>) -> Scan {
        let project = move |rows: RecordBatch| {
            let projected = rows.project(&columns);
            projected.expect("DuckDB asks for columns that it was told of")
        };
        let chunks = |rows: RecordBatch| {
            let starts = (0..rows.num_rows()).step_by(CHUNK);
            starts.map(move |at| rows.slice(at, CHUNK.min(rows.num_rows() - at)))
        };
        let rows = self.rows.clone().into_iter().map(project);
        Box::new(rows.flat_map(chunks).map(Ok))
    }
}

struct Function;

/// A scan that is under way.
struct Reading {
    columns: Vec<usize>,
    /// Begun by whoever asks first: only then is it known of what.
    scan: Mutex<Option<Scan>>,
}

impl VTab for Function {
    type InitData = Reading;
    type BindData = Arc<dyn Lend>;

    fn bind(bind: &BindInfo) -> Result<Self::BindData, Box<dyn StdError>> {
        let name = bind.get_parameter(0).to_string();
        let lent = LENT.with_borrow(|lent| lent.get(&name).cloned());
        let lent = lent.ok_or_else(|| format!("nothing is lent as {name}"))?;
        for field in lent.schema()?.fields() {
            bind.add_result_column(field.name(), to_duckdb_logical_type_for_field(field)?);
        }
        bind.set_cardinality(lent.rows(), false);
        Ok(lent)
    }

    fn init(init: &InitInfo) -> Result<Self::InitData, Box<dyn StdError>> {
        init.set_max_threads(THREADS);
        let columns = init.get_column_indices();
        let columns = columns.into_iter().map(|column| column as usize).collect();
        Ok(Reading {
            columns,
            scan: Mutex::default(),
        })
    }

    fn func(
        function: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn StdError>> {
        // One thread at a time fetches; what follows they do side by side.
        let (reading, lent) = (function.get_init_data(), function.get_bind_data());
        let next = {
            let mut scan = reading.scan.lock();
            scan.get_or_insert_with(|| lent.scan(reading.columns.clone()))
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
