//! The ledger: what is not a batch. Numbered objects, each created once as the next
//! free number; the lake is its objects folded with these entries.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};

use crate::names::LEDGER;
use crate::{Error, Lake};

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

    /// `end`, or the end of the gap that begins there.
    #[must_use]
    pub fn past_gaps(&self, partition: Partition, end: Offset) -> Offset {
        let mut end = end;
        while let Some(&beyond) = self.gaps.get(&(partition, end)) {
            end = beyond;
        }
        end
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

    /// Creates the entry `number`. False where somebody else took that number.
    ///
    /// # Errors
    /// The store's.
    pub async fn write_entry(&self, number: u64, entry: &Entry) -> Result<bool, Error> {
        let json = serde_json::to_vec_pretty(entry).expect("an entry is plain text and numbers");
        self.create(&path(number), json.into()).await
    }
}
