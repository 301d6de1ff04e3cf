//! Copies what a backup lacks of the lake, several objects at a time.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use tokio::sync::Semaphore;
use topic::Timestamp;

use super::content::{ContentKind, CountedObject};
use super::manifest::BackupObject;
use super::store::{BackupStore, StoredContent, content_path};
use super::transfer::{Transfer, TransferError, Transferred, write};
use crate::{Error, Lake};

/// How many objects are on their way at once, and how many MiB of those that are read whole may be
/// in memory together.
pub(super) const CONCURRENT_OBJECTS: usize = 8;
const MAX_WHOLE_MIB: u32 = 192;

/// How far a backup or a restore is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyProgress {
    /// Objects that are done, and all.
    pub objects: u64,
    /// All objects.
    pub of_objects: u64,
    /// Bytes that are done.
    pub bytes: u64,
    /// All bytes.
    pub of_bytes: u64,
    /// Objects that had to be copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
}

impl CopyProgress {
    /// None of so many objects with so many bytes is done.
    pub(super) fn of(sizes: impl Iterator<Item = u64>) -> Self {
        let mut progress = Self::default();
        for bytes in sizes {
            progress.of_objects += 1;
            progress.of_bytes += bytes;
        }
        progress
    }

    /// One more is done.
    pub(super) const fn add(&mut self, bytes: u64, copied: bool) {
        self.objects += 1;
        self.bytes += bytes;
        if copied {
            self.copied += 1;
            self.copied_bytes += bytes;
        }
    }
}

/// With what objects are taken into a backup.
pub(super) struct Taking<'a> {
    pub(super) lake: &'a Lake,
    pub(super) to: &'a BackupStore,
    /// What the place has, by hash.
    pub(super) contents: BTreeMap<String, StoredContent>,
    /// What is known of the lake's objects, by path: from the newest backup, and from a try before.
    pub(super) known: BTreeMap<String, BackupObject>,
}

/// What became of all.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) objects: Vec<BackupObject>,
    /// How many objects were deleted meanwhile.
    pub(super) gone: u64,
    /// What cannot be copied, and why.
    pub(super) lacks: Vec<String>,
    pub(super) progress: CopyProgress,
}

/// What became of an object.
enum TakenObject {
    There(BackupObject),
    Copied(BackupObject),
    Gone,
    Damaged(String),
}

impl Taking<'_> {
    /// Copies what the place lacks of these objects.
    pub(super) async fn take(
        &mut self,
        objects: &[CountedObject],
        show: &(dyn Fn(&CopyProgress) + Sync),
    ) -> Result<Taken, Error> {
        let mut taken = Taken {
            progress: CopyProgress::of(objects.iter().map(|object| object.bytes)),
            ..Taken::default()
        };
        show(&taken.progress);
        let (taking, budget) = (&*self, &Semaphore::new(MAX_WHOLE_MIB as usize));
        let copying = stream::iter(objects).map(|object| async move {
            Ok::<_, Error>((object, taking.one(object, budget).await?))
        });
        let mut copying = copying.buffer_unordered(CONCURRENT_OBJECTS);
        while let Some((object, one)) = copying.try_next().await? {
            let copied = matches!(one, TakenObject::Copied(_));
            taken.progress.add(object.bytes, copied);
            match one {
                TakenObject::There(listed) | TakenObject::Copied(listed) => {
                    taken.objects.push(listed);
                }
                TakenObject::Gone => taken.gone += 1,
                TakenObject::Damaged(why) => taken.lacks.push(format!("{}: {why}", object.full())),
            }
            show(&taken.progress);
        }
        drop(copying);
        taken
            .objects
            .sort_unstable_by(|one, other| one.path.cmp(&other.path));
        for listed in &taken.objects {
            let content = StoredContent {
                bytes: listed.bytes,
                written: Timestamp::default(),
            };
            self.contents.insert(listed.hash.clone(), content);
            self.known.insert(listed.path.clone(), listed.clone());
        }
        Ok(taken)
    }

    fn has(&self, hash: &str, bytes: u64) -> bool {
        let content = self.contents.get(hash);
        content.is_some_and(|content| content.bytes == bytes)
    }

    async fn one(&self, object: &CountedObject, budget: &Semaphore) -> Result<TakenObject, Error> {
        let known = self.known.get(&object.full()).filter(|known| {
            let same = (known.bytes, known.written) == (object.bytes, object.written);
            same && self.has(&known.hash, known.bytes)
        });
        if let Some(known) = known {
            return Ok(TakenObject::There(known.clone()));
        }
        if let ContentKind::Swapped(hash) = &object.kind {
            return self.swapped(object, hash).await;
        }
        let mib = u32::try_from(object.bytes >> 20).unwrap_or(MAX_WHOLE_MIB);
        let mib = mib.saturating_add(1).min(MAX_WHOLE_MIB);
        let held = budget.acquire_many(mib).await;
        let _held = held.expect("the budget is never closed");
        let path = Path::from(object.full());
        let Some(bytes) = self.lake.read_if_there(&path, u64::MAX).await? else {
            return Ok(TakenObject::Gone);
        };
        let (proving, read) = (object.clone(), bytes.clone());
        let proved = self.lake.pool().run(move || proving.proved(&read)).await;
        let proved = proved.map_err(|error| Error::Unfit(format!("hashing failed: {error}")))?;
        match proved {
            Ok(listed) if self.has(&listed.hash, listed.bytes) => Ok(TakenObject::There(listed)),
            Ok(listed) => {
                self.put(&listed, &bytes).await?;
                Ok(TakenObject::Copied(listed))
            }
            Err(why) => Ok(TakenObject::Damaged(why)),
        }
    }

    async fn put(&self, listed: &BackupObject, bytes: &Bytes) -> Result<(), Error> {
        let to = (self.to.place(), content_path(&listed.hash));
        let written = write(to, bytes, &listed.hash).await;
        written.map_err(|error| self.to.failed(error))
    }

    /// An object that is named by its hash. It may be large, and is not in memory whole.
    async fn swapped(&self, object: &CountedObject, hash: &str) -> Result<TakenObject, Error> {
        let listed = object.listed(hash.to_owned());
        if self.has(hash, object.bytes) {
            return Ok(TakenObject::There(listed));
        }
        let transfer = Transfer {
            from: (self.lake, Path::from(object.full())),
            to: (self.to.place(), content_path(hash)),
            bytes: object.bytes,
            hash,
        };
        match transfer.run().await {
            Ok(Transferred::Whole) => Ok(TakenObject::Copied(listed)),
            Ok(Transferred::Gone) => Ok(TakenObject::Gone),
            Ok(Transferred::Damaged(why)) => Ok(TakenObject::Damaged(why)),
            Err(TransferError::From(error)) => Err(error),
            Err(TransferError::To(error)) => Err(self.to.failed(error)),
        }
    }
}
