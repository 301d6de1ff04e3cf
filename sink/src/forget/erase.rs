//! Taking out of a lake what was asked to be erased: one swap, and again if another maker was first.

use std::collections::{BTreeMap, BTreeSet};

use topic::{Offset, Partition, Timestamp};

use super::rule::Forgotten;
use super::scan::{LakeScan, Scanned, SubjectShare};
use crate::object::sort::limits::SortLimits;
use crate::rewrite::choice::Choice;
use crate::rewrite::source::RewriteSource;
use crate::{
    ErasedShare, Error, ForgetId, Lake, Ledger, Made, Making, Ranges, Removal, ReplayName,
    SwapMaker,
};

/// What an erasure has to know of the world.
pub struct ErasureScene<'a> {
    /// The request's identity.
    pub id: ForgetId,
    /// What it takes.
    pub forgotten: &'a Forgotten,
    /// Where the topic begins.
    pub lows: &'a BTreeMap<Partition, Offset>,
    /// The time.
    pub now: Timestamp,
    /// Gets the number of objects that were looked at, and of all.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Lake {
    /// How much of this lake the request takes. Nothing is written.
    ///
    /// # Errors
    /// [`Error::Refused`] if some of the lake cannot be read, else the store's.
    pub async fn subject_share(&self, scene: &ErasureScene<'_>) -> Result<SubjectShare, Error> {
        let Some(ledger) = self.ledger().await? else {
            return Ok(SubjectShare::default());
        };
        Ok(self.scan(&ledger, scene).run().await?.share)
    }

    fn scan<'a>(&'a self, ledger: &'a Ledger, scene: &ErasureScene<'a>) -> LakeScan<'a> {
        LakeScan {
            lake: self,
            ledger,
            rule: scene.forgotten.erasure_rule(),
            lows: scene.lows,
            progress: scene.progress,
        }
    }

    /// Takes out of this lake what the request takes, and deletes what was replaced. Returns the
    /// number of entries of the ledger as of which no object below the request holds any of it.
    ///
    /// # Errors
    /// [`Error::Refused`] if some of the lake cannot be read, else the store's. The same call goes
    /// on with what is left.
    pub async fn erase(&self, scene: &ErasureScene<'_>) -> Result<u64, Error> {
        loop {
            let Some(ledger) = self.ledger().await? else {
                return Ok(0);
            };
            let scanned = match self.scan(&ledger, scene).run().await {
                // Another maker has replaced some of what was listed.
                Err(Error::Refused(_) | Error::Damaged { .. })
                    if self.has_moved(&ledger).await? =>
                {
                    continue;
                }
                scanned => scanned?,
            };
            let Scanned {
                scope,
                share,
                reached,
            } = scanned;
            scene.forgotten.are_within(&ledger, &reached)?;
            if share == SubjectShare::default() {
                match self.purge(&ledger, scene).await? {
                    true => return Ok(ledger.next),
                    false => continue,
                }
            }
            tracing::info!(lake = %self.location(), rows = share.rows, letters = share.letters, "erasing");
            let mut making = Making::begin(self, &ledger, SwapMaker::Erasure, scene.now);
            let rule = scene.forgotten.erasure_rule();
            let source = RewriteSource {
                lake: self,
                ledger: &ledger,
                scope,
                choice: Choice::Ruled(rule, Removal::Erased),
            };
            let limits = SortLimits::default();
            let taken = self
                .rewrite(&mut making, source, Vec::new(), limits)
                .await?;
            let id = scene.id;
            making.erase(ErasedShare { id, taken });
            match making.finish().await? {
                Made::Written(number) => tracing::info!(number, "erased"),
                Made::Discarded(why) => tracing::info!(why, "the erasure begins again"),
            }
        }
    }

    /// What the lake has not committed yet of what the topic held at the request: partitions, where
    /// they are and where they must be. Empty if nothing is missing.
    ///
    /// # Errors
    /// The store's.
    pub async fn uncommitted(
        &self,
        until: &BTreeMap<Partition, Offset>,
    ) -> Result<BTreeMap<Partition, (Offset, Offset)>, Error> {
        let Some(ledger) = self.ledger().await? else {
            return Ok(BTreeMap::new());
        };
        let partitions: BTreeSet<Partition> = until.keys().copied().collect();
        let tips = self.tips(ledger, &partitions).await?;
        let ends = until
            .iter()
            .map(|(of, until)| (*of, (tips.resume(*of), *until)));
        Ok(ends.filter(|(_, (at, until))| at < until).collect())
    }

    /// What a replay has yet to commit of ranges that begin below the request: what a worker of it
    /// commits last may be of a time before it knew the request. Empty if nothing is missing.
    ///
    /// # Errors
    /// The store's.
    pub async fn unreplayed(
        &self,
        name: &ReplayName,
        until: &BTreeMap<Partition, Offset>,
    ) -> Result<Ranges, Error> {
        let left = match self.unfinished(name).await {
            // What has no ledger holds nothing that could be read.
            Err(Error::Refused(_)) => return Ok(Ranges::new()),
            left => left?,
        };
        let below = left.into_iter().filter(|(of, (at, _))| {
            let until = until.get(of);
            until.is_some_and(|until| at < until)
        });
        Ok(below.collect())
    }
}

impl Forgotten {
    /// Refuses a live lake of which less was listed than the requests reach: a list may lag, and
    /// what it does not show may hold the subject.
    fn are_within(
        &self,
        ledger: &Ledger,
        reached: &BTreeMap<Partition, Offset>,
    ) -> Result<(), Error> {
        // What a replay has yet to commit leaves the subject out.
        if ledger.replay.is_some() {
            return Ok(());
        }
        for (of, at) in reached {
            if let Some(rule) = self.rule(*of, *at) {
                return Err(Error::Unavailable(format!(
                    "partition {of} is listed up to offset {at}, and must be up to {}",
                    rule.until()
                )));
            }
        }
        Ok(())
    }
}
