//! `clicks_live`: the lake's clicks and, behind each partition's registered end, the tail's.
//!
//! DuckDB reads the tail through a table function, column by column as a query asks for them.
//! Which rows it gives is said by the thread that binds it, which is the one that holds the
//! snapshot.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use duckdb::Connection;
use duckdb::core::DataChunkHandle;
use duckdb::vtab::{
    BindInfo, InitInfo, TableFunctionInfo, VTab, record_batch_to_duckdb_data_chunk,
    to_duckdb_logical_type_for_field,
};
use sink::{Offset, Partition, Timestamp};

use crate::Error;
use crate::engine::Session;
use crate::tail::{Now, Standing};
use crate::views::Table;

/// The table function's name; the sandbox lets nobody call it but through the view.
pub(crate) const FUNCTION: &str = "topic_tail";
/// How many rows DuckDB takes at once: its vectors' size.
const CHUNK: usize = 2048;
/// How many threads may read it side by side.
const THREADS: u64 = 4;

thread_local! {
    /// What the function gives to whom binds it on this thread.
    static SHOWN: RefCell<Vec<RecordBatch>> = const { RefCell::new(Vec::new()) };
}

/// Shows rows to what is bound on this thread, until it is dropped.
pub(crate) struct Shown(());

impl Shown {
    fn new(rows: Vec<RecordBatch>) -> Self {
        SHOWN.set(rows);
        Self(())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        SHOWN.take();
    }
}

/// Makes the function known to a database.
pub(crate) fn register(connection: &Connection) -> Result<(), duckdb::Error> {
    connection.register_table_function::<TopicTail>(FUNCTION)
}

struct TopicTail;

/// A scan that is under way.
struct Scan {
    columns: Vec<usize>,
    next: AtomicUsize,
}

impl VTab for TopicTail {
    type InitData = Scan;
    /// Rows, at most a vector's each.
    type BindData = Vec<RecordBatch>;

    fn bind(bind: &BindInfo) -> Result<Self::BindData, Box<dyn StdError>> {
        for field in sink::schema().fields() {
            bind.add_result_column(field.name(), to_duckdb_logical_type_for_field(field)?);
        }
        let shown = SHOWN.with_borrow(Vec::clone);
        bind.set_cardinality(shown.iter().map(|rows| rows.num_rows() as u64).sum(), true);
        let chunks = shown.iter().flat_map(|rows| {
            let starts = (0..rows.num_rows()).step_by(CHUNK);
            starts.map(|at| rows.slice(at, CHUNK.min(rows.num_rows() - at)))
        });
        Ok(chunks.collect())
    }

    fn init(init: &InitInfo) -> Result<Self::InitData, Box<dyn StdError>> {
        init.set_max_threads(THREADS);
        let columns = init.get_column_indices();
        Ok(Scan {
            columns: columns.into_iter().map(|column| column as usize).collect(),
            next: AtomicUsize::new(0),
        })
    }

    fn func(
        function: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn StdError>> {
        let scan = function.get_init_data();
        let next = scan.next.fetch_add(1, Ordering::Relaxed);
        match function.get_bind_data().get(next) {
            Some(rows) => record_batch_to_duckdb_data_chunk(&rows.project(&scan.columns)?, output),
            None => {
                output.set_len(0);
                Ok(())
            }
        }
    }

    fn supports_pushdown() -> bool {
        true
    }
}

impl Session {
    /// Makes `clicks_live`, `clicks_per_minute` and `tail` show what the tail kept beside this
    /// snapshot, on this thread, until what is returned is dropped; and what is to be known of
    /// it. After [`Session::bind_views`].
    pub(crate) fn bind_live(&mut self, now: &Now) -> Result<(Shown, Option<String>), Error> {
        let ends = self.ends()?;
        let shown = Shown::new(now.after(&ends));
        let over = self.bound.get(Table::Clicks.name()).cloned();
        if self.live.is_none() || self.live != over.as_ref().map(|(text, _)| text.clone()) {
            self.connection.execute_batch(&views())?;
            self.live = over.map(|(text, _)| text);
        }
        self.connection
            .execute_batch(&standings(&now.standings(&ends)))?;
        Ok((shown, now.note(&ends)))
    }

    /// Makes the tail's function alone give what the tail kept beside this snapshot, on this
    /// thread, until what is returned is dropped.
    pub(crate) fn show(&self, now: &Now) -> Result<Shown, Error> {
        Ok(Shown::new(now.after(&self.ends()?)))
    }

    /// Where each partition of the live lake is registered up to.
    fn ends(&self) -> Result<BTreeMap<Partition, Offset>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT partition, registered_end FROM partitions WHERE replay = ''")?;
        let ends =
            statement.query_map([], |row| Ok((Partition(row.get(0)?), Offset(row.get(1)?))))?;
        Ok(ends.collect::<Result<_, _>>()?)
    }
}

fn views() -> String {
    let columns = Table::Clicks.columns();
    let names: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let names = names.join(", ");
    format!(
        "CREATE OR REPLACE TEMP VIEW clicks_live AS
            SELECT {names} FROM clicks UNION ALL SELECT {names} FROM {FUNCTION}();
         CREATE OR REPLACE TEMP VIEW clicks_per_minute AS
            SELECT make_timestamptz((epoch_us(appended_at) // 60000000) * 60000000) AS minute,
                action, count(*) AS clicks, count(DISTINCT visitor_id) AS visitors
            FROM clicks_live GROUP BY ALL;"
    )
}

/// SQL of the table `tail`.
fn standings(standings: &[Standing]) -> String {
    let number = |offset: Option<Offset>| offset.map_or("NULL".to_owned(), |at| at.to_string());
    let moment = |at: Option<Timestamp>| {
        at.map_or("NULL".to_owned(), |at| {
            format!("make_timestamptz({})", at.micros())
        })
    };
    let row = |standing: &Standing| {
        format!(
            "({}, {}, {}, {}, {}, {})",
            standing.partition,
            number(standing.registered_end),
            standing.first,
            standing.end,
            standing.rows,
            moment(standing.complete_from)
        )
    };
    let mut rows: Vec<String> = standings.iter().map(row).collect();
    let none = rows.is_empty();
    if none {
        rows.push("(NULL, NULL, NULL, NULL, NULL, NULL)".to_owned());
    }
    format!(
        "CREATE OR REPLACE TEMP VIEW tail AS
            SELECT partition::UINTEGER AS partition, registered_end::UBIGINT AS registered_end,
                tail_first::UBIGINT AS tail_first, tail_end::UBIGINT AS tail_end,
                \"rows\"::UBIGINT AS \"rows\",
                complete_from::TIMESTAMP WITH TIME ZONE AS complete_from
            FROM (VALUES {}) AS t(partition, registered_end, tail_first, tail_end, \"rows\", complete_from)
            WHERE {};",
        rows.join(", "),
        !none
    )
}
