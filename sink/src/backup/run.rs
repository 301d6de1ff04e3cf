//! A backup: what counts is listed, what is new is copied, and last the backup's object is created.

use std::collections::BTreeMap;

use topic::Timestamp;

use super::inventory::{Inventory, LakeEnds, within};
use super::manifest::{BACKUP_FORMAT, Backup, BackupObject};
use super::prune::Pruned;
use super::store::BackupStore;
use super::take::{CopyProgress, Taken, Taking};
use crate::{Error, Lake, Ledger};

/// What changes while it is copied is listed again, so often.
const MAX_TRIES: u32 = 8;

/// What a backup has to know of the world.
pub struct BackupScene<'a> {
    /// The time.
    pub now: Timestamp,
    /// The version of clickweir.
    pub version: &'a str,
    /// The configuration, as TOML and without secrets.
    pub configuration: &'a str,
    /// How many backups are kept; `None` keeps all.
    pub keep: Option<usize>,
    /// Gets how far it is.
    pub progress: &'a (dyn Fn(&CopyProgress) + Sync),
}

/// What a backup came to.
#[derive(Debug, Clone)]
pub struct BackedUp {
    /// The backup.
    pub backup: Backup,
    /// How many objects were copied for it.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// What was deleted of older backups.
    pub pruned: Pruned,
}

impl Lake {
    /// Makes a backup of this, the live lake, and of its replays. Workers, makers of swaps and
    /// erasures may be at work beside it. What a run before it that was cut off has copied is not
    /// copied again.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is nothing to back up, or the place is not for this lake's
    /// backups; [`Error::Unfit`] if the place fails; else the store's.
    pub async fn back_up(
        &self,
        to: &BackupStore,
        scene: &BackupScene<'_>,
    ) -> Result<BackedUp, Error> {
        let begun = self.ledger().await?.ok_or_else(|| {
            Error::Refused("the lake is empty: there is nothing to back up".to_owned())
        })?;
        let place_ledger = to.place().entry(0).await;
        if !matches!(place_ledger, Ok(None)) {
            place_ledger.map_err(|error| to.failed(error))?;
            return Err(Error::Refused(format!(
                "{} is a lake: name a place of its own for the backup",
                to.location()
            )));
        }
        let backups = to.backups().await?;
        to.check(&backups, begun.lake)?;
        let known = match backups.last() {
            Some(newest) => to.list(newest).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let known = known
            .into_iter()
            .map(|object| (object.path.clone(), object));
        let mut taking = Taking {
            lake: self,
            to,
            contents: to.contents().await?,
            known: known.collect(),
        };
        let (inventory, taken, copied) = self.taken(&mut taking, begun, scene).await?;
        let number = backups.last().map_or(1, |newest| newest.number + 1);
        let backup = described(&inventory, &taken, scene);
        let list = to.put_list(&taken.objects).await?;
        let backup = to
            .create(Backup {
                number,
                list,
                ..backup
            })
            .await?;
        let mut backed_up = BackedUp {
            backup,
            copied: copied.copied,
            copied_bytes: copied.copied_bytes,
            pruned: Pruned::default(),
        };
        // What is not whole takes the place of nothing.
        if let (Some(keep), true) = (scene.keep, backed_up.backup.lacks.is_empty()) {
            backed_up.pruned = to.prune(keep, scene.now).await?;
        }
        Ok(backed_up)
    }

    /// Lists and copies, again if something was deleted meanwhile, or somebody asked to be erased:
    /// half of an erasure is no state of the lake.
    async fn taken(
        &self,
        taking: &mut Taking<'_>,
        begun: Ledger,
        scene: &BackupScene<'_>,
    ) -> Result<(Inventory, Taken, CopyProgress), Error> {
        let (mut ledger, mut all) = (begun, CopyProgress::default());
        for _try in 0..MAX_TRIES {
            let inventory = self.inventory(&ledger).await?;
            let taken = taking.take(&inventory.objects, scene.progress).await?;
            all.copied += taken.progress.copied;
            all.copied_bytes += taken.progress.copied_bytes;
            let asked = ledger.forgets.len();
            let moved = self.go_on(ledger).await?;
            let has_moved = moved.next != inventory.ledgers[""].next;
            ledger = moved;
            let is_lacking = has_moved && !inventory.lacks.is_empty();
            if taken.gone == 0 && ledger.forgets.len() == asked && !is_lacking {
                return Ok((inventory, taken, all));
            }
            tracing::info!(
                gone = taken.gone,
                "the lake changed under the backup, which looks again"
            );
        }
        Err(Error::Unavailable(format!(
            "it changed {MAX_TRIES} times while it was copied; the same command goes on"
        )))
    }
}

/// What a backup says of itself, without its number and its list.
fn described(inventory: &Inventory, taken: &Taken, scene: &BackupScene<'_>) -> Backup {
    let mut lacks = inventory.lacks.clone();
    lacks.extend(taken.lacks.iter().cloned());
    let (mut ends, mut rows) = (BTreeMap::new(), 0);
    for (folder, ledger) in &inventory.ledgers {
        let found = LakeEnds::of(&within(folder), ledger, &taken.objects);
        lacks.extend(found.holes);
        if folder.is_empty() {
            (ends, rows) = (found.ends, found.rows);
        }
    }
    let live = &inventory.ledgers[""];
    let ledgers = inventory.ledgers.iter();
    Backup {
        format: BACKUP_FORMAT,
        number: 0,
        made_at: scene.now,
        version: scene.version.to_owned(),
        lake: live.lake,
        topic: live.topic.clone(),
        ledgers: ledgers
            .map(|(folder, ledger)| (folder.clone(), ledger.next))
            .collect(),
        ends,
        rows,
        objects: taken.objects.len() as u64,
        bytes: taken
            .objects
            .iter()
            .map(|object: &BackupObject| object.bytes)
            .sum(),
        list: String::new(),
        lacks,
        configuration: scene.configuration.to_owned(),
    }
}
