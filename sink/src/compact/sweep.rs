//! What swaps have replaced is deleted once no reader and no worker can hold it any more.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::ledger::entry::path as entry_path;
use crate::ledger::maker::MAKING_TIMEOUT;
use crate::object::names::{CLICKS, LEDGER, SWAPS};
use crate::{Error, Lake, Ledger, ObjectName};

/// The object by which the store is asked for its time.
const CLOCK: &str = "clock";

impl Lake {
    /// Deletes what swaps have replaced for longer than the lake's grace, what came too late into their
    /// ranges, and what a maker wrote and never named. All times are the store's. Returns how many
    /// objects were deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep_swapped(&self, ledger: &Ledger) -> Result<u64, Error> {
        if ledger.coverage.swaps() == 0 && self.listed(SWAPS).await?.is_empty() {
            return Ok(0);
        }
        let now = self.store_time().await?;
        let is_old =
            |at: DateTime<Utc>, than: Duration| (now - at).to_std().is_ok_and(|age| age > than);
        let mut written: BTreeMap<u64, DateTime<Utc>> = BTreeMap::new();
        let mut doomed: Vec<(ObjectMeta, u64)> = Vec::new();
        for meta in self.listed(CLICKS).await? {
            let name = ObjectName::parse(meta.location.as_ref());
            let covered = name.and_then(|name| ledger.coverage.holding(name.partition, name.first));
            doomed.extend(covered.map(|covered| (meta, covered.number)));
        }
        let mut swept = 0;
        for meta in self.listed(SWAPS).await? {
            let path = meta.location.as_ref();
            match (ledger.coverage.object(path), ledger.coverage.retired(path)) {
                (Some(_), _) => {}
                (None, Some(number)) => doomed.push((meta, number)),
                (None, None) if is_old(meta.last_modified, 2 * MAKING_TIMEOUT) => {
                    self.store().delete(&meta.location).await?;
                    swept += 1;
                }
                (None, None) => {}
            }
        }
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

    async fn listed(&self, folder: &str) -> Result<Vec<ObjectMeta>, Error> {
        let folder = Path::from(folder);
        Ok(self.store().list(Some(&folder)).try_collect().await?)
    }

    /// The store's time, as it says it of an object that was just written.
    async fn store_time(&self) -> Result<DateTime<Utc>, Error> {
        let path = Path::from(format!("{LEDGER}/{CLOCK}"));
        self.replace(path.as_ref(), bytes::Bytes::new()).await?;
        Ok(self.store().head(&path).await?.last_modified)
    }
}
