//! The ledger: all of the lake that is not a batch. Its entries are numbered objects, each created
//! once as the next free number; the lake is its objects folded with these entries.

pub(crate) mod entry;
pub(crate) mod fold;
mod gap;
pub(crate) mod id;

use std::collections::BTreeMap;

use topic::{Identity, Offset, Partition};

use self::entry::{Entry, path};
use self::fold::Ledger;
use self::id::LakeId;
use crate::object::footer::FORMAT;
use crate::{Error, Lake};

/// The largest entry that is read.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

impl Lake {
    /// Reads the ledger; `None` if the lake has no `origin` yet.
    ///
    /// # Errors
    /// [`Error::Unfit`] for an entry of a kind or version that this program does not know.
    pub async fn ledger(&self) -> Result<Option<Ledger>, Error> {
        let (mut ledger, mut number) = (None, 0);
        while let Some(entry) = self.entry(number).await? {
            ledger = Some(match ledger {
                None => Ledger::begin(entry)?,
                Some(folded) => Ledger::fold(folded, number, entry)?,
            });
            number += 1;
        }
        Ok(ledger)
    }

    async fn entry(&self, number: u64) -> Result<Option<Entry>, Error> {
        let path = path(number);
        let Some(bytes) = self.read_if_there(&path, MAX_ENTRY_BYTES).await? else {
            return Ok(None);
        };
        let entry = serde_json::from_slice(&bytes).map_err(|error| {
            Error::Unfit(format!(
                "{path}: {error}: this ledger was written by another version of clickweir; use \
                 that version, or give this one a lake.url of its own"
            ))
        })?;
        Ok(Some(entry))
    }

    /// The ledger of the lake of `topic`; `None` if the lake has no `origin` yet.
    ///
    /// # Errors
    /// [`Error::AnotherTopic`] if the lake belongs to another topic, else as [`Lake::ledger`].
    pub async fn ledger_of(&self, topic: &Identity) -> Result<Option<Ledger>, Error> {
        match self.ledger().await? {
            Some(ledger) if ledger.topic != *topic => Err(Error::AnotherTopic {
                lake: self.location().to_string(),
                theirs: ledger.topic,
                ours: topic.clone(),
            }),
            ledger => Ok(ledger),
        }
    }

    /// Reads the ledger. If there is none yet, founds the lake first: with the identity `new`,
    /// the topic, and each partition's low watermark. Of several that found it at once, one
    /// wins, and all read the same ledger.
    ///
    /// # Errors
    /// [`Error::AnotherTopic`] if the lake belongs to another topic, else as [`Lake::ledger`].
    pub async fn found(
        &self,
        topic: &Identity,
        firsts: BTreeMap<Partition, Offset>,
        new: LakeId,
    ) -> Result<Ledger, Error> {
        let origin = Entry::Origin {
            format: FORMAT,
            lake: new,
            topic: topic.clone(),
            firsts,
            replay: None,
        };
        loop {
            if let Some(ledger) = self.ledger_of(topic).await? {
                return Ok(ledger);
            }
            self.write_entry(0, &origin).await?;
        }
    }

    /// Returns true if something of the partition was given up since the ledger had so many entries.
    pub(crate) async fn gave_up(&self, of: Partition, entries: u64) -> Result<bool, Error> {
        let mut number = entries;
        while let Some(entry) = self.entry(number).await? {
            if matches!(entry, Entry::Gap { partition, .. } if partition == of) {
                return Ok(true);
            }
            number += 1;
        }
        Ok(false)
    }

    /// Creates the entry `number`. Returns false if another process took that number.
    ///
    /// # Errors
    /// The store's.
    pub async fn write_entry(&self, number: u64, entry: &Entry) -> Result<bool, Error> {
        let json = serde_json::to_vec_pretty(entry).expect("an entry is plain text and numbers");
        self.create(&path(number), json.into()).await
    }
}

#[cfg(test)]
mod tests;
