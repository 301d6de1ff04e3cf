//! The ledger: what is not a batch. Numbered objects, each created once as the next
//! free number; the lake is its objects folded with these entries.

mod id;

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};

pub use self::id::LakeId;
use crate::object::footer::FORMAT;
use crate::object::names::LEDGER;
use crate::replay::{Promotion, Ranges, Replay, ReplayName};
use crate::{Error, Footer, Hour, Lake, ObjectName, Tips};

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    /// Entry 0: whose lake this is, and where each partition begins.
    Origin {
        /// The format's version.
        format: u32,
        /// The lake's own identity; a replay has that of the lake that it belongs to.
        lake: LakeId,
        /// The topic.
        topic: Identity,
        /// Each partition's first offset; a partition that is not listed begins at 0.
        #[serde(deserialize_with = "by_partition")]
        firsts: BTreeMap<Partition, Offset>,
        /// In the ledger of a replay: where it ends. The live lake has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replay: Option<Replay>,
    },
    /// An operator accepted that `[first, end)` was lost before the lake had it.
    Gap {
        /// The partition.
        partition: Partition,
        /// Where the lake ended.
        first: Offset,
        /// Where it continues.
        end: Offset,
        /// When it was accepted.
        accepted_at: Timestamp,
    },
    /// Within its ranges the tables show the replay from now on.
    Promote {
        /// The replay.
        name: ReplayName,
        /// When that was begun: its name may have been another's.
        begun_at: Timestamp,
        /// What it holds.
        #[serde(deserialize_with = "by_partition")]
        ranges: Ranges,
        /// When it was promoted.
        promoted_at: Timestamp,
    },
    /// The tables show it no longer.
    Rollback {
        /// The replay.
        name: ReplayName,
        /// When it was rolled back.
        rolled_back_at: Timestamp,
    },
}

/// JSON's keys are texts, and serde reads a tagged enum's fields as what they look like.
pub(crate) fn by_partition<'de, D, V>(deserializer: D) -> Result<BTreeMap<Partition, V>, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Deserialize<'de>,
{
    let texts = BTreeMap::<String, V>::deserialize(deserializer)?;
    let parsed = texts.into_iter().map(|(key, value)| {
        let partition = key.parse().map_err(serde::de::Error::custom)?;
        Ok((Partition(partition), value))
    });
    parsed.collect()
}

/// An accepted loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where the partition continues.
    pub end: Offset,
    /// Its entry's number in the ledger.
    pub number: u64,
}

/// The ledger's entries, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The lake's own identity; a replay has that of the lake that it belongs to.
    pub lake: LakeId,
    /// Whose lake this is.
    pub topic: Identity,
    /// Each partition's first offset.
    pub firsts: BTreeMap<Partition, Offset>,
    /// Where a replay ends; none for the live lake.
    pub replay: Option<Replay>,
    /// Accepted losses, by partition and first.
    pub gaps: BTreeMap<(Partition, Offset), Gap>,
    /// The replays that are promoted and not rolled back, in the order of their promotion.
    pub promotions: Vec<Promotion>,
    /// The number that the next entry will take.
    pub next: u64,
}

impl Ledger {
    fn begin(origin: Entry) -> Result<Self, Error> {
        match origin {
            Entry::Origin { format, .. } if format > FORMAT => Err(Error::Unfit(format!(
                "the lake is of format {format}, use a newer clickweir"
            ))),
            Entry::Origin {
                lake,
                topic,
                firsts,
                replay,
                ..
            } => Ok(Self {
                lake,
                topic,
                firsts,
                replay,
                gaps: BTreeMap::new(),
                promotions: Vec::new(),
                next: 1,
            }),
            _ => Err(Error::Unfit(format!("{} is out of place", path(0)))),
        }
    }

    fn fold(mut self, number: u64, entry: Entry) -> Result<Self, Error> {
        match entry {
            Entry::Origin { .. } => {
                return Err(Error::Unfit(format!("{} is out of place", path(number))));
            }
            Entry::Gap {
                partition,
                first,
                end,
                ..
            } => drop(self.gaps.insert((partition, first), Gap { end, number })),
            Entry::Promote {
                name,
                begun_at,
                ranges,
                ..
            } => {
                // The newest promotion lies on top.
                self.promotions.retain(|known| known.name != name);
                self.promotions.push(Promotion {
                    name,
                    begun_at,
                    ranges,
                });
            }
            Entry::Rollback { name, .. } => self.promotions.retain(|known| known.name != name),
        }
        self.next = number + 1;
        Ok(self)
    }

    /// Where a partition begins.
    #[must_use]
    pub fn first(&self, partition: Partition) -> Offset {
        self.firsts.get(&partition).copied().unwrap_or_default()
    }

    /// `at`, or the end of the gap that holds it.
    #[must_use]
    pub fn past_gaps(&self, partition: Partition, at: Offset) -> Offset {
        let mut at = at;
        while let Some(gap) = self.begun(partition, at).find(|gap| gap.end > at) {
            at = gap.end;
        }
        at
    }

    /// The gaps of a partition that begin at `at` or before it.
    fn begun(&self, partition: Partition, at: Offset) -> impl Iterator<Item = &Gap> {
        let begun = self.gaps.range((partition, Offset(0))..=(partition, at));
        begun.map(|(_, gap)| gap)
    }

    /// Whether an object that begins at `first` counts for nothing, since an operator has
    /// given that offset up: it came too late.
    #[must_use]
    pub fn gives_up(&self, partition: Partition, first: Offset) -> bool {
        self.past_gaps(partition, first) != first
    }

    /// Whether an object's maker knew of every gap before it. Who did not know may have followed
    /// an object that a gap has since voided, so what lies before is perhaps in no object: such
    /// a one counts only where the chain reaches it, and is nobody's tip.
    #[must_use]
    pub fn trusts(&self, made: &Footer) -> bool {
        let mut gaps = self.begun(made.partition, made.first);
        gaps.all(|gap| gap.number < made.ledger)
    }

    /// Whether an object counts, where its partition's chain has come to `at` (past the gaps).
    #[must_use]
    pub fn counts(&self, made: &Footer, at: Offset) -> bool {
        !self.gives_up(made.partition, made.first) && (made.first == at || self.trusts(made))
    }
}

fn path(number: u64) -> Path {
    Path::from(format!("{LEDGER}/{number:010}.json"))
}

impl Lake {
    /// Reads the ledger; none where the lake has no `origin` yet.
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
        let Some(bytes) = self.read_if_there(&path).await? else {
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

    /// Whether something of the partition was given up since the ledger had so many entries.
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

    /// Records that what the topic no longer holds of a partition, from where the lake ends to
    /// `low`, is given up. The range; none where nothing is lost.
    ///
    /// # Errors
    /// [`Error::Unfit`] where the lake has no origin, or somebody else wrote the ledger
    /// meanwhile; else the store's.
    pub async fn accept_gap(
        &self,
        partition: Partition,
        low: Offset,
        accepted_at: Timestamp,
    ) -> Result<Option<(Offset, Offset)>, Error> {
        let ledger = self.ledger().await?.ok_or_else(|| {
            Error::Unfit("the lake has no origin yet, so nothing is lost".to_owned())
        })?;
        let next = ledger.next;
        let of_it = [partition].into();
        let tips = self.tips(ledger.clone(), &of_it).await?;
        let first = self.beyond(&tips, partition, Hour::of(accepted_at)).await?;
        // That took its time: somebody may have been let back in meanwhile.
        let again = self.tips(ledger, &of_it).await?.resume(partition);
        if again > first {
            return Err(Error::Unfit(format!(
                "partition {partition} has just gone on, to {again}; look, and try again"
            )));
        }
        if low <= first {
            return Ok(None);
        }
        let gap = Entry::Gap {
            partition,
            first,
            end: low,
            accepted_at,
        };
        match self.write_entry(next, &gap).await? {
            true => Ok(Some((first, low))),
            false => Err(Error::Unfit(
                "somebody else wrote the ledger meanwhile; look, and try again".to_owned(),
            )),
        }
    }

    /// Where a partition continues, also where lists lag: the records that would tell the next
    /// object's hour are gone, so every hour since the tip's is asked for it.
    async fn beyond(&self, tips: &Tips, partition: Partition, now: Hour) -> Result<Offset, Error> {
        let mut at = tips.resume(partition);
        let Some(tip) = tips.tip(partition) else {
            return Ok(at);
        };
        let mut hour = tip.name.hour.previous();
        // Clocks differ: the broker's may be in the next hour already.
        while hour <= now.next() {
            let name = ObjectName {
                hour,
                partition,
                first: at,
            };
            match self.footer(&name).await? {
                Some(footer) => {
                    at = tips.past_gaps(partition, footer.end);
                    hour = hour.previous();
                }
                None => hour = hour.next(),
            }
        }
        Ok(at)
    }

    /// Creates the entry `number`. False where somebody else took that number.
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
