//! Rows of the topic that no object holds yet, for `clicks_live`.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use topic::{Offset, Partition, Timestamp};

use crate::SealedBatch;

/// What became of `[first, end)` of a partition, as far as it is rows.
#[derive(Debug, Clone)]
pub struct PendingRows {
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
    /// The batch's rows instead of its objects. Their buffers are as large as what they hold.
    #[must_use]
    pub fn pending_rows(self) -> PendingRows {
        let (footer, mut pieces) = self.into_pieces();
        let rows = match pieces.pop() {
            Some(rows) if pieces.is_empty() => rows,
            last => concat_batches(&crate::schema(), pieces.iter().chain(&last))
                .expect("all pieces have the lake's columns"),
        };
        PendingRows {
            partition: footer.partition,
            first: footer.first,
            end: footer.end,
            appended_at: footer.appended_at,
            rows,
        }
    }
}
