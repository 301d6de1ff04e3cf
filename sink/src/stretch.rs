//! A stretch: rows of the topic that no object holds yet, for those who show them before.

use arrow::array::{Array, RecordBatch};
use topic::{Offset, Partition, Timestamp};

use crate::SealedBatch;

/// What became of `[first, end)` of a partition, as far as it is rows.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The partition.
    pub partition: Partition,
    /// Where the range begins.
    pub first: Offset,
    /// Where it ends.
    pub end: Offset,
    /// The append time of the record at `end - 1`.
    pub appended_at: Timestamp,
    /// Its rows, in the order of their offsets, with the lake's columns ([`crate::schema`]).
    pub rows: RecordBatch,
}

impl SealedBatch {
    /// The batch's rows instead of its objects. Its buffers are as large as what they hold.
    #[must_use]
    pub fn stretch(self) -> Stretch {
        let (footer, mut columns) = self.into_columns();
        for column in &mut columns {
            column.shrink_to_fit();
        }
        let rows = RecordBatch::try_new(crate::schema(), columns)
            .expect("builders and schema come from one table");
        Stretch {
            partition: footer.partition,
            first: footer.first,
            end: footer.end,
            appended_at: footer.appended_at,
            rows,
        }
    }
}
