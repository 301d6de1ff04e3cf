//! What is read, range by range: commits and ranges of swaps, cut where a choice cuts them, and
//! what becomes of the offsets of each.

use std::collections::BTreeMap;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use topic::{Offset, Partition};

use super::choice::Choice;
use crate::object::swapped::{RangeSums, places};
use crate::{CoveredRange, Error, RangeCounts, Removal, RowDigest};

/// A range of offsets that stays or goes, but for single rows and letters.
#[derive(Debug, Clone)]
struct RewritePart {
    end: Offset,
    stays: bool,
    letters: u64,
    removed_letters: u64,
}

/// A part that stays, as it is counted in the swap.
pub(super) struct StayingPart {
    pub(super) partition: Partition,
    pub(super) first: Offset,
    pub(super) counts: RangeCounts,
    pub(super) digest: RowDigest,
}

/// The parts of a source.
pub(super) struct RewriteParts {
    /// What is read, as footers and entries count it.
    ranges: Vec<CoveredRange>,
    /// By partition and first.
    parts: BTreeMap<(Partition, Offset), RewritePart>,
    /// The rows that were read, and those of them that a rule took out, part by part.
    read: RangeSums,
    removed: RangeSums,
    /// How what a rule takes out is counted.
    removal: Option<Removal>,
    chooses: bool,
}

impl RewriteParts {
    pub(super) fn new(ranges: Vec<CoveredRange>, choice: &Choice) -> Self {
        let mut parts = BTreeMap::new();
        for range in &ranges {
            let mut cuts = choice.ends(range.partition);
            cuts.retain(|cut| range.first < *cut && *cut < range.end);
            let firsts = std::iter::once(range.first).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([range.end]);
            for (first, end) in firsts.zip(ends) {
                let at = (range.partition, first);
                let part = RewritePart {
                    end,
                    stays: choice.holds(at),
                    letters: 0,
                    removed_letters: 0,
                };
                parts.insert(at, part);
            }
        }
        let sums = RangeSums::of(parts.iter().map(|(at, part)| (*at, part.end)));
        Self {
            ranges,
            parts,
            read: sums.clone(),
            removed: sums,
            removal: choice.removal(),
            chooses: choice.chooses(),
        }
    }

    /// Takes rows, of which those stay that `mask` says; all if there is none.
    pub(super) fn take_rows(
        &mut self,
        rows: &RecordBatch,
        mask: Option<&BooleanArray>,
    ) -> Result<(), String> {
        self.read.add(rows)?;
        let Some(mask) = mask.filter(|_| self.removal.is_some()) else {
            return Ok(());
        };
        let said = |error: arrow::error::ArrowError| error.to_string();
        let removed = filter_record_batch(rows, &not(mask).map_err(said)?).map_err(said)?;
        self.removed.add(&removed)
    }

    /// Takes the rows of a range of a swap as its entry counts them: all of them stay, and what is
    /// written of them is held against it.
    pub(super) fn trust(&mut self, range: &CoveredRange) {
        let at = (range.partition, range.first);
        self.read.set(at, range.digest, range.counts.rows());
    }

    /// Takes dead letters, in the same way.
    pub(super) fn take_letters(
        &mut self,
        letters: &RecordBatch,
        mask: Option<&BooleanArray>,
    ) -> Result<(), String> {
        for (row, (partition, offset)) in places(letters)?.into_iter().enumerate() {
            let begun = self.parts.range_mut(..=(partition, offset));
            let part = begun.into_iter().next_back();
            let part = part.filter(|((of, _), part)| *of == partition && offset < part.end);
            let (_, part) = part.ok_or("a letter is out of every range")?;
            part.letters += 1;
            part.removed_letters += u64::from(mask.is_some_and(|mask| !mask.value(row)));
        }
        Ok(())
    }

    /// How many rows and letters a rule took out.
    pub(super) fn removed(&self) -> u64 {
        let letters = self.parts.values().map(|part| part.removed_letters);
        self.removed.rows() + letters.sum::<u64>()
    }

    /// What stays, once all was read: what a range holds must be what it counts.
    pub(super) fn staying(&self) -> Result<Vec<StayingPart>, Error> {
        if let Some((partition, offset)) = self.read.stray() {
            return Err(wrong(format!(
                "a row of partition {partition}, offset {offset}, is out of every range"
            )));
        }
        let mut staying = Vec::new();
        for range in self.ranges.iter().filter(|range| !self.drops(range)) {
            let of = range.partition;
            let within = self.parts.range((of, range.first)..(of, range.end));
            let within: Vec<(Offset, &RewritePart)> =
                within.map(|((_, first), part)| (*first, part)).collect();
            let sums = within.iter().map(|(first, _)| self.read.sum(of, *first));
            let (digest, rows) = sums.fold((RowDigest::default(), 0), |(digest, rows), one| {
                (digest.plus(one.0), rows + one.1)
            });
            let letters: u64 = within.iter().map(|(_, part)| part.letters).sum();
            let counted = range.counts.rows();
            let is_sound = rows == counted
                && (range.digest == RowDigest::default() || range.digest == digest)
                && (!self.chooses || letters == range.counts.counts.dead_letters);
            if !is_sound {
                return Err(wrong(format!(
                    "{}..{} of partition {of} counts {counted} rows, and {rows} were read, with \
                     {letters} letters",
                    range.first, range.end
                )));
            }
            let mut rest = range.counts;
            for (first, part) in &within {
                let counts = match within.len() {
                    1 => rest,
                    _ => self.split(&mut rest, (of, *first), part)?,
                };
                if part.stays {
                    staying.push(self.without_removed((of, *first), part, counts));
                }
            }
        }
        Ok(staying)
    }

    /// Returns true if nothing of a range stays.
    fn drops(&self, range: &CoveredRange) -> bool {
        let within = (range.partition, range.first)..(range.partition, range.end);
        self.parts.range(within).all(|(_, part)| !part.stays)
    }

    /// The counts of a part of a range that was cut. Rows and letters were counted; other offsets
    /// leave no trace of their place, so they count as duplicates first, then as dropped, and so on.
    fn split(
        &self,
        rest: &mut RangeCounts,
        (of, first): (Partition, Offset),
        part: &RewritePart,
    ) -> Result<RangeCounts, Error> {
        let (_, rows) = self.read.sum(of, first);
        let others = first
            .distance(part.end)
            .checked_sub(rows + part.letters)
            .ok_or_else(|| {
                wrong(format!(
                    "partition {of} has an offset twice from {first} on"
                ))
            })?;
        Ok(rest.take(rows, part.letters, others))
    }

    fn without_removed(
        &self,
        (partition, first): (Partition, Offset),
        part: &RewritePart,
        mut counts: RangeCounts,
    ) -> StayingPart {
        let (read, _) = self.read.sum(partition, first);
        let (removed, rows) = self.removed.sum(partition, first);
        if let Some(removal) = self.removal {
            counts.remove(rows, part.removed_letters, removal);
        }
        StayingPart {
            partition,
            first,
            counts,
            digest: read.minus(removed),
        }
    }
}

/// A rewrite that would not hold what it read.
pub(super) fn wrong(detail: String) -> Error {
    Error::Damaged {
        path: "a rewritten object".to_owned(),
        detail,
    }
}
