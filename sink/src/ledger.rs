//! The ledger: what is not a batch. Numbered objects, each created once as the next
//! free number; the lake is its objects folded with these entries.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};

use crate::names::LEDGER;
use crate::{Error, Hour, Lake, ObjectName, Tips};

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    /// Entry 0: whose lake this is, and where each partition begins.
    Origin {
        /// The format's version.
        format: u32,
        /// The topic.
        topic: Identity,
        /// Each partition's first offset; a partition that is not listed begins at 0.
        #[serde(deserialize_with = "by_partition")]
        firsts: BTreeMap<Partition, Offset>,
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
}

/// JSON's keys are texts, and serde reads a tagged enum's fields as what they look like.
fn by_partition<'de, D>(deserializer: D) -> Result<BTreeMap<Partition, Offset>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let texts = BTreeMap::<String, Offset>::deserialize(deserializer)?;
    let parsed = texts.into_iter().map(|(key, first)| {
        let partition = key.parse().map_err(serde::de::Error::custom)?;
        Ok((Partition(partition), first))
    });
    parsed.collect()
}

/// The ledger's entries, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Whose lake this is.
    pub topic: Identity,
    /// Each partition's first offset.
    pub firsts: BTreeMap<Partition, Offset>,
    /// Accepted losses: partition and first, to end.
    pub gaps: BTreeMap<(Partition, Offset), Offset>,
    /// The number that the next entry will take.
    pub next: u64,
}

impl Ledger {
    /// Where a partition begins.
    #[must_use]
    pub fn first(&self, partition: Partition) -> Offset {
        self.firsts.get(&partition).copied().unwrap_or_default()
    }

    /// `at`, or the end of the gap that holds it.
    #[must_use]
    pub fn past_gaps(&self, partition: Partition, at: Offset) -> Offset {
        let mut at = at;
        let begun = |at| self.gaps.range((partition, Offset(0))..=(partition, at));
        while let Some((_, &end)) = begun(at).find(|(_, end)| **end > at) {
            at = end;
        }
        at
    }

    /// Whether an object that begins at `first` counts for nothing, since an operator has
    /// given that offset up: it came too late.
    #[must_use]
    pub fn gives_up(&self, partition: Partition, first: Offset) -> bool {
        self.past_gaps(partition, first) != first
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
        let mut ledger: Option<Ledger> = None;
        for number in 0.. {
            let Some(bytes) = self.read_if_there(&path(number)).await? else {
                break;
            };
            let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| {
                Error::Unfit(format!(
                    "{}: {error}: this ledger was written by another version of clickweir",
                    path(number)
                ))
            })?;
            match (&mut ledger, entry) {
                (
                    slot @ None,
                    Entry::Origin {
                        format,
                        topic,
                        firsts,
                    },
                ) => {
                    if format > crate::footer::FORMAT {
                        return Err(Error::Unfit(format!(
                            "the lake is of format {format}, use a newer clickweir"
                        )));
                    }
                    *slot = Some(Ledger {
                        topic,
                        firsts,
                        gaps: BTreeMap::new(),
                        next: 1,
                    });
                }
                (
                    Some(folded),
                    Entry::Gap {
                        partition,
                        first,
                        end,
                        ..
                    },
                ) => {
                    folded.gaps.insert((partition, first), end);
                    folded.next = number + 1;
                }
                (None, _) | (Some(_), Entry::Origin { .. }) => {
                    return Err(Error::Unfit(format!("{} is out of place", path(number))));
                }
            }
        }
        Ok(ledger)
    }

    /// Reads the ledger, and founds it with `topic` and the partitions' low watermarks
    /// where it is not there yet.
    ///
    /// # Errors
    /// [`Error::AnotherTopic`] where the lake belongs to another topic.
    pub async fn found(
        &self,
        topic: &Identity,
        firsts: BTreeMap<Partition, Offset>,
    ) -> Result<Ledger, Error> {
        loop {
            if let Some(ledger) = self.ledger().await? {
                if ledger.topic != *topic {
                    return Err(Error::AnotherTopic {
                        lake: self.location().to_string(),
                        theirs: ledger.topic,
                        ours: topic.clone(),
                    });
                }
                return Ok(ledger);
            }
            let origin = Entry::Origin {
                format: crate::footer::FORMAT,
                topic: topic.clone(),
                firsts: firsts.clone(),
            };
            self.write_entry(0, &origin).await?;
        }
    }

    /// Whether the ledger has got an entry `number` since it was read.
    pub(crate) async fn has_entry(&self, number: u64) -> Result<bool, Error> {
        self.is_there(&path(number)).await
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
        let tips = self.tips(ledger, &[partition].into()).await?;
        let first = self.beyond(&tips, partition, Hour::of(accepted_at)).await?;
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
        while hour <= now {
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
