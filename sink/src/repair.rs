//! Repair: what is damaged or missing is rebuilt by a swap from replays of exactly its ranges, or
//! given up by an operator's word.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use crate::object::read::NOT_PROVED;
use crate::object::sort::limits::SortLimits;
use crate::rewrite::choice::Choice;
use crate::rewrite::scope::{Scope, joined};
use crate::rewrite::source::RewriteSource;
use crate::{Error, Lake, Ledger, Made, Making, ObjectName, ReplayName, SwapMaker};

/// Ranges whose object is damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeHole {
    /// Half-open ranges of offsets, and their partitions; none if it is a partition's newest object
    /// and does not say where it ends.
    pub ranges: Vec<(Partition, Offset, Offset)>,
    /// The objects that are damaged; none if they are missing.
    pub objects: Vec<String>,
    /// The number of the swap that they are of; `None` for commits.
    pub swap: Option<u64>,
    /// What is wrong.
    pub why: String,
}

/// What is wrong with an object, and where it ends if it says so.
struct ObjectFault {
    detail: String,
    end: Option<Offset>,
}

/// The hole of damaged objects that follow one another, or of none.
fn hole(
    damaged: &[(ObjectName, ObjectFault)],
    (partition, first): (Partition, Offset),
    end: Option<Offset>,
) -> LakeHole {
    let why = damaged.first().map(|(_, fault)| fault.detail.clone());
    LakeHole {
        ranges: end.map(|end| (partition, first, end)).into_iter().collect(),
        objects: damaged.iter().map(|(name, _)| name.to_string()).collect(),
        swap: None,
        why: why.unwrap_or_else(|| "no object holds them".to_owned()),
    }
}

impl Lake {
    /// Reads all that counts, and finds what is damaged or missing before what is sound. `progress`
    /// gets the number of objects that were read, and of all.
    ///
    /// # Errors
    /// The store's.
    pub async fn holes(
        &self,
        ledger: &Ledger,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Vec<LakeHole>, Error> {
        let counts = |name: &ObjectName| !ledger.gives_up(name.partition, name.first);
        let named = self.commit_names(counts).await?;
        let numbers: BTreeSet<u64> = ledger.coverage.ranges().map(|one| one.number).collect();
        let objects = ledger.coverage.objects().count() + ledger.coverage.letters().count();
        let all = named.values().map(Vec::len).sum::<usize>() + objects;
        let mut done = 0;
        let mut tell = || {
            progress(done, all as u64);
            done += 1;
        };
        let mut holes = Vec::new();
        for (partition, mut names) in named {
            names.sort_unstable_by_key(|(name, _)| name.first);
            let mut at = ledger.past(partition, ledger.first(partition));
            let mut damaged = Vec::new();
            for (name, _) in names {
                tell();
                let sound = self.sound(&name, ledger).await?;
                // What nothing reaches counts for nothing.
                if name.first < at {
                    continue;
                }
                match sound {
                    Ok(end) => {
                        if at < name.first {
                            let damaged = std::mem::take(&mut damaged);
                            holes.push(hole(&damaged, (partition, at), Some(name.first)));
                        }
                        at = ledger.past(partition, end);
                    }
                    Err(fault) => damaged.push((name, fault)),
                }
            }
            // What is before a newest object that does not say where it ends, ends where that begins.
            let newest = damaged.pop_if(|(_, fault)| fault.end.is_none());
            let end = match &newest {
                Some((name, _)) => Some(name.first),
                None => damaged.last().and_then(|(_, fault)| fault.end),
            };
            if !damaged.is_empty() {
                holes.push(hole(&damaged, (partition, at), end));
            }
            holes.extend(newest.map(|newest| hole(&[newest], (partition, at), None)));
        }
        // The last first: what follows a hole was made before its swap, so it counts only as far as
        // the objects from there on reach.
        holes.reverse();
        for number in numbers {
            let parts = ledger.coverage.parts(number);
            let rows = parts.objects.iter().map(|object| object.path().to_string());
            let letters = parts.letters.iter().map(|letters| letters.path.clone());
            let mut damaged = Vec::new();
            for path in rows.chain(letters) {
                tell();
                match self.intact(&path).await {
                    Ok(true) => {}
                    Ok(false) | Err(Error::Damaged { .. }) => damaged.push(path),
                    Err(error) => return Err(error),
                }
            }
            if !damaged.is_empty() {
                let ranges = parts.ranges.iter();
                let ranges = ranges.map(|range| (range.partition, range.first, range.end));
                holes.push(LakeHole {
                    ranges: ranges.collect(),
                    objects: damaged,
                    swap: Some(number),
                    why: "it is damaged or missing".to_owned(),
                });
            }
        }
        Ok(holes)
    }

    /// Where a sound object ends; `Err` says what is wrong with it.
    async fn sound(
        &self,
        name: &ObjectName,
        ledger: &Ledger,
    ) -> Result<Result<Offset, ObjectFault>, Error> {
        let fault = |detail, end| Ok(Err(ObjectFault { detail, end }));
        let footer = match self.footer(name).await {
            Ok(Some(footer)) if footer.topic != ledger.topic => {
                return fault("it is of another topic".to_owned(), None);
            }
            Ok(Some(footer)) => footer,
            Ok(None) => return fault("it is not there".to_owned(), None),
            Err(Error::Damaged { detail, .. } | Error::Unfit(detail)) => {
                return fault(detail, None);
            }
            Err(error) => return Err(error),
        };
        match self.intact(name.path().as_ref()).await? {
            true => Ok(Ok(footer.end)),
            false => fault(NOT_PROVED.to_owned(), Some(footer.end)),
        }
    }

    /// Fills a hole with finished replays of exactly its ranges. Returns the number of the swap, or
    /// why it was discarded.
    ///
    /// # Errors
    /// [`Error::Refused`] if a replay is not of its range; [`Error::Damaged`] if it cannot be read.
    pub async fn fill(
        &self,
        ledger: &Ledger,
        hole: &LakeHole,
        replays: &[ReplayName],
        now: Timestamp,
    ) -> Result<Made, Error> {
        let mut making = Making::begin(self, ledger, SwapMaker::Repair, now);
        let mut sources = Vec::new();
        for name in replays {
            sources.push((self.replay(name), self.replay_ledger(name).await?));
        }
        let mut others = Vec::new();
        let mut scope = Scope::default();
        for (lake, replayed) in &sources {
            let held = lake.whole_scope(replayed, &replayed.ranges()).await?;
            scope.holes.extend(joined(&held.ranges(replayed)));
            others.push(RewriteSource {
                lake,
                ledger: replayed,
                scope: held,
                choice: Choice::All,
            });
        }
        let filled = scope.holes.iter();
        let filled: BTreeSet<_> = filled
            .map(|range| (range.partition, range.first, range.end))
            .collect();
        if filled != hole.ranges.iter().copied().collect() {
            return Err(Error::Refused(
                "the replays are of other ranges than what is damaged".to_owned(),
            ));
        }
        if let Some(number) = hole.swap {
            scope.holes.clear();
            scope.swaps.insert(number);
        }
        for path in hole.objects.iter().filter(|_| hole.swap.is_none()) {
            making.replace(self.replaced(path).await?);
        }
        let own = RewriteSource {
            lake: self,
            ledger,
            scope,
            choice: Choice::Nothing,
        };
        let limits = SortLimits::default();
        self.rewrite(&mut making, own, others, limits).await?;
        making.finish().await
    }

    /// Gives up the ranges of a hole, by entries of the ledger: their records are lost.
    ///
    /// # Errors
    /// [`Error::Refused`] for what swaps cover, which would be lost with what is sound beside it.
    pub async fn give_up_hole(&self, hole: &LakeHole, now: Timestamp) -> Result<(), Error> {
        if let Some(number) = hole.swap {
            return Err(Error::Refused(format!(
                "the objects of entry {number} of the ledger hold the rows of many hours: put {} \
                 back from a copy",
                hole.objects.join(", ")
            )));
        }
        for &(partition, first, end) in &hole.ranges {
            self.give_up(partition, (first, end), now).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forget::tests::shore::Shore;

    async fn holes(shore: &Shore) -> Vec<LakeHole> {
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        shore.lake.holes(&ledger, &|_, _| {}).await.unwrap()
    }

    #[tokio::test]
    async fn a_sound_lake_has_no_holes_and_its_damaged_letters_are_one() {
        let shore = Shore::new().await;
        assert_eq!(holes(&shore).await, []);
        assert!(shore.compact().await > 0);
        assert_eq!(holes(&shore).await, []);
        // Those of a commit stay where they were, under a part of their hash.
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        let letters = ledger.coverage.letters().next().unwrap().path.clone();
        shore.flip(&letters).await;
        let found = holes(&shore).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].objects, [letters]);
    }

    #[tokio::test]
    async fn what_is_damaged_before_a_newest_object_without_an_end_ends_where_that_begins() {
        let shore = Shore::new().await;
        let named = shore
            .lake
            .commit_names(|name| name.partition == Partition(0));
        let mut names = named.await.unwrap().remove(&Partition(0)).unwrap();
        names.sort_unstable_by_key(|(name, _)| name.first);
        let paths: Vec<String> = names.iter().map(|(name, _)| name.to_string()).collect();
        // In the columns; its footer says where it ends.
        let mut flipped = shore.get(&paths[1]).await;
        flipped[100] ^= 1;
        shore.put(&paths[1], flipped).await;
        shore.put(&paths[2], b"PAR1".to_vec()).await;
        let found = holes(&shore).await;
        let found = found
            .iter()
            .map(|hole| (&hole.objects[..], &hole.ranges[..]));
        let known = (Partition(0), Offset(20), Offset(40));
        // The last is mended first.
        let expected = [(&paths[2..], &[][..]), (&paths[1..2], &[known][..])];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
