//! What the tail keeps of one partition.

use std::collections::VecDeque;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use sink::{Offset, PendingRows, Timestamp};

/// The largest piece that others are joined to, in bytes: what is registered of a piece goes
/// when all of it is.
const PIECE: usize = 1 << 20;
/// What a piece weighs besides its values: its columns' own fields, roughly.
const OVERHEAD: usize = 8 << 10;

/// An unbroken range of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) end: Offset,
    pub(crate) pieces: VecDeque<Piece>,
    /// What they weigh.
    pub(crate) bytes: usize,
    /// When the last record was appended that had to go before it was registered.
    pub(crate) cut: Option<Timestamp>,
}

/// Rows of a range, and perhaps none.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) first: Offset,
    pub(crate) end: Offset,
    /// When its first row was appended, or its last record where it has none.
    pub(crate) begun_at: Timestamp,
    /// When its last record was.
    pub(crate) appended_at: Timestamp,
    pub(crate) rows: RecordBatch,
    /// What it weighs in memory, in bytes.
    pub(crate) bytes: usize,
}

impl Kept {
    /// Where what is kept begins.
    pub(crate) fn first(&self) -> Offset {
        self.pieces.front().map_or(self.end, |piece| piece.first)
    }

    /// Whether nothing is missing between what is registered and what is kept.
    pub(crate) fn is_whole(&self, registered: Option<Offset>) -> bool {
        registered.map_or(self.cut.is_none(), |end| self.first() <= end)
    }

    /// Adds a piece and joins what has grown enough, so that there are few, and a row is copied
    /// a few times only.
    pub(crate) fn push(&mut self, mut piece: Piece) {
        self.bytes += piece.bytes;
        while let Some(before) = self.pieces.back()
            && before.bytes <= 2 * piece.bytes
            && before.bytes + piece.bytes <= PIECE
        {
            self.bytes -= before.bytes + piece.bytes;
            piece = before.join(&piece);
            self.bytes += piece.bytes;
            self.pieces.pop_back();
        }
        self.pieces.push_back(piece);
    }

    /// Lets the oldest piece go, and says when its last record was appended.
    pub(crate) fn pop(&mut self) -> Option<Timestamp> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes;
        Some(piece.appended_at)
    }
}

impl Piece {
    pub(crate) fn new(stretch: PendingRows) -> Self {
        let PendingRows {
            first,
            end,
            appended_at,
            rows,
            ..
        } = stretch;
        let appended = rows
            .column_by_name("appended_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .and_then(|column| column.values().first().copied());
        Self {
            first,
            end,
            begun_at: appended.map_or(appended_at, Timestamp::from_micros),
            appended_at,
            bytes: weight(&rows),
            rows,
        }
    }

    fn join(&self, next: &Self) -> Self {
        let rows = concat_batches(&self.rows.schema(), [&self.rows, &next.rows])
            .expect("all pieces have the lake's columns");
        Self {
            first: self.first,
            end: next.end,
            begun_at: self.begun_at,
            appended_at: next.appended_at,
            bytes: weight(&rows),
            rows,
        }
    }

    /// Its rows from `end` on.
    pub(crate) fn after(&self, end: Offset) -> RecordBatch {
        if self.first >= end {
            return self.rows.clone();
        }
        let offsets = self
            .rows
            .column_by_name("offset")
            .and_then(|column| column.as_primitive_opt::<UInt64Type>())
            .expect("the lake's columns hold the offset");
        let at = offsets.values().partition_point(|offset| *offset < end.0);
        self.rows.slice(at, self.rows.num_rows() - at)
    }
}

/// What a piece's rows weigh in memory, in bytes.
fn weight(rows: &RecordBatch) -> usize {
    rows.get_array_memory_size() + OVERHEAD
}
