//! The ledger: all of the lake that is not a batch. Its entries are numbered objects, each created
//! once as the next free number; the lake is its objects folded with these entries.

pub(crate) mod checkpoint;
pub(crate) mod coverage;
pub(crate) mod entry;
pub(crate) mod fold;
pub(crate) mod forget;
mod gap;
mod hex_text;
pub(crate) mod id;
pub(crate) mod maker;
mod partition_keys;
pub(crate) mod replayed;
pub(crate) mod swap;

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use topic::{Identity, Offset, Partition};

use self::checkpoint::CHECKPOINT_ENTRIES;
use self::entry::{Entry, Knowledge, path};
use self::fold::Ledger;
use self::id::LakeId;
use crate::object::footer::{FORMAT, check_format};
use crate::{Error, Lake};

/// How many entries are read ahead.
const READ_AHEAD_ENTRIES: usize = 16;
/// The largest entry that is read.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// What an `origin` of any format says.
#[derive(Deserialize)]
struct OriginFormat {
    format: u32,
}

impl Lake {
    /// Reads the ledger, from its newest checkpoint on; `None` if the lake has no `origin` yet.
    ///
    /// # Errors
    /// [`Error::Unfit`] for an entry of a kind or version that this program does not know.
    pub async fn ledger(&self) -> Result<Option<Ledger>, Error> {
        let folded = match self.checkpoint(u64::MAX).await? {
            Some(folded) => folded,
            None => match self.entry(0).await? {
                Some(origin) => Ledger::begin(origin)?,
                None => return Ok(None),
            },
        };
        self.fold_next(folded).await.map(Some)
    }

    /// The ledger as it was before the entry of that number.
    ///
    /// # Errors
    /// As [`Lake::ledger`].
    pub(crate) async fn ledger_before(&self, number: u64) -> Result<Option<Ledger>, Error> {
        let mut ledger = match self.checkpoint(number).await? {
            Some(folded) => folded,
            None => match self.entry(0).await? {
                Some(origin) => Ledger::begin(origin)?,
                None => return Ok(None),
            },
        };
        while ledger.next < number {
            let next = ledger.next;
            let Some(entry) = self.entry(next).await? else {
                return Ok(None);
            };
            ledger = ledger.fold(next, entry)?;
        }
        Ok(Some(ledger))
    }

    /// Reads what the ledger got since it was `known`: as [`Lake::ledger`], with two questions if
    /// it got nothing.
    ///
    /// # Errors
    /// As [`Lake::ledger`].
    pub async fn follow(&self, known: Ledger) -> Result<Option<Ledger>, Error> {
        // The lake may be another one, or have been restored to an earlier state.
        let same = match self.entry(0).await? {
            Some(origin) => Ledger::begin(origin)?.has_origin_of(&known),
            None => return Ok(None),
        };
        let last = known.next.saturating_sub(1);
        if !same || (last > 0 && !self.is_there(&path(last)).await?) {
            return self.ledger().await;
        }
        self.fold_next(known).await.map(Some)
    }

    /// As [`Lake::follow`], for who has just written to it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is gone, else as [`Lake::ledger`].
    pub(crate) async fn go_on(&self, known: Ledger) -> Result<Ledger, Error> {
        self.follow(known).await?.ok_or_else(|| {
            Error::Unavailable("its ledger was there and is not any more".to_owned())
        })
    }

    /// Folds the entries that a fold lacks. Some are read ahead.
    async fn fold_next(&self, mut ledger: Ledger) -> Result<Ledger, Error> {
        // There is none to read ahead most of the time.
        let Some(entry) = self.entry(ledger.next).await? else {
            return Ok(ledger);
        };
        let number = ledger.next;
        ledger = ledger.fold(number, entry)?;
        let entries = stream::iter(ledger.next..).map(|number| async move {
            let entry = self.entry(number).await?;
            Ok::<_, Error>(entry.map(|entry| (number, entry)))
        });
        let mut entries = entries.buffered(READ_AHEAD_ENTRIES);
        while let Some(Some((number, entry))) = entries.try_next().await? {
            ledger = ledger.fold(number, entry)?;
        }
        Ok(ledger)
    }

    pub(crate) async fn entry(&self, number: u64) -> Result<Option<Entry>, Error> {
        let path = path(number);
        let Some(bytes) = self.read_if_there(&path, MAX_ENTRY_BYTES).await? else {
            return Ok(None);
        };
        if number == 0
            && let Ok(origin) = serde_json::from_slice::<OriginFormat>(&bytes)
        {
            check_format(&format!("the lake at {}", self.location()), origin.format)?;
        }
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

    /// Reads the entries that a batch's maker does not know yet. Returns true if one of them gives
    /// up what the batch holds, which begins at `first`.
    pub(crate) async fn gave_up(
        &self,
        (of, first): (Partition, Offset),
        known: &mut Knowledge,
    ) -> Result<bool, Error> {
        while let Some(entry) = self.entry(known.entries).await? {
            if entry.gives_up(of, first, *known) {
                return Ok(true);
            }
            known.entries += 1;
        }
        Ok(false)
    }

    /// Creates the entry `number`, and a checkpoint if it is time for one. Returns false if another
    /// process took that number.
    ///
    /// # Errors
    /// The store's.
    pub async fn write_entry(&self, number: u64, entry: &Entry) -> Result<bool, Error> {
        let json = serde_json::to_vec_pretty(entry).expect("an entry is plain text and numbers");
        if json.len() as u64 > MAX_ENTRY_BYTES {
            return Err(Error::Refused(format!(
                "the entry {number} of the ledger would have {} bytes, and nobody could read it \
                 ({MAX_ENTRY_BYTES}): compact first, or take a smaller range",
                json.len()
            )));
        }
        if !self.create(&path(number), json.into()).await? {
            return Ok(false);
        }
        if (number + 1).is_multiple_of(CHECKPOINT_ENTRIES)
            && let Err(error) = self.checkpoint_now().await
        {
            // The entry is written all the same, and the next hundred bring another checkpoint.
            tracing::warn!(%error, "no checkpoint of the ledger could be written");
        }
        Ok(true)
    }

    async fn checkpoint_now(&self) -> Result<(), Error> {
        match self.ledger().await? {
            Some(ledger) => self.write_checkpoint(&ledger).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
