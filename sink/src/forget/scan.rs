//! What of a lake requests take: which commits and swaps hold some of it, and how much.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use topic::{Offset, Partition};

use super::erasure_rule::ErasureRule;
use crate::rewrite::scope::{ObjectHolder, Scope};
use crate::{Error, Lake, Ledger};

/// How many objects are read at once.
const READ_AHEAD_OBJECTS: usize = 4;

/// How much of a lake is the subject's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectShare {
    /// Rows.
    pub rows: u64,
    /// Dead letters.
    pub letters: u64,
    /// The objects that hold some of them.
    pub objects: u64,
    /// The rows and letters whose records the topic still holds: a replay would skip them.
    pub replayable: u64,
}

impl SubjectShare {
    /// Adds another lake's.
    pub const fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.letters += other.letters;
        self.objects += other.objects;
        self.replayable += other.replayable;
    }
}

/// With what a lake is scanned.
pub(crate) struct LakeScan<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) ledger: &'a Ledger,
    pub(crate) rule: Arc<ErasureRule>,
    /// Where the topic begins.
    pub(crate) lows: &'a BTreeMap<Partition, Offset>,
    /// Gets the number of objects that were read, and of all.
    pub(crate) progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// What a scan found.
pub(crate) struct Scanned {
    /// The commits and swaps that hold some of what is taken.
    pub(crate) scope: Scope,
    /// How much.
    pub(crate) share: SubjectShare,
    /// Up to where each partition was looked at.
    pub(crate) reached: BTreeMap<Partition, Offset>,
}

impl LakeScan<'_> {
    /// Finds the commits and swaps that hold some of what is taken.
    pub(crate) async fn run(&self) -> Result<Scanned, Error> {
        let mut left = Vec::new();
        let ranges = self.rule.ranges();
        let scope = self.lake.scope_of(self.ledger, &ranges, &mut left).await?;
        if let Some(why) = left.first() {
            return Err(Error::Refused(format!(
                "it cannot be looked at whole: {why}; repair that first (`clickweir audit` says \
                 how)"
            )));
        }
        let reached = self.reached(&scope);
        let objects = scope.objects(self.ledger);
        let (all, mut done) = (objects.len() as u64, 0);
        let reading = stream::iter(objects).map(|object| async move {
            let (path, is_letters) = (&object.path, object.bytes.is_none());
            let found = self.lake.share_of(path, is_letters, &self.rule, self.lows);
            Ok::<_, Error>((object.of, found.await?))
        });
        let mut reading = reading.buffer_unordered(READ_AHEAD_OBJECTS);
        let (mut share, mut holders) = (SubjectShare::default(), BTreeSet::new());
        while let Some((owner, found)) = reading.try_next().await? {
            done += 1;
            (self.progress)(done, all);
            if found.objects > 0 {
                holders.insert(owner);
                share.add(&found);
            }
        }
        let commits = scope.commits.into_iter().enumerate();
        let scope = Scope {
            commits: commits
                .filter(|(place, _)| holders.contains(&ObjectHolder::Commit(*place)))
                .map(|(_, commit)| commit)
                .collect(),
            swaps: scope
                .swaps
                .into_iter()
                .filter(|number| holders.contains(&ObjectHolder::Swap(*number)))
                .collect(),
            ..Scope::default()
        };
        Ok(Scanned {
            scope,
            share,
            reached,
        })
    }

    /// Up to where each partition was listed without a hole. A swap further on says nothing of what
    /// is before it: a list may lag.
    fn reached(&self, scope: &Scope) -> BTreeMap<Partition, Offset> {
        let reach = |of: Partition| {
            let mut at = self.ledger.past(of, self.ledger.first(of));
            for commit in scope.commits.iter().filter(|one| one.name.partition == of) {
                if commit.footer.first == at {
                    at = self.ledger.past(of, commit.footer.end);
                }
            }
            (of, at)
        };
        self.rule.ranges().into_keys().map(reach).collect()
    }
}

impl Lake {
    /// How much of an object is taken.
    pub(super) async fn share_of(
        &self,
        path: &str,
        is_letters: bool,
        rule: &Arc<ErasureRule>,
        lows: &BTreeMap<Partition, Offset>,
    ) -> Result<SubjectShare, Error> {
        let taken = self.taken_of(path, is_letters, rule.clone(), lows).await?;
        Ok(SubjectShare {
            rows: if is_letters { 0 } else { taken.all },
            letters: if is_letters { taken.all } else { 0 },
            objects: u64::from(taken.all > 0),
            replayable: taken.retained,
        })
    }
}
