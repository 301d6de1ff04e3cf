//! Replays: lakes of their own below the live one, each of a range of the topic, and the
//! entries of the ledger that put them in the live rows' place.

use topic::{Offset, Partition, Timestamp};

use crate::object::footer::FORMAT;
use crate::object::names::REPLAYS;
use crate::{Entry, Error, Lake, Ledger, Promotion, Ranges, ReplayName, ReplayOrigin};

/// A range of a partition in which the tables show a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotedRange {
    /// The partition.
    pub partition: Partition,
    /// Where it begins.
    pub first: Offset,
    /// Where it ends (exclusive).
    pub end: Offset,
    /// The replay.
    pub name: ReplayName,
}

/// What promotions come to: ranges that do not overlap, by partition and offset. Where two
/// promotions meet, the later one is shown.
#[must_use]
pub fn promoted_ranges(promotions: &[Promotion]) -> Vec<PromotedRange> {
    let mut shown: Vec<PromotedRange> = Vec::new();
    for Promotion { name, ranges, .. } in promotions {
        for (&partition, &(first, end)) in ranges {
            let mut rest = Vec::with_capacity(shown.len() + 2);
            for old in shown {
                if old.partition != partition || old.end <= first || end <= old.first {
                    rest.push(old);
                    continue;
                }
                let before = PromotedRange {
                    end: first,
                    ..old.clone()
                };
                let after = PromotedRange { first: end, ..old };
                rest.extend([before, after].into_iter().filter(|s| s.first < s.end));
            }
            rest.push(PromotedRange {
                partition,
                first,
                end,
                name: name.clone(),
            });
            shown = rest;
        }
    }
    shown.sort_by_key(|range| (range.partition, range.first));
    shown
}

impl Lake {
    /// The lake of a replay, whether or not it was begun.
    #[must_use]
    pub fn replay(&self, name: &ReplayName) -> Self {
        self.below(&name.folder())
    }

    /// The replays that were begun, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn replays(&self) -> Result<Vec<ReplayName>, Error> {
        let folders = self.folders(REPLAYS).await?;
        let mut names: Vec<ReplayName> = folders
            .iter()
            .filter_map(|folder| ReplayName::parse(folder).ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The ledger of a replay that was begun.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such replay, and names those that exist.
    pub async fn replay_ledger(&self, name: &ReplayName) -> Result<Ledger, Error> {
        if let Some(ledger) = self.replay(name).ledger().await? {
            return Ok(ledger);
        }
        // If the lake itself cannot be read, that is what to say.
        self.ledger().await?;
        let known = listed(&self.replays().await?);
        Err(Error::Refused(format!(
            "there is no replay {name} ({known}): `clickweir replay --into {name}` with \
             --partition, --from-offset and --to-offset, or with --from and --to, makes it"
        )))
    }

    /// Begins a replay of `ranges` of the lake that `live` is the ledger of, in the lake of its
    /// own that this must be; or finds the one that was begun there.
    ///
    /// # Errors
    /// [`Error::Refused`] if it was begun with other ranges, with another configuration or for
    /// another lake; [`Error::AnotherTopic`] if it was begun from another topic.
    pub async fn begin_replay(
        &self,
        name: &ReplayName,
        live: &Ledger,
        ranges: &Ranges,
        configuration: &str,
        now: Timestamp,
    ) -> Result<Ledger, Error> {
        let origin = Entry::Origin {
            format: FORMAT,
            lake: live.lake,
            topic: live.topic.clone(),
            firsts: ranges.iter().map(|(&p, &(first, _))| (p, first)).collect(),
            replay: Some(ReplayOrigin {
                ends: ranges.iter().map(|(&p, &(_, end))| (p, end)).collect(),
                configuration: configuration.to_owned(),
                begun_at: now,
            }),
        };
        loop {
            if let Some(there) = self.ledger_of(&live.topic).await? {
                if there.lake != live.lake {
                    return Err(Error::Refused(format!(
                        "the replay {name} was begun for another lake ({}, this is {}): take \
                         another name",
                        there.lake, live.lake
                    )));
                }
                if there.ranges() != *ranges {
                    return Err(Error::Refused(format!(
                        "the replay {name} is of {}: take another name, or go on with that one \
                         by `clickweir replay --into {name}`",
                        spelt(&there.ranges())
                    )));
                }
                let theirs = there.replay.as_ref().map(|replay| &*replay.configuration);
                if theirs != Some(configuration) {
                    return Err(Error::Refused(format!(
                        "the replay {name} was begun under another configuration ({}, this is \
                         {configuration}): take another name",
                        theirs.unwrap_or("none")
                    )));
                }
                return Ok(there);
            }
            self.write_entry(0, &origin).await?;
        }
    }

    /// What a replay has yet to commit; empty if it is finished.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such replay, else the store's.
    pub async fn unfinished(&self, name: &ReplayName) -> Result<Ranges, Error> {
        let ledger = self.replay_ledger(name).await?;
        let ranges = ledger.ranges();
        let partitions = ranges.keys().copied().collect();
        let tips = self.replay(name).tips(ledger, &partitions).await?;
        let left = ranges
            .into_iter()
            .map(|(partition, (_, end))| (partition, (tips.resume(partition), end)));
        Ok(left.filter(|(_, (at, end))| at < end).collect())
    }

    /// Lets the tables show a finished replay within its ranges, by the ledger's next entry.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such replay, it is unfinished, or it is promoted.
    pub async fn promote(&self, name: &ReplayName, now: Timestamp) -> Result<Promotion, Error> {
        let left = self.unfinished(name).await?;
        if !left.is_empty() {
            return Err(Error::Refused(format!(
                "the replay {name} is not finished, it lacks {}: `clickweir replay --into \
                 {name}` goes on with it",
                spelt(&left)
            )));
        }
        let replayed = self.replay_ledger(name).await?;
        let ranges = replayed.ranges();
        let Some(ReplayOrigin { begun_at, .. }) = replayed.replay else {
            return Err(Error::Refused(format!(
                "{} holds a lake that is no replay: take it out of there",
                name.folder()
            )));
        };
        loop {
            let ledger = self.live_ledger().await?;
            if ledger.promoted(name) {
                return Err(Error::Refused(format!(
                    "the replay {name} is promoted already; `clickweir rollback {name}` undoes it"
                )));
            }
            let covered = ledger.coverage.ranges().find(|covered| {
                let range = &covered.range;
                let promoted = ranges.get(&range.partition);
                promoted.is_some_and(|promoted| range.meets(range.partition, *promoted))
            });
            if let Some(covered) = covered {
                let range = &covered.range;
                return Err(Error::Refused(format!(
                    "the replay {name} reaches into {}..{} of partition {}, which was compacted \
                     (entry {} of the ledger), and can be compared there but not promoted: replay \
                     what is not compacted yet",
                    range.first, range.end, range.partition, covered.number
                )));
            }
            let entry = Entry::Promote {
                name: name.clone(),
                begun_at,
                ranges: ranges.clone(),
                promoted_at: now,
            };
            // The loser of the race for the number looks again at what is there now.
            if self.write_entry(ledger.next, &entry).await? {
                let name = name.clone();
                return Ok(Promotion {
                    name,
                    begun_at,
                    ranges,
                });
            }
        }
    }

    /// Lets the tables show what they showed without the replay, by the ledger's next entry.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not promoted.
    pub async fn rollback(&self, name: &ReplayName, now: Timestamp) -> Result<(), Error> {
        loop {
            let ledger = self.live_ledger().await?;
            if !ledger.promoted(name) {
                let shown: Vec<ReplayName> =
                    ledger.promotions.into_iter().map(|p| p.name).collect();
                return Err(Error::Refused(format!(
                    "the replay {name} is not promoted, so there is nothing to roll back \
                     (promoted now: {})",
                    listed(&shown)
                )));
            }
            let entry = Entry::Rollback {
                name: name.clone(),
                rolled_back_at: now,
            };
            if self.write_entry(ledger.next, &entry).await? {
                return Ok(());
            }
        }
    }

    async fn live_ledger(&self) -> Result<Ledger, Error> {
        self.ledger().await?.ok_or_else(|| {
            Error::Refused("the lake is empty: there is nothing that a replay could replace".into())
        })
    }
}

/// Names for a sentence.
fn listed(names: &[ReplayName]) -> String {
    if names.is_empty() {
        return "there is none".into();
    }
    let names: Vec<&str> = names.iter().map(ReplayName::as_str).collect();
    names.join(", ")
}

/// Ranges for a sentence: `partition 0: 5..9, partition 1: 0..3`.
fn spelt(ranges: &Ranges) -> String {
    let spelt: Vec<String> = ranges
        .iter()
        .map(|(partition, (first, end))| format!("partition {partition}: {first}..{end}"))
        .collect();
    spelt.join(", ")
}

#[cfg(test)]
mod tests;
