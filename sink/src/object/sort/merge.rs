//! The merge of sorted runs. It does no I/O with the store itself: it says what it wants, so that
//! the one who drives it may wait for that, and rest between two steps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::file::metadata::ParquetMetaData;

use super::buffer::MemoryRun;
use super::limits::SortLimits;
use super::object_run::{ObjectRun, Pulled, SortedObject};
use super::order::{KeyedRows, RowKey};
use super::piece::{self, RowPiece};
use super::row_group::RowGroupCopy;
use super::spill::{SpillFolder, SpillWriter, SpilledRun};
use crate::Error;

/// So many objects are read at once, each of which holds a row group. What is opened beside them
/// is spilled first, since a spilled run needs little memory.
const MAX_OPEN_OBJECTS: usize = 3;

/// Sorted rows.
pub(super) enum SortedRun {
    Memory(MemoryRun),
    Spilled(SpilledRun),
    Object(Box<ObjectRun>),
    /// An object that is spilled before its first row is merged.
    Spooling(Box<ObjectRun>, SpillWriter),
    Ended,
}

impl SortedRun {
    /// What comes next.
    fn pull(&mut self, folder: &SpillFolder) -> Result<Pulled, Error> {
        loop {
            let rows = match self {
                Self::Memory(rows) => rows.next(),
                Self::Spilled(run) => run.next()?,
                Self::Object(run) => return run.pull(),
                Self::Ended => None,
                Self::Spooling(run, writer) => match run.pull()? {
                    Pulled::Rows(rows) => {
                        for small in piece::cut(&rows, folder.batch_bytes()) {
                            writer.write(&small)?;
                        }
                        continue;
                    }
                    Pulled::Wants(range) => return Ok(Pulled::Wants(range)),
                    Pulled::End => {
                        let spooled = std::mem::replace(self, Self::Ended);
                        if let Self::Spooling(_, writer) = spooled {
                            *self = Self::Spilled(writer.run()?);
                        }
                        continue;
                    }
                },
            };
            return Ok(rows.map_or(Pulled::End, Pulled::Rows));
        }
    }

    fn object(&mut self) -> Option<&mut ObjectRun> {
        match self {
            Self::Object(run) | Self::Spooling(run, _) => Some(run),
            Self::Memory(_) | Self::Spilled(_) | Self::Ended => None,
        }
    }
}

/// A run's rows that are being merged.
struct Cursor {
    run: SortedRun,
    rows: Option<KeyedRows>,
    row_bytes: usize,
    at: usize,
    /// The batch's number in the piece that is being gathered.
    named: Option<usize>,
}

/// What the merge wants, or gives.
pub(crate) enum MergeStep {
    /// The footer of this object is wanted: [`RunMerge::open`].
    Open(SortedObject),
    /// These bytes of this object are wanted: [`RunMerge::give`].
    Read(SortedObject, Range<u64>),
    /// The next rows.
    Rows(RecordBatch),
    /// … which are a row group of an object as it is.
    Group(RowGroupCopy),
    /// There are no more.
    End,
}

/// A merge of runs.
pub(crate) struct RunMerge {
    cursors: Vec<Cursor>,
    /// The next row of each run, the least first. A run that is not open yet is there with the
    /// least time that it can have.
    heads: BinaryHeap<Reverse<(RowKey, usize)>>,
    /// Runs whose next rows are not there yet.
    waiting: Vec<usize>,
    piece: RowPiece,
    open_objects: usize,
    folder: SpillFolder,
    limits: SortLimits,
}

impl RunMerge {
    pub(super) fn of(runs: Vec<SortedRun>, folder: SpillFolder, limits: SortLimits) -> Self {
        let mut merge = Self {
            cursors: Vec::new(),
            heads: BinaryHeap::new(),
            waiting: Vec::new(),
            piece: RowPiece::default(),
            open_objects: 0,
            folder,
            limits,
        };
        for (number, mut run) in runs.into_iter().enumerate() {
            match run.object() {
                Some(object) => {
                    let least = RowKey(object.of.least.micros(), i32::MIN, i64::MIN);
                    merge.heads.push(Reverse((least, number)));
                }
                None => merge.waiting.push(number),
            }
            merge.cursors.push(Cursor {
                run,
                rows: None,
                row_bytes: 1,
                at: 0,
                named: None,
            });
        }
        merge
    }

    /// Goes on until it has rows to give, or wants something. Heavy: call it off the event loop.
    pub(crate) fn advance(&mut self) -> Result<MergeStep, Error> {
        loop {
            if let Some(step) = self.whole_group() {
                return Ok(step);
            }
            if let Some(&number) = self.waiting.last() {
                match self.fill(number)? {
                    Some(step) => return Ok(step),
                    None => continue,
                }
            }
            let Some(Reverse((_, number))) = self.heads.pop() else {
                return Ok(match self.piece.is_empty() {
                    true => MergeStep::End,
                    false => MergeStep::Rows(self.gather()),
                });
            };
            if self.cursors[number].rows.is_none() {
                self.waiting.push(number);
                continue;
            }
            if let Some(rows) = self.take(number) {
                return Ok(MergeStep::Rows(rows));
            }
        }
    }

    /// The next row group of the run that waits, if all of its rows come before those of the other
    /// runs. What was gathered before it comes first.
    fn whole_group(&mut self) -> Option<MergeStep> {
        let &[number] = self.waiting.as_slice() else {
            return None;
        };
        let SortedRun::Object(run) = &mut self.cursors[number].run else {
            return None;
        };
        let occurred = run.copied_times(self.limits)?;
        let others = self.heads.peek();
        if others.is_some_and(|Reverse((key, _))| key.0 <= occurred.1) {
            return None;
        }
        match self.piece.is_empty() {
            true => run.take_group(occurred).map(MergeStep::Group),
            false => Some(MergeStep::Rows(self.gather())),
        }
    }

    /// Gets a run's next rows, and puts it back among the heads.
    fn fill(&mut self, number: usize) -> Result<Option<MergeStep>, Error> {
        let cursor = &mut self.cursors[number];
        if let Some(object) = cursor.run.object()
            && !object.is_open()
        {
            return Ok(Some(MergeStep::Open(object.of.clone())));
        }
        match cursor.run.pull(&self.folder)? {
            Pulled::Rows(rows) if rows.num_rows() == 0 => {}
            Pulled::Rows(rows) => {
                cursor.row_bytes = piece::row_bytes(&rows);
                let rows = KeyedRows::of(rows)?;
                self.heads.push(Reverse((rows.key(0), number)));
                (cursor.rows, cursor.at, cursor.named) = (Some(rows), 0, None);
                self.waiting.pop();
            }
            Pulled::Wants(range) => {
                let object = cursor.run.object().expect("an object wants its bytes");
                return Ok(Some(MergeStep::Read(object.of.clone(), range)));
            }
            Pulled::End => {
                if matches!(cursor.run, SortedRun::Object(_)) {
                    self.open_objects -= 1;
                }
                cursor.run = SortedRun::Ended;
                self.waiting.pop();
            }
        }
        Ok(None)
    }

    /// Takes the footer of the object that was asked for.
    pub(crate) fn open(&mut self, metadata: Arc<ParquetMetaData>) -> Result<(), Error> {
        let number = *self.waiting.last().expect("a run waits for it");
        let cursor = &mut self.cursors[number];
        let SortedRun::Object(mut object) = std::mem::replace(&mut cursor.run, SortedRun::Ended)
        else {
            return Ok(());
        };
        object.open(metadata)?;
        cursor.run = match self.open_objects < MAX_OPEN_OBJECTS {
            true => {
                self.open_objects += 1;
                SortedRun::Object(object)
            }
            false => SortedRun::Spooling(object, SpillWriter::begin(&self.folder)?),
        };
        Ok(())
    }

    /// Takes the bytes that were asked for.
    pub(crate) fn give(&mut self, bytes: Bytes) -> Result<(), Error> {
        let number = *self.waiting.last().expect("a run waits for them");
        match self.cursors[number].run.object() {
            Some(object) => object.give(bytes),
            None => Ok(()),
        }
    }

    /// Takes the least rows, all of one run. Returns rows if there are enough of them.
    fn take(&mut self, number: usize) -> Option<RecordBatch> {
        let others = self.heads.peek().map(|Reverse((key, _))| *key);
        let cursor = &mut self.cursors[number];
        let rows = cursor.rows.as_ref()?;
        let room = self.piece.room(cursor.row_bytes).max(1);
        let most = rows.len().min(cursor.at + room);
        let mut end = cursor.at + 1;
        match others {
            None => end = most,
            Some(others) => {
                while end < most && rows.key(end) <= others {
                    end += 1;
                }
            }
        }
        let taken = cursor.at..end;
        cursor.at = end;
        let whole = RowPiece::is_slice(taken.len()) && self.piece.is_empty();
        let slice = whole.then(|| rows.rows.slice(taken.start, taken.len()));
        if slice.is_none() {
            let named = cursor.named;
            let name = named.unwrap_or_else(|| self.piece.name(&rows.rows));
            cursor.named = Some(name);
            self.piece.take(name, taken, cursor.row_bytes);
        }
        if end < rows.len() {
            let key = rows.key(end);
            self.heads.push(Reverse((key, number)));
        } else {
            cursor.rows = None;
            self.waiting.push(number);
        }
        if slice.is_some() {
            return slice;
        }
        (self.piece.room(1) == 0).then(|| self.gather())
    }

    /// The rows of the piece. The batches have new names in the next one.
    fn gather(&mut self) -> RecordBatch {
        for cursor in &mut self.cursors {
            cursor.named = None;
        }
        self.piece.gather()
    }
}
