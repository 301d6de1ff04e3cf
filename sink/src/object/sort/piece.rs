//! Pieces of rows: large enough to be worth a call, small enough for memory.

use arrow::array::{Array, RecordBatch};
use arrow::compute::interleave_record_batch;

/// The most rows of a piece.
pub(super) const PIECE_ROWS: usize = 8_192;
/// The most memory that a piece takes, about.
pub(super) const PIECE_BYTES: usize = 4 << 20;
/// From so many rows of one batch on that follow one another, they are taken without a copy.
const SLICE_ROWS: usize = 256;

/// How much memory one of these rows takes on average.
pub(super) fn row_bytes(rows: &RecordBatch) -> usize {
    // Of what is sliced out of larger buffers, its own part.
    let columns = rows.columns().iter();
    let bytes = columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0));
    (bytes.sum::<usize>() / rows.num_rows().max(1)).max(1)
}

/// How many rows of this size take so much memory, at least one.
pub(super) fn rows_in(bytes: usize, row_bytes: usize) -> usize {
    (bytes / row_bytes.max(1)).clamp(1, PIECE_ROWS)
}

/// The rows in slices that take about so much memory.
pub(super) fn cut(rows: &RecordBatch, bytes: usize) -> impl Iterator<Item = RecordBatch> {
    let step = rows_in(bytes, row_bytes(rows));
    let starts = (0..rows.num_rows()).step_by(step);
    starts.map(move |at| rows.slice(at, step.min(rows.num_rows() - at)))
}

/// Rows of several batches, gathered in their order.
#[derive(Debug, Default)]
pub(super) struct RowPiece {
    batches: Vec<RecordBatch>,
    places: Vec<(usize, usize)>,
    bytes: usize,
}

impl RowPiece {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many rows of that size it still takes; none if it is full.
    pub(super) fn room(&self, row_bytes: usize) -> usize {
        let rows = PIECE_ROWS - self.places.len();
        rows.min(PIECE_BYTES.saturating_sub(self.bytes).div_ceil(row_bytes))
    }

    /// Names a batch, of which rows are taken from now on.
    pub(super) fn name(&mut self, rows: &RecordBatch) -> usize {
        self.batches.push(rows.clone());
        self.batches.len() - 1
    }

    /// Takes rows of a named batch.
    pub(super) fn take(&mut self, batch: usize, rows: std::ops::Range<usize>, row_bytes: usize) {
        self.bytes += rows.len() * row_bytes;
        self.places.extend(rows.map(|row| (batch, row)));
    }

    /// Returns true if so many rows of one batch are better taken as they are.
    pub(super) const fn is_slice(rows: usize) -> bool {
        rows >= SLICE_ROWS
    }

    /// The rows that were taken. It is empty then.
    pub(super) fn gather(&mut self) -> RecordBatch {
        let Self {
            batches, places, ..
        } = std::mem::take(self);
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        interleave_record_batch(&batches, &places)
            .expect("the rows of all runs have the columns of this program")
    }
}
