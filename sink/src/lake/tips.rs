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
        let mut tips: BTreeMap<Partition, Tip> = BTreeMap::new();
        let mut listed: BTreeMap<(Partition, Offset), ObjectName> = BTreeMap::new();
        let mut hours = BTreeSet::new();
        for hour in self.hours().await? {
            let done = |partition: &Partition| {
                let covered = ledger.coverage.end(*partition);
                // What follows a covered range is in its last hour, or later; clocks step back a
                // little.
                let below = covered.is_some_and(|(_, at)| hour < Hour::of(at).previous());
                below || tips.contains_key(partition)
            };
            if partitions.iter().all(done) {
                break;
            }
            hours.insert(hour);
            // Sorted by partition and first: the last of each partition is its newest.
            for (name, _) in self.objects(hour).await?.into_iter().rev() {
                let partition = name.partition;
                if !partitions.contains(&partition) || ledger.gives_up(partition, name.first) {
                    continue;
                }
                listed.insert((partition, name.first), name);
                if tips.contains_key(&partition) {
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
        let earlier: BTreeSet<Hour> = tips.values().map(|tip| tip.name.hour.previous()).collect();
        for &hour in earlier.difference(&hours) {
            let objects = self.objects(hour).await?.into_iter();
            let ours = objects.filter(|(name, _)| tips.contains_key(&name.partition));
            listed.extend(ours.map(|(name, _)| ((name.partition, name.first), name)));
        }
        let mut tips = Tips { tips, ledger };
        // So do the objects of makers that did not know the newest swap.
        for &partition in partitions {
            while let Some(name) = listed.remove(&(partition, tips.resume(partition))) {
                let footer = self.tip(&name, &tips.ledger).await?;
                tips.tips.insert(partition, Tip::new(name, &footer));
            }
        }
        Ok(tips)
    }

    /// When the topic took the newest record that this lake has of these partitions; `None` if it has
    /// none.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest_append(
        &self,
        partitions: &BTreeSet<Partition>,
    ) -> Result<Option<Timestamp>, Error> {
        let Some(ledger) = self.ledger().await? else {
            return Ok(None);
        };
        let tips = self.tips(ledger, partitions).await?;
        let last = partitions.iter().filter_map(|of| tips.last(*of));
        Ok(last.map(|(_, at)| at).max())
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

    /// `at`, or the end of the gap or of the covered range that holds it.
    #[must_use]
    pub fn past(&self, partition: Partition, at: Offset) -> Offset {
        self.ledger.past(partition, at)
    }

    /// Where what is committed of a partition ends, and the append time of the record before: the
    /// end of its newest object, or of what swaps cover if that is greater. `None` if nothing is
    /// committed.
    #[must_use]
    pub fn last(&self, partition: Partition) -> Option<(Offset, Timestamp)> {
        let tip = self.tips.get(&partition);
        let tip = tip.map(|tip| (tip.end, tip.appended_at));
        tip.max(self.ledger.coverage.end(partition))
    }

    /// Where a partition continues: at the end of what is committed, past the gaps that were
    /// accepted there; without objects, where `origin` says.
    #[must_use]
    pub fn resume(&self, partition: Partition) -> Offset {
        let end = self
            .last(partition)
            .map_or(self.ledger.first(partition), |(end, _)| end);
        self.ledger.past(partition, end)
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
