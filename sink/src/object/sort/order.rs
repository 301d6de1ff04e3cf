//! The order of rows: by time, then by the place of their record.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::Error;

/// What rows are sorted by: `occurred_at`, partition and offset. No two rows of a lake have the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey(pub(super) i64, pub(super) i32, pub(super) i64);

/// Rows beside the columns that they are sorted by.
#[derive(Debug, Clone)]
pub(super) struct KeyedRows {
    pub(super) rows: RecordBatch,
    occurred: ScalarBuffer<i64>,
    partitions: ScalarBuffer<i32>,
    offsets: ScalarBuffer<i64>,
}

impl KeyedRows {
    /// Looks at rows with this program's columns.
    pub(super) fn of(rows: RecordBatch) -> Result<Self, Error> {
        Ok(Self {
            occurred: values::<TimestampMicrosecondType>(&rows, "occurred_at")?,
            partitions: values::<Int32Type>(&rows, "partition")?,
            offsets: values::<Int64Type>(&rows, "offset")?,
            rows,
        })
    }

    pub(super) fn key(&self, row: usize) -> RowKey {
        RowKey(self.occurred[row], self.partitions[row], self.offsets[row])
    }

    pub(super) fn len(&self) -> usize {
        self.rows.num_rows()
    }
}

/// The error of rows that are not those of this program.
pub(super) fn unfit_rows(why: &str) -> Error {
    Error::Unfit(format!("rows cannot be sorted: {why}"))
}

/// The values of a column that has one for each row.
fn values<T: ArrowPrimitiveType>(
    rows: &RecordBatch,
    name: &str,
) -> Result<ScalarBuffer<T::Native>, Error> {
    let column = rows.column_by_name(name);
    let column = column.and_then(|column| column.as_primitive_opt::<T>());
    match column {
        Some(column) if column.null_count() == 0 => Ok(column.values().clone()),
        _ => Err(unfit_rows(&format!(
            "they have no column {name} of its type"
        ))),
    }
}
