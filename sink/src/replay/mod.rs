//! Replays: lakes of their own below the live one, each of a range of the topic.

pub(crate) mod promote;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use topic::Timestamp;

use crate::object::footer::FORMAT;
use crate::object::names::{LEDGER, REPLAYS};
use crate::{Entry, Error, Lake, Ledger, Ranges, ReplayName, ReplayOrigin};

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

    /// This lake and its replays.
    ///
    /// # Errors
    /// The store's.
    pub async fn with_replays(&self) -> Result<Vec<Self>, Error> {
        let names = self.replays().await?;
        let replays = names.iter().map(|name| self.replay(name));
        Ok(std::iter::once(self.clone()).chain(replays).collect())
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

    /// Deletes a replay, its ledger last, so that a deletion that is cut off can be done again.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_replay(&self, name: &ReplayName) -> Result<(), Error> {
        let replay = self.replay(name);
        let listed = replay.store().list(None);
        let mut paths: Vec<Path> = listed.map_ok(|meta| meta.location).try_collect().await?;
        paths.sort_by_key(|path| path.as_ref().starts_with(LEDGER));
        for path in paths {
            replay.store().delete(&path).await?;
        }
        Ok(())
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
