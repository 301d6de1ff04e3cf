//! What a rewrite takes: commits whole, and swaps whole, since the objects of a swap hold rows of
//! any of its ranges.

use std::collections::{BTreeMap, BTreeSet};

use topic::Partition;

use super::counted::Commit;
use crate::{CoveredRange, Error, Lake, Ledger, ObjectName, RangeCounts, Ranges, RowDigest};

/// Commits, and the numbers of swaps.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) commits: Vec<Commit>,
    pub(crate) swaps: BTreeSet<u64>,
    /// Ranges of which nothing can be read.
    pub(crate) holes: Vec<CoveredRange>,
}

impl Scope {
    /// The range of each commit, and those of the swaps, by partition and first.
    pub(crate) fn ranges(&self, ledger: &Ledger) -> Vec<CoveredRange> {
        let commits = self.commits.iter().map(Commit::range);
        let mut ranges: Vec<CoveredRange> = commits.collect();
        for number in &self.swaps {
            let parts = ledger.coverage.parts(*number);
            ranges.extend(parts.ranges.into_iter().cloned());
        }
        ranges.extend(self.holes.iter().cloned());
        ranges.sort_by_key(|range| (range.partition, range.first));
        ranges
    }
}

impl Commit {
    pub(super) fn range(&self) -> CoveredRange {
        let footer = &self.footer;
        CoveredRange {
            partition: footer.partition,
            first: footer.first,
            end: footer.end,
            appended_at: footer.appended_at,
            counts: RangeCounts {
                counts: footer.counts,
                differing: footer.differing,
                ..RangeCounts::default()
            },
            digest: RowDigest::default(),
        }
    }
}

/// Ranges that follow one another, as one.
pub(crate) fn joined(ranges: &[CoveredRange]) -> Vec<CoveredRange> {
    let mut joined: Vec<CoveredRange> = Vec::new();
    for range in ranges {
        let follows =
            |last: &&mut CoveredRange| (last.partition, last.end) == (range.partition, range.first);
        match joined.last_mut().filter(follows) {
            Some(last) => {
                last.end = range.end;
                last.appended_at = range.appended_at;
                last.counts.add(&range.counts);
                last.digest = last.digest.plus(range.digest);
            }
            None => joined.push(range.clone()),
        }
    }
    joined
}

impl Lake {
    /// All that holds an offset of `ranges` and counts. `left` gets what cannot be read, and why.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn scope_of(
        &self,
        ledger: &Ledger,
        ranges: &Ranges,
        left: &mut Vec<String>,
    ) -> Result<Scope, Error> {
        let mut scope = Scope::default();
        let mut named: BTreeMap<Partition, Vec<(ObjectName, u64)>> = BTreeMap::new();
        for (path, bytes) in self.files(None).await? {
            let Some(name) = ObjectName::parse(&path) else {
                continue;
            };
            let wanted = ranges.get(&name.partition);
            if wanted.is_some_and(|(_, end)| name.first < *end) {
                named.entry(name.partition).or_default().push((name, bytes));
            }
        }
        for (partition, names) in named {
            let (first, _) = ranges[&partition];
            let chain = self.chained(ledger, names, left).await?;
            let reaching = chain.into_iter().filter(|one| one.footer.end > first);
            scope.commits.extend(reaching);
        }
        for (partition, range) in ranges.iter().filter(|(_, (first, end))| first < end) {
            scope
                .swaps
                .extend(ledger.coverage.meeting(*partition, *range));
        }
        Ok(scope)
    }
}
