//! Tips: where each partition continues. Only the lake decides it.

use std::collections::{BTreeMap, BTreeSet};

use topic::{Offset, Partition, Timestamp, Watermarks};

use crate::{Error, Footer, Hour, Lake, Ledger, ObjectName};

/// A partition's newest object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The object.
    pub name: ObjectName,
    /// Where it ends.
    pub end: Offset,
    /// The append time of the record at `end - 1`.
    pub appended_at: Timestamp,
}

/// The tips of a lake, and its ledger.
#[derive(Debug, Clone)]
pub struct Tips {
    tips: BTreeMap<Partition, Tip>,
    ledger: Ledger,
}

impl Lake {
    /// Goes through the hours from the newest until each of `partitions` was found: one pass
    /// serves all of them.
    ///
    /// # Errors
    /// [`Error::AnotherTopic`] if an object is not the ledger's topic's, else the store's.
    pub async fn tips(
        &self,
        ledger: Ledger,
        partitions: &BTreeSet<Partition>,
    ) -> Result<Tips, Error> {
        let mut tips = BTreeMap::new();
        for hour in self.hours().await? {
            if partitions
                .iter()
                .all(|partition| tips.contains_key(partition))
            {
                break;
            }
            // Sorted by partition and first: the last of each partition is its newest.
            for (name, _) in self.objects(hour).await?.into_iter().rev() {
                let partition = name.partition;
                if !partitions.contains(&partition)
                    || tips.contains_key(&partition)
                    || ledger.gives_up(partition, name.first)
                {
                    continue;
                }
                let footer = self.tip(&name, &ledger).await?;
                if ledger.trusts(&footer) {
                    tips.insert(partition, Tip::new(name, &footer));
                }
            }
        }
        // An hour may step back with a broker's clock: an older hour folder can then hold the
        // newer object, and it begins exactly where a met one ends.
        let hours: Vec<Hour> = tips
            .values()
            .map(|tip: &Tip| tip.name.hour.previous())
            .collect();
        for hour in hours.into_iter().collect::<BTreeSet<_>>() {
            for (name, _) in self.objects(hour).await? {
                let Some(tip) = tips.get_mut(&name.partition) else {
                    continue;
                };
                if ledger.past_gaps(name.partition, tip.end) == name.first {
                    *tip = Tip::new(name, &self.tip(&name, &ledger).await?);
                }
            }
        }
        Ok(Tips { tips, ledger })
    }

    async fn tip(&self, name: &ObjectName, ledger: &Ledger) -> Result<Footer, Error> {
        let footer = self.footer(name).await?.ok_or_else(|| {
            Error::Unavailable(format!("{name} was listed and is not there (yet)"))
        })?;
        if footer.topic != ledger.topic {
            return Err(Error::AnotherTopic {
                lake: self.location().to_string(),
                theirs: footer.topic,
                ours: ledger.topic.clone(),
            });
        }
        Ok(footer)
    }
}

impl Tip {
    fn new(name: ObjectName, footer: &Footer) -> Self {
        Self {
            name,
            end: footer.end,
            appended_at: footer.appended_at,
        }
    }
}

impl Tips {
    /// A partition's newest object.
    #[must_use]
    pub fn tip(&self, partition: Partition) -> Option<&Tip> {
        self.tips.get(&partition)
    }

    /// `at`, or the end of the gap that holds it.
    #[must_use]
    pub fn past_gaps(&self, partition: Partition, at: Offset) -> Offset {
        self.ledger.past_gaps(partition, at)
    }

    /// Where a partition continues: its tip's end, past the gaps that were accepted there;
    /// without objects, where `origin` says.
    #[must_use]
    pub fn resume(&self, partition: Partition) -> Offset {
        let end = self
            .tips
            .get(&partition)
            .map_or(self.ledger.first(partition), |tip| tip.end);
        self.ledger.past_gaps(partition, end)
    }

    /// Compares where the lake continues with what the topic holds.
    ///
    /// # Errors
    /// [`Error::Gap`] if retention has passed the lake's end, [`Error::Recreated`] if
    /// the lake ends beyond the topic. Each names the remedy, and stops the partition.
    pub fn check(&self, partition: Partition, topic: Watermarks) -> Result<Offset, Error> {
        let end = self.resume(partition);
        if end < topic.low {
            return Err(Error::Gap {
                partition,
                end,
                low: topic.low,
            });
        }
        if end > topic.high {
            let why = format!("the topic ends at {}", topic.high);
            return Err(Error::Recreated {
                partition,
                end,
                why,
            });
        }
        Ok(end)
    }
}
