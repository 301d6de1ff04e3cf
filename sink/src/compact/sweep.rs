//! What swaps have replaced is deleted once no reader and no worker can hold it any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use topic::{Offset, Partition};

use crate::ledger::entry::path as entry_path;
use crate::ledger::maker::MAKING_TIMEOUT;
use crate::object::names::{CLICKS, DEAD_LETTERS, LEDGER, SWAPS, parse_letters};
use crate::replay::promote::SETTLED_AFTER;
use crate::{Entry, Error, Lake, Ledger, ObjectName};

/// Reads where the range of an object begins off its path; `None` for the path of something else.
type PlaceOf = fn(&str) -> Option<(Partition, Offset)>;

fn clicks_place(path: &str) -> Option<(Partition, Offset)> {
    let name = ObjectName::parse(path)?;
    Some((name.partition, name.first))
}

/// The object by which the store is asked for its time.
const CLOCK: &str = "clock";

impl Lake {
    /// Deletes what swaps have replaced for longer than the lake's grace, what came too late into their
    /// ranges, and what a maker wrote and never named, also in part. All times are the store's. Returns
    /// how many objects were deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep_swapped(&self, ledger: &Ledger) -> Result<u64, Error> {
        let staged = self.staged(SWAPS).await?;
        let has_none = ledger.coverage.swaps() == 0 && staged.is_empty();
        if has_none && self.listed(SWAPS).await?.is_empty() {
            return Ok(0);
        }
        let now = self.store_time().await?;
        let is_old =
            |at: DateTime<Utc>, than: Duration| (now - at).to_std().is_ok_and(|age| age > than);
        let kept = self.kept_for_rollback(ledger, now).await?;
        let mut written: BTreeMap<u64, DateTime<Utc>> = BTreeMap::new();
        let mut doomed: Vec<(ObjectMeta, u64)> = Vec::new();
        for (folder, place) in [
            (CLICKS, clicks_place as PlaceOf),
            (DEAD_LETTERS, parse_letters),
        ] {
            for meta in self.listed(folder).await? {
                let place = place(meta.location.as_ref());
                let covered = place.and_then(|(of, first)| ledger.coverage.holding(of, first));
                let named = ledger.coverage.names_letters(meta.location.as_ref());
                let covered = covered.filter(|_| !named);
                doomed.extend(covered.map(|covered| (meta, covered.number)));
            }
        }
        let mut swept = 0;
        for file in staged {
            if is_old(file.written, 2 * MAKING_TIMEOUT) {
                self.delete_staged(file).await?;
                swept += 1;
            }
        }
        for meta in self.listed(SWAPS).await? {
            let path = meta.location.as_ref();
            let coverage = &ledger.coverage;
            let counts = coverage.object(path).is_some() || coverage.names_letters(path);
            match coverage.retired(path) {
                _ if counts => {}
                Some(number) => doomed.push((meta, number)),
                None if is_old(meta.last_modified, 2 * MAKING_TIMEOUT) => {
                    self.store().delete(&meta.location).await?;
                    swept += 1;
                }
                None => {}
            }
        }
        doomed.retain(|(meta, _)| !kept.contains(meta.location.as_ref()));
        for (meta, number) in doomed {
            let at = match written.get(&number) {
                Some(at) => *at,
                None => {
                    let entry = self.store().head(&entry_path(number)).await?;
                    *written.entry(number).or_insert(entry.last_modified)
                }
            };
            if is_old(at, self.grace()) && is_old(meta.last_modified, self.grace()) {
                self.store().delete(&meta.location).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// What promotions have replaced, as long as they can be rolled back.
    async fn kept_for_rollback(
        &self,
        ledger: &Ledger,
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<String>, Error> {
        let mut kept = BTreeSet::new();
        for (number, _) in &ledger.promotions {
            let written = self.store().head(&entry_path(*number)).await?.last_modified;
            let is_settled = (now - written)
                .to_std()
                .is_ok_and(|age| age > SETTLED_AFTER);
            if let (false, Some(Entry::Swap(swap))) = (is_settled, self.entry(*number).await?) {
                kept.extend(swap.replaced.into_iter().map(|replaced| replaced.path));
            }
        }
        Ok(kept)
    }

    /// The store's time, as it says it of an object that was just written.
    async fn store_time(&self) -> Result<DateTime<Utc>, Error> {
        let path = Path::from(format!("{LEDGER}/{CLOCK}"));
        self.replace(path.as_ref(), bytes::Bytes::new()).await?;
        Ok(self.store().head(&path).await?.last_modified)
    }
}
