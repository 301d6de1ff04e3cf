//! What a rewrite takes: commits whole, and swaps whole, since the objects of a swap hold rows of
//! any of its ranges.

use std::collections::BTreeSet;

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

/// An object of a scope.
#[derive(Debug)]
pub(crate) struct ScopeObject {
    /// Whose it is.
    pub(crate) of: ObjectHolder,
    pub(crate) path: String,
    /// The size of an object of rows; `None` for one of dead letters.
    pub(crate) bytes: Option<u64>,
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ObjectHolder {
    /// A commit of the scope, by its place.
    Commit(usize),
    /// The swap of that number.
    Swap(u64),
}

impl Scope {
    /// What of it another maker or a gap has touched, by a ledger that is newer. `None` if nothing.
    pub(crate) fn touched(&self, ledger: &Ledger) -> Option<String> {
        let given_up = |input: &&Commit| ledger.gives_up(input.name.partition, input.name.first);
        let commit = self.commits.iter().find(given_up);
        let gone = |number: &&u64| ledger.coverage.parts(**number).ranges.is_empty();
        commit.map(|input| input.name.to_string()).or_else(|| {
            let swap = self.swaps.iter().find(gone)?;
            Some(format!("the swap of entry {swap}"))
        })
    }

    /// Its objects that have rows or dead letters.
    pub(crate) fn objects(&self, ledger: &Ledger) -> Vec<ScopeObject> {
        let mut objects = Vec::new();
        let mut add = |of, path, bytes| objects.push(ScopeObject { of, path, bytes });
        for (place, commit) in self.commits.iter().enumerate() {
            let of = ObjectHolder::Commit(place);
            if commit.footer.counts.rows > 0 {
                add(of, commit.name.to_string(), Some(commit.bytes));
            }
            if let Some(letters) = &commit.footer.letters {
                add(of, letters.clone(), None);
            }
        }
        for &number in &self.swaps {
            let (of, parts) = (ObjectHolder::Swap(number), ledger.coverage.parts(number));
            for object in parts.objects {
                add(of, object.path().to_string(), Some(object.bytes));
            }
            for letters in parts.letters {
                add(of, letters.path.clone(), None);
            }
        }
        objects
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
        let wanted = |name: &ObjectName| {
            let range = ranges.get(&name.partition);
            range.is_some_and(|(_, end)| name.first < *end)
        };
        for (partition, names) in self.commit_names(wanted).await? {
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
