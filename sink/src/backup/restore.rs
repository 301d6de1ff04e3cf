//! A lake is made of a backup: its objects first, its ledger last.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use super::manifest::{Backup, BackupObject};
use super::restoring::{RESTORING, RestoringStore, ledger_path};
use super::reviving::{Reviving, beginnings};
use super::store::{BackupStore, content_path};
use super::take::{CONCURRENT_OBJECTS, CopyProgress};
use super::transfer::{Transfer, TransferError, Transferred};
use crate::ledger::checkpoint::checkpoint_entries;
use crate::ledger::entry::path as entry_path;
use crate::object::names::LEDGER;
use crate::{Error, ForgetId, Lake, LakeId, Ledger};

/// The file that says which backup is being restored, and the one that says that all objects are
/// there.
const MARK: &str = "backup.json";
const FETCHED: &str = "fetched.json";
/// The folder of what a probe writes, which is no part of a lake.
const PROBES: &str = "_probe/";

/// What a restore has to know of the world.
pub struct RestoreScene<'a> {
    /// The time.
    pub now: Timestamp,
    /// Other states of the lake, whose erasures are carried out too.
    pub erasures_of: &'a [Lake],
    /// Where a topic begins that takes the place of a lost one, as [`BackupStore::beginnings`] says: what
    /// the lost one held beyond the backup is given up. `None` if it is not lost.
    pub beginnings: Option<&'a BTreeMap<Partition, Offset>>,
    /// Gets how far the copying is.
    pub progress: &'a (dyn Fn(&CopyProgress) + Sync),
    /// Gets the number of objects in which subjects were looked for, and of all.
    pub erasing: &'a (dyn Fn(u64, u64) + Sync),
}

/// What a restore came to.
#[derive(Debug, Clone)]
pub struct Restored {
    /// How many objects there are, and how many of them were copied now.
    pub copied: CopyProgress,
    /// What the backup lacked, in sentences.
    pub lacks: Vec<String>,
    /// The erasures that were carried out.
    pub erased: Vec<ForgetId>,
}

/// Which backup is being restored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreMark {
    lake: LakeId,
    number: u64,
    list: String,
}

fn restoring(name: &str) -> Path {
    Path::from(format!("{RESTORING}/{name}"))
}

impl Backup {
    /// Takes an empty lake for this backup, or finds that it was taken for it. A restore does it by
    /// itself.
    ///
    /// # Errors
    /// [`Error::Refused`] if the lake is not empty, else the store's.
    pub async fn claim(&self, into: &Lake) -> Result<(), Error> {
        let mark = RestoreMark {
            lake: self.lake,
            number: self.number,
            list: self.list.clone(),
        };
        let path = restoring(MARK);
        if let Some(json) = into.read_if_there(&path, u64::MAX).await? {
            return match serde_json::from_slice::<RestoreMark>(&json) {
                Ok(theirs) if theirs == mark => Ok(()),
                Ok(theirs) => Err(Error::Refused(format!(
                    "the lake at {} has a part of backup {}: --backup {} goes on with it; or empty \
                     the lake",
                    into.location(),
                    theirs.number,
                    theirs.number
                ))),
                Err(error) => Err(Error::Unfit(format!("{path}: {error}: empty the lake"))),
            };
        }
        let mut listed = into.store().list(None);
        while let Some(meta) = listed.try_next().await? {
            if !meta.location.as_ref().starts_with(PROBES) {
                return Err(Error::Refused(format!(
                    "the lake at {} is not empty (it has {}): set lake.url to an empty place, or \
                     move what is there away",
                    into.location(),
                    meta.location
                )));
            }
        }
        let json = serde_json::to_vec(&mark).expect("a mark is plain text and numbers");
        into.create(&path, json.into()).await?;
        Ok(())
    }
}

impl BackupStore {
    /// Makes `into`, which must be empty, the lake that a backup is of. The same call goes on with
    /// what one that was cut off has left. Nobody sees the lake before it is complete.
    ///
    /// # Errors
    /// [`Error::Refused`] if the lake is not empty, [`Error::Unfit`] if the backup's ledger is
    /// damaged or the place fails, else the store's.
    pub async fn restore(
        &self,
        backup: &Backup,
        into: &Lake,
        scene: &RestoreScene<'_>,
    ) -> Result<Restored, Error> {
        backup.claim(into).await?;
        let mut restored = Restored {
            copied: CopyProgress::default(),
            lacks: Vec::new(),
            erased: Vec::new(),
        };
        // It was complete, and was cut off while it tidied up.
        if into.ledger().await?.is_some() {
            into.tidy().await?;
            return Ok(restored);
        }
        let hidden = into.over(RestoringStore::over);
        match into.read_if_there(&restoring(FETCHED), u64::MAX).await? {
            // What an erasure has deleted since is not brought back.
            Some(json) => restored.lacks = serde_json::from_slice(&json).unwrap_or_default(),
            None => {
                self.fetch(backup, &hidden, scene, &mut restored).await?;
                let json = serde_json::to_vec(&restored.lacks).expect("a list of sentences");
                into.create(&restoring(FETCHED), json.into()).await?;
            }
        }
        let ledger = hidden.ledger().await?;
        let is_whole = |ledger: &Ledger| {
            ledger.lake == backup.lake && Some(&ledger.next) >= backup.ledgers.get("")
        };
        if !ledger.as_ref().is_some_and(is_whole) {
            return Err(self.broken(backup, "its ledger is not whole"));
        }
        for (partition, begin) in scene.beginnings.into_iter().flatten() {
            let end = backup.ends.get(partition).copied().unwrap_or_default();
            if end < *begin {
                hidden.give_up(*partition, (end, *begin), scene.now).await?;
            }
        }
        let sources = self.erasing(backup, scene.erasures_of).await?;
        let reviving = Reviving {
            lake: &hidden,
            ends: &backup.ends,
            now: scene.now,
            progress: scene.erasing,
        };
        restored.erased = reviving.run(&sources).await?;
        into.reveal().await?;
        into.tidy().await?;
        Ok(restored)
    }

    /// Where a topic begins that takes the place of the one that was lost.
    ///
    /// # Errors
    /// [`Error::Refused`] if `erasures_of` has another lake, else the store's.
    pub async fn beginnings(
        &self,
        backup: &Backup,
        erasures_of: &[Lake],
    ) -> Result<BTreeMap<Partition, Offset>, Error> {
        let mut states = self.erasing(backup, erasures_of).await?;
        states.push(self.view(backup).await?);
        beginnings(backup, &states).await
    }

    /// The states of the lake whose erasures are carried out in what is made of a backup.
    async fn erasing(&self, backup: &Backup, erasures_of: &[Lake]) -> Result<Vec<Lake>, Error> {
        let mut states = erasures_of.to_vec();
        let newest = self.backups().await?.pop();
        if let Some(newest) = newest.filter(|newest| newest.number > backup.number) {
            states.push(self.view(&newest).await?);
        }
        Ok(states)
    }

    fn broken(&self, backup: &Backup, why: &str) -> Error {
        Error::Unfit(format!(
            "backup {} at {} is damaged: {why}: take another one, with --backup",
            backup.number,
            self.location()
        ))
    }

    /// Copies what the lake lacks of a backup.
    async fn fetch(
        &self,
        backup: &Backup,
        hidden: &Lake,
        scene: &RestoreScene<'_>,
        restored: &mut Restored,
    ) -> Result<(), Error> {
        let list = self.list(backup).await?;
        let listed = hidden.store().list(None);
        let there = listed.map_ok(|meta| (meta.location.to_string(), meta.size));
        let there: BTreeMap<String, u64> = there.try_collect().await?;
        restored.lacks.clone_from(&backup.lacks);
        restored.copied = CopyProgress::of(list.iter().map(|object| object.bytes));
        (scene.progress)(&restored.copied);
        let there = &there;
        let fetching = stream::iter(&list).map(|object| async move {
            // It got its name when it was whole.
            let known = there.get(&object.path) == Some(&object.bytes);
            let fetched = match known {
                true => Transferred::Whole,
                false => self.fetch_one(object, hidden).await?,
            };
            Ok::<_, Error>((object, known, fetched))
        });
        let mut fetching = fetching.buffer_unordered(CONCURRENT_OBJECTS);
        while let Some((object, known, fetched)) = fetching.try_next().await? {
            let why = match fetched {
                Transferred::Whole => {
                    restored.copied.add(object.bytes, !known);
                    (scene.progress)(&restored.copied);
                    continue;
                }
                Transferred::Gone => "the backup has lost it".to_owned(),
                Transferred::Damaged(why) => format!("the backup's copy is damaged: {why}"),
            };
            let why = format!("{}: {why}", object.path);
            if object.path.split('/').any(|part| part == LEDGER) {
                return Err(self.broken(backup, &why));
            }
            restored.lacks.push(why);
        }
        Ok(())
    }

    async fn fetch_one(&self, object: &BackupObject, hidden: &Lake) -> Result<Transferred, Error> {
        let transfer = Transfer {
            from: (self.place(), content_path(&object.hash)),
            to: (hidden, Path::from(object.path.as_str())),
            bytes: object.bytes,
            hash: &object.hash,
        };
        transfer.run().await.map_err(|error| match error {
            TransferError::From(error) => self.failed(error),
            TransferError::To(error) => error,
        })
    }
}

impl Lake {
    /// Gives the ledgers their names, that of the live lake's first entry last: then the lake is
    /// there.
    async fn reveal(&self) -> Result<(), Error> {
        let (mut origin, mut checkpoints) = (None, Vec::new());
        for from in self.hidden_files().await? {
            let path = ledger_path(&from);
            if path == entry_path(0) {
                origin = Some(from);
            } else if checkpoint_entries(&path).is_some() {
                checkpoints.push(from);
            } else {
                self.rename(&from).await?;
            }
        }
        for path in origin.into_iter().chain(checkpoints) {
            if !self.rename(&path).await? {
                return Err(Error::Refused(format!(
                    "somebody founded another lake at {} meanwhile: end that process, empty the \
                     lake, and restore again",
                    self.location()
                )));
            }
        }
        Ok(())
    }

    /// Deletes what only a restore needs, its mark last: as long as that is there, the same restore
    /// goes on.
    async fn tidy(&self) -> Result<(), Error> {
        let mut files = self.hidden_files().await?;
        files.extend([restoring(FETCHED), restoring(MARK)]);
        for path in files {
            match self.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The files of the ledgers under the names that they have until then.
    async fn hidden_files(&self) -> Result<Vec<Path>, Error> {
        let mut folders = vec![RESTORING.to_owned()];
        for name in self.replays().await? {
            folders.push(format!("{}/{RESTORING}", name.folder()));
        }
        let mut files = Vec::new();
        for folder in folders {
            let listed = self.listed(&folder).await?.into_iter();
            files.extend(listed.map(|meta| meta.location));
        }
        files.retain(|path| *path != restoring(MARK) && *path != restoring(FETCHED));
        Ok(files)
    }

    /// Gives a file of a ledger its name. Returns false if another has it.
    async fn rename(&self, path: &Path) -> Result<bool, Error> {
        let to = ledger_path(path);
        let Some(bytes) = self.read_if_there(path, u64::MAX).await? else {
            return Ok(true);
        };
        if self.create(&to, bytes.clone()).await? {
            return Ok(true);
        }
        let there = self.read_if_there(&to, u64::MAX).await?;
        Ok(there.is_some_and(|there| there == bytes))
    }
}
