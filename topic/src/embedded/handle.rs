//! The open store, and what the topic, its writer's task and its readers share around it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::error::sentence;
use super::folder;
use super::placement::Placement;
use super::store::{Store, StoreSettings};
use crate::blocking::blocking;
use crate::clock::SharedClock;
use crate::{Identity, Offset, Partition, ReadError};

/// What the topic, its writer's task and its readers share.
pub(super) struct StoreHandle {
    /// `None` while a failed store is being opened again.
    pub(super) store: RwLock<Option<Store>>,
    pub(super) folder: PathBuf,
    pub(super) settings: StoreSettings,
    /// Where the lake ends, as the group's members report it: what is before is in the lake.
    pub(super) committed: Mutex<BTreeMap<Partition, Offset>>,
    pub(super) clock: SharedClock,
    pub(super) placement: Placement,
    /// Counts commits, and wakes the readers.
    pub(super) appended: watch::Sender<u64>,
}

impl StoreHandle {
    /// Opens the store for the first time.
    pub(super) fn open(&self) -> Result<Identity, ReadError> {
        let store = Store::open(&self.folder, self.settings, self.clock.now())?;
        let identity = store.identity.clone();
        *self.store.write() = Some(store);
        Ok(identity)
    }

    /// Does something with the open store; blocks.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match &*self.store.read() {
            Some(store) => work(store),
            None => Err(ReadError::Unavailable(
                "it is being opened again after a failure".into(),
            )),
        }
    }

    /// Does something with the open store on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = Arc::clone(self);
        blocking(move || shared.with(work)).await
    }

    /// Closes a failed store and opens it again. While the disk takes nothing, the
    /// failed one stays, so that readers go on.
    pub(super) async fn reopen(self: &Arc<Self>) -> Result<(), String> {
        let shared = Arc::clone(self);
        let reopened = blocking(move || {
            let full = |error: std::io::Error| ReadError::Unavailable(error.to_string());
            folder::probe(&shared.folder).map_err(full)?;
            let mut slot = shared.store.write();
            // The lock goes with the old store, whose last pages the kernel may have
            // given up: they are written anew before anything is built on them.
            drop(slot.take());
            folder::rewrite(&shared.folder).map_err(full)?;
            let settings = StoreSettings {
                create: false,
                ..shared.settings
            };
            *slot = Some(Store::open(&shared.folder, settings, shared.clock.now())?);
            Ok(())
        });
        reopened.await.map_err(|error| error.to_string())?;
        self.appended.send_modify(|commits| *commits += 1);
        Ok(())
    }

    /// Drops what is older than the retention or over its size, as far as the lake has it.
    /// Returns a sentence if a partition holds more than it may even so.
    pub(super) async fn retain(self: &Arc<Self>) -> Result<Option<String>, String> {
        let (folder, now) = (self.folder.clone(), self.clock.now());
        let committed = self.committed.lock().clone();
        let retained = self.run(move |store| {
            store
                .retain(&folder, &committed, now)
                .map_err(|error| ReadError::Unavailable(sentence(&error)))
        });
        let overfull = retained.await.map_err(|error| error.to_string())?;
        Ok(overfull.map(|overfull| overfull.sentence()))
    }
}
