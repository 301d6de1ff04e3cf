//! What swaps come to: the ranges that they cover, and the objects that hold their rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use super::swap::{CoveredRange, Swap, SwapLetters, SwapObject};
use crate::object::names::{SWAPS, parse_letters};

/// All swaps, folded. The newest entry that covers a range says what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By partition and first; none meets another.
    ranges: BTreeMap<(Partition, Offset), Covered>,
    /// The objects that count, by path.
    objects: BTreeMap<String, SwapObject>,
    /// The objects of dead letters that count within the ranges, by path.
    letters: BTreeMap<String, SwapLetters>,
    /// Objects of earlier swaps that count no longer, and the number of the entry that said so.
    retired: BTreeMap<String, u64>,
    /// How many swaps there were, and how many of them may have changed rows.
    swaps: u64,
    rewrites: u64,
}

/// A covered range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The range.
    #[serde(flatten)]
    pub range: CoveredRange,
    /// The number of the entry that covers it.
    pub number: u64,
}

/// A coverage as a checkpoint has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredCoverage {
    ranges: Vec<Covered>,
    objects: Vec<SwapObject>,
    letters: Vec<SwapLetters>,
    retired: BTreeMap<String, u64>,
    swaps: u64,
    rewrites: u64,
}

impl Coverage {
    /// Takes a swap, or says what is wrong with it and takes nothing.
    pub(super) fn fold(&mut self, number: u64, swap: Swap) -> Result<(), String> {
        self.check(&swap)?;
        for range in &swap.ranges {
            let of = range.partition;
            let within = (of, range.first)..(of, range.end);
            let inside: Vec<_> = self.ranges.range(within).map(|(at, _)| *at).collect();
            for at in inside {
                self.ranges.remove(&at);
            }
        }
        self.letters.retain(|path, _| {
            let place = parse_letters(path);
            let covered = place.is_some_and(|(of, first)| swap.covers(of, first));
            !covered
        });
        for replaced in swap.replaced {
            if self.objects.remove(&replaced.path).is_some() {
                self.retired.insert(replaced.path, number);
            }
        }
        for object in swap.objects {
            let path = object.path().to_string();
            self.retired.remove(&path);
            self.objects.insert(path, object);
        }
        let letters = swap.letters.into_iter();
        self.letters
            .extend(letters.map(|letters| (letters.path.clone(), letters)));
        for range in swap.ranges {
            let at = (range.partition, range.first);
            self.ranges.insert(at, Covered { range, number });
        }
        self.swaps += 1;
        self.rewrites += u64::from(!swap.by.keeps_rows());
        Ok(())
    }

    /// Says what no maker of ours writes. `Ok` if it can be folded.
    fn check(&self, swap: &Swap) -> Result<(), String> {
        let mut before: Option<&CoveredRange> = None;
        for range in &swap.ranges {
            let CoveredRange {
                partition,
                first,
                end,
                ..
            } = range;
            let spelt = format!("{first}..{end} of partition {partition}");
            if first >= end || first.distance(*end) != range.counts.total() {
                return Err(format!("its counts do not make up {spelt}"));
            }
            if before.is_some_and(|before| (before.partition, before.end) > (*partition, *first)) {
                return Err(format!("{spelt} is out of order, or covered twice"));
            }
            before = Some(range);
            let reaching = (*partition, Offset(0))..(*partition, *end);
            let cut = self.ranges.range(reaching).rev();
            let cut = cut
                .map(|(_, covered)| &covered.range)
                .take_while(|covered| covered.end > *first)
                .find(|covered| covered.first < *first || covered.end > *end);
            if let Some(cut) = cut {
                return Err(format!(
                    "{spelt} cuts {}..{}, which an earlier swap covers",
                    cut.first, cut.end
                ));
            }
        }
        let mut replaced = BTreeSet::new();
        for object in &swap.replaced {
            let path = &object.path;
            let swapped = path.starts_with(SWAPS);
            if !replaced.insert(path) || (swapped && !self.objects.contains_key(path)) {
                return Err(format!("it replaces {path}, which does not count"));
            }
        }
        let held = |object: &SwapObject| {
            let path = object.path().to_string();
            self.objects.contains_key(&path) && !replaced.contains(&path)
        };
        match swap.objects.iter().find(|object| held(object)) {
            Some(object) => Err(format!("it adds {}, which counts already", object.path())),
            None => Ok(()),
        }
    }

    /// The range that holds an offset; `None` if no swap covers it.
    #[must_use]
    pub fn holding(&self, partition: Partition, at: Offset) -> Option<&Covered> {
        let mut begun = self.ranges.range((partition, Offset(0))..=(partition, at));
        let (_, last) = begun.next_back()?;
        (at < last.range.end).then_some(last)
    }

    /// The last range of a partition; `None` if no swap covers any of it.
    #[must_use]
    pub fn last(&self, partition: Partition) -> Option<&Covered> {
        let mut all = self
            .ranges
            .range((partition, Offset(0))..=(partition, Offset(u64::MAX)));
        all.next_back().map(|(_, covered)| covered)
    }

    /// The greatest number of the entries whose ranges of the partition begin at `at` or before.
    pub(super) fn newest(&self, partition: Partition, at: Offset) -> Option<u64> {
        let begun = self.ranges.range((partition, Offset(0))..=(partition, at));
        begun.map(|(_, covered)| covered.number).max()
    }

    /// All ranges, by partition and first.
    pub fn ranges(&self) -> impl Iterator<Item = &Covered> {
        self.ranges.values()
    }

    /// The objects that count, by path.
    pub fn objects(&self) -> impl Iterator<Item = &SwapObject> {
        self.objects.values()
    }

    /// The object of that path, if it counts.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<&SwapObject> {
        self.objects.get(path)
    }

    /// The objects of dead letters that count, by path.
    pub fn letters(&self) -> impl Iterator<Item = &SwapLetters> {
        self.letters.values()
    }

    /// Returns true if the dead letters of that path count.
    #[must_use]
    pub fn names_letters(&self, path: &str) -> bool {
        self.letters.contains_key(path)
    }

    /// The number of the entry by which an object of a swap counts no longer.
    #[must_use]
    pub fn retired(&self, path: &str) -> Option<u64> {
        self.retired.get(path).copied()
    }

    /// How many swaps were folded.
    #[must_use]
    pub const fn swaps(&self) -> u64 {
        self.swaps
    }

    /// How many of them may have changed rows.
    #[must_use]
    pub const fn rewrites(&self) -> u64 {
        self.rewrites
    }

    /// The end of the covered range and the append time of the record before it.
    pub(crate) fn end(&self, partition: Partition) -> Option<(Offset, Timestamp)> {
        let last = &self.last(partition)?.range;
        Some((last.end, last.appended_at))
    }

    pub(super) fn stored(&self) -> StoredCoverage {
        StoredCoverage {
            ranges: self.ranges.values().cloned().collect(),
            objects: self.objects.values().cloned().collect(),
            letters: self.letters.values().cloned().collect(),
            retired: self.retired.clone(),
            swaps: self.swaps,
            rewrites: self.rewrites,
        }
    }

    pub(super) fn restored(stored: StoredCoverage) -> Self {
        let ranges = stored.ranges.into_iter();
        let objects = stored.objects.into_iter();
        let letters = stored.letters.into_iter();
        Self {
            ranges: ranges
                .map(|covered| ((covered.range.partition, covered.range.first), covered))
                .collect(),
            objects: objects
                .map(|object| (object.path().to_string(), object))
                .collect(),
            letters: letters
                .map(|letters| (letters.path.clone(), letters))
                .collect(),
            retired: stored.retired,
            swaps: stored.swaps,
            rewrites: stored.rewrites,
        }
    }
}

impl Swap {
    /// Returns true if one of its ranges holds that offset.
    #[must_use]
    pub fn covers(&self, partition: Partition, at: Offset) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|range| range.partition == partition && range.first <= at && at < range.end)
    }
}
