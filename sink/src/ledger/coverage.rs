//! What swaps come to: the ranges that they cover, and the objects that hold their rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use super::swap::{CoveredRange, Swap, SwapLetters, SwapObject};
use crate::object::names::SWAPS;

/// All swaps, folded. The newest entry that covers a range says what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By partition and first; none meets another.
    ranges: BTreeMap<(Partition, Offset), Covered>,
    /// The objects that count, by path, and the number of the entry that added each.
    objects: BTreeMap<String, (u64, SwapObject)>,
    /// The objects of dead letters that count within the ranges, in the same way.
    letters: BTreeMap<String, (u64, SwapLetters)>,
    /// What each entry has that counts.
    extents: BTreeMap<u64, SwapExtent>,
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

/// What counts of an entry: where its ranges begin, and the paths of its objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SwapExtent {
    ranges: BTreeSet<(Partition, Offset)>,
    objects: BTreeSet<String>,
    letters: BTreeSet<String>,
}

/// What counts of an entry.
#[derive(Debug, Default)]
pub(crate) struct SwapParts<'a> {
    pub(crate) ranges: Vec<&'a CoveredRange>,
    pub(crate) objects: Vec<&'a SwapObject>,
    pub(crate) letters: Vec<&'a SwapLetters>,
}

/// A coverage as a checkpoint has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredCoverage {
    ranges: Vec<Covered>,
    objects: Vec<(u64, SwapObject)>,
    letters: Vec<(u64, SwapLetters)>,
    retired: BTreeMap<String, u64>,
    swaps: u64,
    rewrites: u64,
}

impl Coverage {
    /// Takes a swap, or says what is wrong with it and takes nothing.
    pub(super) fn fold(&mut self, number: u64, swap: Swap) -> Result<(), String> {
        let taken = self.check(&swap)?;
        for range in &swap.ranges {
            let of = range.partition;
            let within = (of, range.first)..(of, range.end);
            let inside: Vec<_> = self.ranges.range(within).map(|(at, _)| *at).collect();
            for at in inside {
                self.ranges.remove(&at);
            }
        }
        let (letters, retired) = (&mut self.letters, &mut self.retired);
        letters.retain(|path, (by, _)| {
            let stays = !taken.contains(by);
            if !stays && path.starts_with(SWAPS) {
                retired.insert(path.clone(), number);
            }
            stays
        });
        for replaced in swap.replaced {
            if self.objects.remove(&replaced.path).is_some() {
                self.retired.insert(replaced.path, number);
            }
        }
        self.extents.retain(|number, _| !taken.contains(number));
        let ranges = swap.ranges.iter();
        let objects = swap.objects.iter();
        let letters = swap.letters.iter();
        let extent = SwapExtent {
            ranges: ranges.map(|range| (range.partition, range.first)).collect(),
            objects: objects.map(|object| object.path().to_string()).collect(),
            letters: letters.map(|letters| letters.path.clone()).collect(),
        };
        self.extents.insert(number, extent);
        for object in swap.objects {
            let path = object.path().to_string();
            self.retired.remove(&path);
            self.objects.insert(path, (number, object));
        }
        for letters in swap.letters {
            self.retired.remove(&letters.path);
            self.letters.insert(letters.path.clone(), (number, letters));
        }
        for range in swap.ranges {
            let at = (range.partition, range.first);
            self.ranges.insert(at, Covered { range, number });
        }
        self.swaps += 1;
        self.rewrites += u64::from(!swap.by.keeps_rows());
        Ok(())
    }

    /// Says what no maker of ours writes. If it can be folded, returns the numbers of the swaps that
    /// it takes.
    fn check(&self, swap: &Swap) -> Result<BTreeSet<u64>, String> {
        let mut taken: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
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
            let inside = self.ranges.range((*partition, *first)..(*partition, *end));
            for (_, covered) in inside {
                taken.entry(covered.number).or_default().0 += 1;
            }
        }
        let mut replaced = BTreeSet::new();
        for object in &swap.replaced {
            let path = &object.path;
            let counted = self.objects.get(path);
            let counts = counted.is_some() || self.letters.contains_key(path);
            if !replaced.insert(path) || (path.starts_with(SWAPS) && !counts) {
                return Err(format!("it replaces {path}, which does not count"));
            }
            if let Some((number, _)) = counted {
                taken.entry(*number).or_default().1 += 1;
            }
        }
        // The objects of a swap hold rows of any of its ranges.
        let whole = |(number, (ranges, objects)): (&u64, &(usize, usize))| {
            let extent = self.extents.get(number);
            extent.is_some_and(|all| (all.ranges.len(), all.objects.len()) == (*ranges, *objects))
        };
        if let Some((number, _)) = taken.iter().find(|taken| !whole(*taken)) {
            return Err(format!("it takes a part of entry {number}, not all of it"));
        }
        let held = |object: &SwapObject| {
            let path = object.path().to_string();
            self.objects.contains_key(&path) && !replaced.contains(&path)
        };
        match swap.objects.iter().find(|object| held(object)) {
            Some(object) => Err(format!("it adds {}, which counts already", object.path())),
            None => Ok(taken.into_keys().collect()),
        }
    }

    /// What counts of the entry of that number.
    pub(crate) fn parts(&self, number: u64) -> SwapParts<'_> {
        let Some(extent) = self.extents.get(&number) else {
            return SwapParts::default();
        };
        let ranges = extent.ranges.iter().filter_map(|at| self.ranges.get(at));
        let objects = extent.objects.iter();
        let letters = extent.letters.iter();
        SwapParts {
            ranges: ranges.map(|covered| &covered.range).collect(),
            objects: objects.filter_map(|path| self.object(path)).collect(),
            letters: letters
                .filter_map(|path| Some(&self.letters.get(path)?.1))
                .collect(),
        }
    }

    /// The numbers of the entries that cover some of a partition's `[first, end)`.
    pub(crate) fn meeting(
        &self,
        partition: Partition,
        (first, end): (Offset, Offset),
    ) -> impl Iterator<Item = u64> {
        let reaching = (partition, Offset(0))..(partition, end);
        let reaching = self.ranges.range(reaching).rev();
        let meeting = reaching.take_while(move |(_, covered)| covered.range.end > first);
        meeting.map(|(_, covered)| covered.number)
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
        self.objects.values().map(|(_, object)| object)
    }

    /// The object of that path, if it counts.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<&SwapObject> {
        self.objects.get(path).map(|(_, object)| object)
    }

    /// The objects of dead letters that count, by path.
    pub fn letters(&self) -> impl Iterator<Item = &SwapLetters> {
        self.letters.values().map(|(_, letters)| letters)
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
        let mut extents: BTreeMap<u64, SwapExtent> = BTreeMap::new();
        for Covered { range, number } in &stored.ranges {
            let at = (range.partition, range.first);
            extents.entry(*number).or_default().ranges.insert(at);
        }
        for (number, object) in &stored.objects {
            let path = object.path().to_string();
            extents.entry(*number).or_default().objects.insert(path);
        }
        for (number, letters) in &stored.letters {
            let path = letters.path.clone();
            extents.entry(*number).or_default().letters.insert(path);
        }
        let ranges = stored.ranges.into_iter();
        let objects = stored.objects.into_iter();
        let letters = stored.letters.into_iter();
        Self {
            ranges: ranges
                .map(|covered| ((covered.range.partition, covered.range.first), covered))
                .collect(),
            objects: objects
                .map(|(by, object)| (object.path().to_string(), (by, object)))
                .collect(),
            extents,
            letters: letters
                .map(|(by, letters)| (letters.path.clone(), (by, letters)))
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
