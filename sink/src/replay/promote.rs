//! Promotion and rollback: swaps that put the rows of a replay in the place of the live ones within
//! its ranges, and back.

use std::time::Duration;

use topic::Timestamp;

use super::{listed, spelt};
use crate::ledger::entry::path as entry_path;
use crate::object::sort::limits::SortLimits;
use crate::rewrite::choice::Choice;
use crate::rewrite::counted::Commit;
use crate::rewrite::scope::{Scope, joined};
use crate::rewrite::source::RewriteSource;
use crate::{
    Entry, Error, Lake, Ledger, Made, Making, ObjectName, Promotion, Ranges, ReplayName,
    ReplayOrigin, Swap, SwapMaker,
};

/// What a promotion replaced is kept for so long, so that it can be rolled back.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_hours(24 * 30);
/// Who loses the ledger's next number to an entry that touches the same objects tries so often.
const MAX_TRIES: u32 = 8;

impl Lake {
    /// Puts a finished replay in the place of what the lake has within its ranges, by one swap.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such replay, it is unfinished or promoted, or the live lake
    /// lacks some of its ranges; [`Error::Damaged`] if an object of either cannot be read.
    pub async fn promote(&self, name: &ReplayName, now: Timestamp) -> Result<Promotion, Error> {
        let left = self.unfinished(name).await?;
        if !left.is_empty() {
            return Err(Error::Refused(format!(
                "the replay {name} is not finished, it lacks {}: `clickweir replay --into \
                 {name}` goes on with it",
                spelt(&left)
            )));
        }
        let replay = self.replay(name);
        for _try in 0..MAX_TRIES {
            let ledger = self.settled_ledger().await?;
            let replayed = self.replay_ledger(name).await?;
            let Some(ReplayOrigin { begun_at, .. }) = replayed.replay else {
                return Err(Error::Refused(format!(
                    "{} holds a lake that is no replay: take it out of there",
                    name.folder()
                )));
            };
            let promotion = Promotion {
                name: name.clone(),
                begun_at,
                ranges: replayed.ranges(),
            };
            if ledger.promoted(name) {
                return Err(Error::Refused(format!(
                    "the replay {name} is promoted already; `clickweir rollback {name}` undoes it, \
                     and `clickweir promote --settle {name}` ends that"
                )));
            }
            let source = RewriteSource {
                lake: &replay,
                ledger: &replayed,
                scope: replay.whole_scope(&replayed, &promotion.ranges).await?,
                choice: Choice::Inside(promotion.ranges.clone()),
            };
            let making = Making::begin(self, &ledger, SwapMaker::Promote, now);
            if self
                .put_in_place(making, &ledger, &promotion, source)
                .await?
            {
                return Ok(promotion);
            }
        }
        Err(too_busy(name))
    }

    /// Puts back what the lake had before a replay was promoted, by one swap.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not promoted, or another was promoted over it; [`Error::Damaged`]
    /// if what it replaced cannot be read.
    pub async fn rollback(&self, name: &ReplayName, now: Timestamp) -> Result<(), Error> {
        for _try in 0..MAX_TRIES {
            let ledger = self.settled_ledger().await?;
            let Some((number, promotion)) = ledger.promotion(name).cloned() else {
                let shown = ledger.promotions.into_iter().map(|(_, known)| known.name);
                return Err(Error::Refused(format!(
                    "the replay {name} is not promoted, so there is nothing to roll back \
                     (promoted now: {})",
                    listed(&shown.collect::<Vec<_>>())
                )));
            };
            let mut later = ledger.promotions.iter();
            let later =
                later.find(|(at, other)| *at > number && meet(&other.ranges, &promotion.ranges));
            if let Some((_, later)) = later {
                return Err(Error::Refused(format!(
                    "the replay {} was promoted over {name}: roll it back first, by `clickweir \
                     rollback {}`",
                    later.name, later.name
                )));
            }
            let (swap, before) = self.promoted_by(number).await?;
            let source = RewriteSource {
                lake: self,
                scope: self.replaced_scope(&swap, &before).await?,
                ledger: &before,
                choice: Choice::Inside(promotion.ranges.clone()),
            };
            let making = Making::begin(self, &ledger, SwapMaker::Rollback, now);
            if self
                .put_in_place(making, &ledger, &promotion, source)
                .await?
            {
                return Ok(());
            }
        }
        Err(too_busy(name))
    }

    /// Ends the time in which a promotion can be rolled back: what it replaced is swept.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not promoted.
    pub async fn settle(&self, name: &ReplayName, now: Timestamp) -> Result<(), Error> {
        loop {
            let ledger = self.live_ledger().await?;
            if !ledger.promoted(name) {
                return Err(Error::Refused(format!(
                    "the replay {name} is not promoted, or it is settled"
                )));
            }
            let entry = Entry::Settle {
                name: name.clone(),
                settled_at: now,
            };
            if self.write_entry(ledger.next, &entry).await? {
                return Ok(());
            }
        }
    }

    /// Makes the swap by which the rows of `source` take the place of what counts in the ranges.
    /// Returns false if another maker touched that meanwhile.
    async fn put_in_place(
        &self,
        mut making: Making,
        ledger: &Ledger,
        promotion: &Promotion,
        source: RewriteSource<'_>,
    ) -> Result<bool, Error> {
        making.promote(promotion.clone());
        let own = RewriteSource {
            lake: self,
            ledger,
            scope: self.whole_scope(ledger, &promotion.ranges).await?,
            choice: Choice::Outside(promotion.ranges.clone()),
        };
        let limits = SortLimits::default();
        self.rewrite(&mut making, own, vec![source], limits).await?;
        match making.finish().await? {
            Made::Written(number) => {
                let (name, first) = (&promotion.name, spelt(&promotion.ranges));
                tracing::info!(number, replay = %name, ranges = first, "rows were exchanged");
                Ok(true)
            }
            Made::Discarded(why) => {
                tracing::info!(replay = %promotion.name, why, "the swap is made anew");
                Ok(false)
            }
        }
    }

    /// All that counts in the ranges, each of which must be there whole.
    pub(crate) async fn whole_scope(
        &self,
        ledger: &Ledger,
        ranges: &Ranges,
    ) -> Result<Scope, Error> {
        let mut left = Vec::new();
        let scope = self.scope_of(ledger, ranges, &mut left).await?;
        let held = joined(&scope.ranges(ledger));
        for (&partition, &(first, end)) in ranges.iter().filter(|(_, (first, end))| first < end) {
            let holds = held.iter().any(|range| {
                (range.partition, range.first <= first, end <= range.end) == (partition, true, true)
            });
            if !holds {
                let why = left
                    .first()
                    .map_or_else(String::new, |why| format!(" ({why})"));
                return Err(Error::Refused(format!(
                    "{} has not all of partition {partition}: {first}..{end}{why}: `clickweir \
                     audit` says what is missing",
                    self.location()
                )));
            }
        }
        Ok(scope)
    }

    /// The swap of a promotion, and the ledger before it.
    async fn promoted_by(&self, number: u64) -> Result<(Swap, Ledger), Error> {
        match (self.entry(number).await?, self.ledger_before(number).await?) {
            (Some(Entry::Swap(swap)), Some(before)) => Ok((swap, before)),
            _ => Err(Error::Unfit(format!(
                "{} is not the swap of a promotion any more: put the ledger back from a copy",
                entry_path(number)
            ))),
        }
    }

    /// What a swap replaced, by the ledger before it.
    async fn replaced_scope(&self, swap: &Swap, before: &Ledger) -> Result<Scope, Error> {
        let mut scope = Scope::default();
        for replaced in &swap.replaced {
            if let Some(name) = ObjectName::parse(&replaced.path) {
                let footer = self.footer(&name).await?.ok_or_else(|| Error::Damaged {
                    path: replaced.path.clone(),
                    detail: "it is not there: the promotion was settled, or it was deleted".into(),
                })?;
                scope.commits.push(Commit {
                    name,
                    bytes: replaced.bytes,
                    footer,
                });
            }
        }
        // A swap may have ranges and no object.
        for range in &swap.ranges {
            let meeting = before
                .coverage
                .meeting(range.partition, (range.first, range.end));
            scope.swaps.extend(meeting);
        }
        Ok(scope)
    }

    /// The ledger, if no erasure is under way: what is put in place may hold its subject, and what
    /// does is deleted.
    async fn settled_ledger(&self) -> Result<Ledger, Error> {
        let ledger = self.live_ledger().await?;
        if let Some(asked) = ledger.unerased().next() {
            return Err(Error::Refused(format!(
                "the erasure {} is not complete: type its `clickweir forget` again, and this \
                 command then",
                asked.id
            )));
        }
        Ok(ledger)
    }

    async fn live_ledger(&self) -> Result<Ledger, Error> {
        self.ledger().await?.ok_or_else(|| {
            Error::Refused("the lake is empty: there is nothing that a replay could replace".into())
        })
    }
}

fn too_busy(name: &ReplayName) -> Error {
    Error::Unavailable(format!(
        "other changes of the same objects came first {MAX_TRIES} times, and {name} is as it was: \
         try again"
    ))
}

/// Returns true if two have an offset in common.
fn meet(these: &Ranges, those: &Ranges) -> bool {
    these.iter().any(|(partition, (first, end))| {
        let other = those.get(partition);
        other.is_some_and(|(from, to)| first < to && from < end)
    })
}
