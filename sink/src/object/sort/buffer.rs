//! Rows in memory, before they are a run.

use arrow::array::RecordBatch;

use super::order::{KeyedRows, RowKey};
use super::piece::{RowPiece, rows_in};
use crate::Error;

/// A row's key, its batch, and its place in that.
type KeyedPlace = (RowKey, u32, u32);

/// Rows in memory, with what they are sorted by.
#[derive(Debug, Default)]
pub(super) struct RowBuffer {
    batches: Vec<RecordBatch>,
    places: Vec<KeyedPlace>,
    bytes: usize,
}

impl RowBuffer {
    /// How much memory they take.
    pub(super) const fn size(&self) -> usize {
        self.bytes + self.places.len() * size_of::<KeyedPlace>()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn push(&mut self, rows: RecordBatch) -> Result<(), Error> {
        let keyed = KeyedRows::of(rows)?;
        let batch = u32::try_from(self.batches.len()).expect("memory ends before");
        let count = u32::try_from(keyed.len()).expect("a batch has some thousand rows");
        let places = (0..count).map(|row| (keyed.key(row as usize), batch, row));
        self.places.extend(places);
        self.bytes += keyed.rows.get_array_memory_size();
        self.batches.push(keyed.rows);
        Ok(())
    }

    /// Its rows in their order, in batches that take about so much memory.
    pub(super) fn sorted(mut self, batch_bytes: usize) -> MemoryRun {
        self.places.sort_unstable();
        let all: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        MemoryRun {
            named: vec![None; self.batches.len()],
            step: rows_in(batch_bytes, self.bytes / all.max(1)),
            batches: self.batches,
            places: self.places,
            at: 0,
        }
    }
}

/// Sorted rows in memory.
#[derive(Debug)]
pub(super) struct MemoryRun {
    batches: Vec<RecordBatch>,
    places: Vec<KeyedPlace>,
    /// The number of each batch in the piece that is being gathered.
    named: Vec<Option<usize>>,
    step: usize,
    at: usize,
}

impl MemoryRun {
    /// The next rows; `None` at the end.
    pub(super) fn next(&mut self) -> Option<RecordBatch> {
        let end = self.places.len().min(self.at + self.step);
        let places = &self.places[self.at..end];
        if places.is_empty() {
            return None;
        }
        let mut piece = RowPiece::default();
        // Few of the batches have rows in a piece: clicks come about in the order of their times.
        for (_, batch, row) in places {
            let (batch, row) = (*batch as usize, *row as usize);
            let rows = &self.batches[batch];
            let name = *self.named[batch].get_or_insert_with(|| piece.name(rows));
            piece.take(name, row..row + 1, 1);
        }
        for (_, batch, _) in places {
            self.named[*batch as usize] = None;
        }
        self.at = end;
        Some(piece.gather())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::sort::piece::row_bytes;
    use crate::object::sort::tests::{keys, rows};

    #[test]
    fn rows_leave_in_their_order_in_batches_of_about_a_size() {
        let mut buffer = RowBuffer::default();
        for batch in 0..5_u64 {
            let of = (0..100).map(|row| {
                (
                    i64::try_from((row * 7 + batch) % 100).unwrap(),
                    0,
                    batch * 100 + row,
                )
            });
            buffer.push(rows(of)).unwrap();
        }
        let one = row_bytes(&buffer.batches[0]);
        let mut sorted = buffer.sorted(one * 64);
        let mut all = Vec::new();
        while let Some(rows) = sorted.next() {
            assert!(rows.num_rows() <= 64);
            all.extend(keys(&rows));
        }
        assert_eq!(all.len(), 500);
        assert!(all.is_sorted());
    }
}
