//! Erasures and a lake that is restored: what was asked for after the backup was made is asked for
//! again, and carried out before anybody sees the lake.

use std::collections::BTreeMap;

use topic::{Offset, Partition, Timestamp};

use super::manifest::Backup;
use super::store::BackupStore;
use crate::{
    ErasureScene, Error, Forget, ForgetId, Forgotten, Lake, LakeId, Ledger, RecordList, S3, Subject,
};

impl BackupStore {
    /// The lake at that place, or that of the newest backup there, of which the ledger is read.
    ///
    /// # Errors
    /// [`Error::Refused`] if neither is there, else the store's.
    pub async fn ledger_at(config: &S3) -> Result<Lake, Error> {
        let lake = Lake::open_in(config, "backup")?;
        if lake.ledger().await?.is_some() {
            return Ok(lake);
        }
        let store = Self::at(lake);
        match store.backups().await?.last() {
            Some(newest) => store.view(newest).await,
            None => Err(Error::Refused(format!(
                "there is neither a lake nor a backup at {}",
                store.location()
            ))),
        }
    }
}

/// Where a topic begins that takes the place of the lost one of a backup's lake, of which these are states:
/// where the lake ends, or further on. Requests reach as far as the lost topic did, and what comes
/// to the new one came later.
pub(super) async fn beginnings(
    backup: &Backup,
    states: &[Lake],
) -> Result<BTreeMap<Partition, Offset>, Error> {
    let mut begins = backup.ends.clone();
    for state in states {
        let Some(ledger) = state.ledger().await? else {
            continue;
        };
        check_same(state, &ledger, backup.lake)?;
        for (of, until) in ledger
            .forgets
            .into_iter()
            .flat_map(|asked| asked.forget.until)
        {
            let begin = begins.entry(of).or_default();
            *begin = until.max(*begin);
        }
    }
    Ok(begins)
}

/// Refuses another lake's state.
fn check_same(state: &Lake, theirs: &Ledger, ours: LakeId) -> Result<(), Error> {
    match theirs.lake == ours {
        true => Ok(()),
        false => Err(Error::Refused(format!(
            "the erasures of {} are another lake's ({}, the backup is of {ours})",
            state.location(),
            theirs.lake
        ))),
    }
}

/// With what erasures are carried out in a lake that is restored.
pub(super) struct Reviving<'a> {
    /// The lake, which nobody else sees.
    pub(super) lake: &'a Lake,
    /// Where it ends.
    pub(super) ends: &'a BTreeMap<Partition, Offset>,
    pub(super) now: Timestamp,
    /// Gets the number of objects that were looked at, and of all.
    pub(super) progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Reviving<'_> {
    /// Takes the requests that these ledgers have and the lake's lacks, and carries out all that are
    /// not complete. Returns them.
    pub(super) async fn run(&self, sources: &[Lake]) -> Result<Vec<ForgetId>, Error> {
        for source in sources {
            self.ask(source).await?;
        }
        let ledger = self.ledger().await?;
        let open: Vec<Forget> = ledger.unerased().cloned().collect();
        let mut erased = Vec::new();
        for forget in open {
            self.erase(&forget).await?;
            erased.push(forget.id);
        }
        Ok(erased)
    }

    async fn ledger(&self) -> Result<Ledger, Error> {
        let ledger = self.lake.ledger().await?;
        ledger.ok_or_else(|| Error::Unfit("the backup has no ledger: take another one".to_owned()))
    }

    /// Asks for what the ledger of another state of the lake asks for.
    async fn ask(&self, source: &Lake) -> Result<(), Error> {
        let (ours, theirs) = (self.ledger().await?, source.ledger().await?);
        let Some(theirs) = theirs else { return Ok(()) };
        check_same(source, &theirs, ours.lake)?;
        for asked in &theirs.forgets {
            if ours.forgetting(asked.forget.id).is_some() {
                continue;
            }
            if let Some(keys) = source.keys().await? {
                self.lake.make_keys(&keys).await?;
            }
            if let Subject::Records(named) = &asked.forget.subject {
                let list = source.stored_records(named).await?;
                self.lake.store_records(&list, named.condition).await?;
            }
            self.lake.forget(&asked.forget).await?;
        }
        Ok(())
    }

    /// Up to where a request reaches in the lake.
    fn within(&self, forget: &Forget) -> BTreeMap<Partition, Offset> {
        let ends = forget.until.iter().map(|(of, until)| {
            let end = self.ends.get(of).copied().unwrap_or_default();
            (*of, end.min(*until))
        });
        ends.collect()
    }

    /// Erases from the lake and its replays, and certifies it. What the topic holds beyond the
    /// backup comes in by workers who know the request.
    async fn erase(&self, forget: &Forget) -> Result<(), Error> {
        let lake = self.lake;
        let keys = lake.keys().await?.ok_or_else(|| {
            Error::Unfit("the backup lacks the lake's keys, by which subjects are known".to_owned())
        })?;
        let list = match &forget.subject {
            Subject::Records(named) => Some(lake.stored_records(named).await?),
            Subject::Visitor(_) | Subject::User(_) => None,
        };
        let forgotten = |until: BTreeMap<Partition, Offset>, list: Option<RecordList>| {
            let forget = Forget {
                until,
                ..forget.clone()
            };
            Forgotten::of(&keys.subjects(), forget, list)
        };
        let (within, whole) = (
            forgotten(self.within(forget), list.clone()),
            forgotten(forget.until.clone(), list),
        );
        let lows = BTreeMap::new();
        let scene = |forgotten| ErasureScene {
            id: forget.id,
            forgotten,
            lows: &lows,
            now: self.now,
            progress: self.progress,
        };
        lake.forget_in_replays(forget).await?;
        let number = lake.erase(&scene(&within)).await?;
        for name in lake.replays().await? {
            lake.replay(&name).erase(&scene(&whole)).await?;
        }
        match lake.attest(forget.id, &keys, (number, self.now)).await? {
            Some(_) => Ok(()),
            None => Err(Error::Unavailable(
                "somebody else writes into the lake that is restored: end that process, and run \
                 the same command again"
                    .to_owned(),
            )),
        }
    }
}
