//! The tail of one partition: an unbroken range of offsets with their rows.

use std::collections::VecDeque;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use sink::{Offset, PendingRows, Timestamp};

/// The largest chunk that others are joined into. A chunk is dropped when all of it is registered.
const MAX_CHUNK_BYTES: usize = 1 << 20;
/// About what a chunk takes beside its values, for its columns' own fields.
const CHUNK_OVERHEAD_BYTES: usize = 8 << 10;

/// An unbroken range of one partition.
#[derive(Debug, Clone)]
pub(crate) struct PartitionTail {
    pub(crate) end: Offset,
    pub(crate) chunks: VecDeque<TailChunk>,
    /// The memory that the chunks take.
    pub(crate) bytes: usize,
    /// When the last record was appended that was dropped before it was registered. `None` if none
    /// was.
    pub(crate) cut: Option<Timestamp>,
}

/// The rows of a range; there may be none.
#[derive(Debug, Clone)]
pub(crate) struct TailChunk {
    pub(crate) first: Offset,
    pub(crate) end: Offset,
    /// When its first row was appended; its last record, if it has no rows.
    pub(crate) begun_at: Timestamp,
    /// When its last record was appended.
    pub(crate) appended_at: Timestamp,
    rows: RecordBatch,
    /// The memory that it takes.
    bytes: usize,
}

impl PartitionTail {
    /// An empty range.
    pub(crate) const fn new(first: Offset) -> Self {
        Self {
            end: first,
            chunks: VecDeque::new(),
            bytes: 0,
            cut: None,
        }
    }

    /// The first offset that is kept.
    pub(crate) fn first(&self) -> Offset {
        self.chunks.front().map_or(self.end, |chunk| chunk.first)
    }

    /// Returns true if nothing is missing between the registered end and what is kept.
    pub(crate) fn is_whole(&self, registered: Option<Offset>) -> bool {
        registered.map_or(self.cut.is_none(), |end| self.first() <= end)
    }

    /// Adds a chunk and joins those that have grown enough. So there are few chunks, and a row is
    /// copied only a few times.
    pub(crate) fn push(&mut self, mut chunk: TailChunk) {
        self.bytes += chunk.bytes;
        while let Some(before) = self.chunks.back()
            && before.bytes <= 2 * chunk.bytes
            && before.bytes + chunk.bytes <= MAX_CHUNK_BYTES
        {
            self.bytes -= before.bytes + chunk.bytes;
            chunk = before.join(&chunk);
            self.bytes += chunk.bytes;
            self.chunks.pop_back();
        }
        self.chunks.push_back(chunk);
    }

    /// Drops the oldest chunk, and returns when its last record was appended.
    pub(crate) fn pop(&mut self) -> Option<Timestamp> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.bytes;
        Some(chunk.appended_at)
    }

    /// The rows from `end` on.
    pub(crate) fn after(&self, end: Offset) -> impl Iterator<Item = RecordBatch> + '_ {
        let chunks = self.chunks.iter().filter(move |chunk| chunk.end > end);
        chunks.map(move |chunk| chunk.after(end))
    }
}

impl TailChunk {
    pub(crate) fn new(range: PendingRows) -> Self {
        let PendingRows {
            first,
            end,
            appended_at,
            rows,
            ..
        } = range;
        let begun_at = rows
            .column_by_name("appended_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .and_then(|column| column.values().first().copied());
        Self {
            first,
            end,
            begun_at: begun_at.map_or(appended_at, Timestamp::from_micros),
            appended_at,
            bytes: bytes(&rows),
            rows,
        }
    }

    fn join(&self, next: &Self) -> Self {
        let rows = concat_batches(&self.rows.schema(), [&self.rows, &next.rows])
            .expect("all chunks have the lake's columns");
        Self {
            first: self.first,
            end: next.end,
            begun_at: self.begun_at,
            appended_at: next.appended_at,
            bytes: bytes(&rows),
            rows,
        }
    }

    /// Its rows from `end` on.
    fn after(&self, end: Offset) -> RecordBatch {
        if self.first >= end {
            return self.rows.clone();
        }
        let offsets = self
            .rows
            .column_by_name("offset")
            .and_then(|column| column.as_primitive_opt::<Int64Type>())
            .expect("the lake's columns hold the offset");
        let at = offsets
            .values()
            .partition_point(|offset| offset.cast_unsigned() < end.0);
        self.rows.slice(at, self.rows.num_rows() - at)
    }
}

/// The memory that a chunk's rows take.
fn bytes(rows: &RecordBatch) -> usize {
    rows.get_array_memory_size() + CHUNK_OVERHEAD_BYTES
}
