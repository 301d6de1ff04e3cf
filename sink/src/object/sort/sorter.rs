//! Rows that come in any order, and leave in theirs.

use arrow::array::RecordBatch;

use super::buffer::RowBuffer;
use super::limits::SortLimits;
use super::merge::{MergeStep, RunMerge, SortedRun};
use super::object_run::{ObjectRun, SortedObject};
use super::piece;
use super::spill::{SpillFolder, SpillWriter};
use crate::Error;

/// So many runs are merged at once; more of them become one before.
const MAX_SPILLED_RUNS: usize = 64;

/// Rows that are being sorted.
pub(crate) struct RowSorter {
    folder: SpillFolder,
    limits: SortLimits,
    buffer: RowBuffer,
    runs: Vec<SortedRun>,
    spilled: usize,
}

impl RowSorter {
    pub(crate) fn new(folder: SpillFolder, limits: SortLimits) -> Self {
        Self {
            folder,
            limits,
            buffer: RowBuffer::default(),
            runs: Vec::new(),
            spilled: 0,
        }
    }

    /// Takes rows in any order. Heavy: call it off the event loop.
    pub(crate) fn push(&mut self, rows: RecordBatch) -> Result<(), Error> {
        self.buffer.push(rows)?;
        if self.buffer.size() < self.limits.sort_bytes {
            return Ok(());
        }
        if self.spilled == MAX_SPILLED_RUNS {
            self.shrink()?;
        }
        let mut sorted = std::mem::take(&mut self.buffer).sorted(self.folder.batch_bytes());
        let mut writer = SpillWriter::begin(&self.folder)?;
        while let Some(rows) = sorted.next() {
            writer.write(&rows)?;
        }
        self.runs.push(SortedRun::Spilled(writer.run()?));
        self.spilled += 1;
        Ok(())
    }

    /// Makes one run of those that were spilled.
    fn shrink(&mut self) -> Result<(), Error> {
        let is_spilled = |run: &mut SortedRun| matches!(run, SortedRun::Spilled(_));
        let runs: Vec<SortedRun> = self.runs.extract_if(.., is_spilled).collect();
        let mut merge = RunMerge::of(runs, self.folder.clone(), self.limits);
        let mut writer = SpillWriter::begin(&self.folder)?;
        let batch_bytes = self.folder.batch_bytes();
        loop {
            match merge.advance()? {
                MergeStep::Rows(rows) => {
                    for small in piece::cut(&rows, batch_bytes) {
                        writer.write(&small)?;
                    }
                }
                MergeStep::Open(_) | MergeStep::Read(..) | MergeStep::Group(_) => {
                    unreachable!("a spilled run is read by itself")
                }
                MergeStep::End => break,
            }
        }
        self.runs.push(SortedRun::Spilled(writer.run()?));
        self.spilled = 1;
        Ok(())
    }

    /// Takes a sorted object of a swap, whose hash the caller knows to fit.
    pub(crate) fn take_object(&mut self, object: SortedObject) {
        self.runs
            .push(SortedRun::Object(Box::new(ObjectRun::new(object))));
    }

    /// All rows in their order.
    pub(crate) fn merge(self) -> RunMerge {
        let mut runs = self.runs;
        if !self.buffer.is_empty() {
            let sorted = self.buffer.sorted(piece::PIECE_BYTES);
            runs.push(SortedRun::Memory(sorted));
        }
        RunMerge::of(runs, self.folder, self.limits)
    }
}
