//! The ledger's entries, folded: what they say together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition};

use super::coverage::Coverage;
use super::entry::{Entry, path};
use super::forget::{Forget, ForgetId, Forgetting};
use super::id::LakeId;
use super::replayed::{Promotion, Ranges, ReplayName, ReplayOrigin};
use super::swap::SwapMaker;
use crate::Error;
use crate::object::footer::Footer;

/// An accepted loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Where the partition continues.
    pub end: Offset,
    /// Its entry's number in the ledger.
    pub number: u64,
}

/// The ledger's entries, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The lake's own identity; a replay has that of the lake that it belongs to.
    pub lake: LakeId,
    /// The topic whose lake this is.
    pub topic: Identity,
    /// Each partition's first offset.
    pub firsts: BTreeMap<Partition, Offset>,
    /// Where a replay ends; `None` for the live lake.
    pub replay: Option<ReplayOrigin>,
    /// Accepted losses, by partition and first.
    pub gaps: BTreeMap<(Partition, Offset), Gap>,
    /// The replays that are promoted and neither rolled back nor settled, in the order of their
    /// promotion, and the number of its entry.
    pub promotions: Vec<(u64, Promotion)>,
    /// What the swaps cover, and their objects.
    pub coverage: Coverage,
    /// What was asked to be erased, in the order of the requests.
    pub forgets: Vec<Forgetting>,
    /// The number that the next entry will take.
    pub next: u64,
}

impl Ledger {
    pub(super) fn begin(origin: Entry) -> Result<Self, Error> {
        match origin {
            Entry::Origin {
                lake,
                topic,
                firsts,
                replay,
                ..
            } => Ok(Self {
                lake,
                topic,
                firsts,
                replay,
                gaps: BTreeMap::new(),
                promotions: Vec::new(),
                coverage: Coverage::default(),
                forgets: Vec::new(),
                next: 1,
            }),
            _ => Err(Error::Unfit(format!("{} is out of place", path(0)))),
        }
    }

    pub(super) fn fold(mut self, number: u64, entry: Entry) -> Result<Self, Error> {
        match entry {
            Entry::Origin { .. } => {
                return Err(Error::Unfit(format!("{} is out of place", path(number))));
            }
            Entry::Gap {
                partition,
                first,
                end,
                ..
            } => drop(self.gaps.insert((partition, first), Gap { end, number })),
            Entry::Settle { name, .. } => self.promotions.retain(|(_, known)| known.name != name),
            Entry::Swap(swap) => {
                let (by, promotion) = (swap.by, swap.promotion.clone());
                self.coverage.fold(number, swap).map_err(|why| {
                    Error::Unfit(format!(
                        "{}: {why}: no clickweir wrote this swap, move the entry and those after \
                         it out of the ledger",
                        path(number)
                    ))
                })?;
                if let Some(promotion) = promotion {
                    self.promotions
                        .retain(|(_, known)| known.name != promotion.name);
                    if by == SwapMaker::Promote {
                        self.promotions.push((number, promotion));
                    }
                }
            }
            Entry::Forget(forget) => {
                // What promotions replaced may hold the subject, and goes.
                self.promotions.clear();
                self.forgets.push(Forgetting {
                    forget,
                    number,
                    erased: None,
                });
            }
            Entry::Erased(erased) => {
                let of_it = |asked: &&mut Forgetting| asked.forget.id == erased.id;
                if let Some(asked) = self.forgets.iter_mut().find(of_it) {
                    asked.erased.get_or_insert((number, erased));
                }
            }
        }
        self.next = number + 1;
        Ok(self)
    }

    /// Where a partition begins.
    #[must_use]
    pub fn first(&self, partition: Partition) -> Offset {
        self.firsts.get(&partition).copied().unwrap_or_default()
    }

    /// `at`, or the end of the gap that holds it.
    #[must_use]
    pub fn past_gaps(&self, partition: Partition, at: Offset) -> Offset {
        let mut at = at;
        while let Some(gap) = self.begun(partition, at).find(|gap| gap.end > at) {
            at = gap.end;
        }
        at
    }

    /// `at`, or the end of what holds it of gaps and of ranges that swaps cover: where the next
    /// object of the partition begins.
    #[must_use]
    pub fn past(&self, partition: Partition, at: Offset) -> Offset {
        let mut at = at;
        loop {
            let next = self.past_gaps(partition, at);
            let covered = self.coverage.holding(partition, next);
            let next = covered.map_or(next, |covered| covered.range.end);
            if next == at {
                return at;
            }
            at = next;
        }
    }

    /// The gaps of a partition that begin at `at` or before it.
    fn begun(&self, partition: Partition, at: Offset) -> impl Iterator<Item = &Gap> {
        let begun = self.gaps.range((partition, Offset(0))..=(partition, at));
        begun.map(|(_, gap)| gap)
    }

    /// Returns true if an object that begins at `first` counts for nothing: an operator has given
    /// that offset up, or a swap covers it. The object was replaced, or it came too late.
    #[must_use]
    pub fn gives_up(&self, partition: Partition, first: Offset) -> bool {
        self.past(partition, first) != first
    }

    /// Returns true if an object's maker knew every gap and every swap before it. A maker that did
    /// not may have followed an object that counts for nothing since, so that what comes before is
    /// perhaps in no object: its object counts only if the chain reaches it, and is no tip.
    #[must_use]
    pub fn trusts(&self, made: &Footer) -> bool {
        let mut gaps = self.begun(made.partition, made.first);
        let newest = self.coverage.newest(made.partition, made.first);
        gaps.all(|gap| gap.number < made.ledger) && newest.is_none_or(|number| number < made.ledger)
    }

    /// Returns true if an object counts, given that its partition's chain has reached `at` (past the
    /// gaps and the swaps).
    #[must_use]
    pub fn counts(&self, made: &Footer, at: Offset) -> bool {
        !self.gives_up(made.partition, made.first) && (made.first == at || self.trusts(made))
    }

    /// Returns true if both are of one lake, or of one replay that was begun once.
    pub(super) fn has_origin_of(&self, other: &Self) -> bool {
        let origin = |ledger: &Self| {
            let (lake, topic) = (ledger.lake, ledger.topic.clone());
            (lake, topic, ledger.firsts.clone(), ledger.replay.clone())
        };
        origin(self) == origin(other)
    }

    /// The ranges of a replay; empty for the live lake.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        let ends = self.replay.iter().flat_map(|replay| &replay.ends);
        ends.map(|(&partition, &end)| (partition, (self.first(partition), end)))
            .collect()
    }

    /// The promotion of that replay, and the number of its entry. `None` if it is not promoted.
    #[must_use]
    pub fn promotion(&self, name: &ReplayName) -> Option<&(u64, Promotion)> {
        self.promotions
            .iter()
            .find(|(_, known)| known.name == *name)
    }

    /// The request of that identity. `None` if it is not in the ledger.
    #[must_use]
    pub fn forgetting(&self, id: ForgetId) -> Option<&Forgetting> {
        self.forgets.iter().find(|asked| asked.forget.id == id)
    }

    /// The requests to be erased that are not complete.
    pub fn unerased(&self) -> impl Iterator<Item = &Forget> {
        let open = self.forgets.iter().filter(|asked| asked.erased.is_none());
        open.map(|asked| &asked.forget)
    }

    /// Returns true if that replay is promoted.
    #[must_use]
    pub fn promoted(&self, name: &ReplayName) -> bool {
        self.promotion(name).is_some()
    }
}
