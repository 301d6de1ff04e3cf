//! What of a lake counts, as of one state of its ledger: the objects that a backup must have.

use std::collections::{BTreeMap, BTreeSet};

use object_store::ObjectMeta;
use topic::{Offset, Partition};

use super::content::{ContentKind, CountedObject};
use super::manifest::BackupObject;
use crate::forget::certificate::CERTIFICATE;
use crate::forget::keys::KEYS;
use crate::forget::records::RECORDS;
use crate::ledger::checkpoint::checkpoint_entries;
use crate::ledger::entry::{entry_number, path as entry_path};
use crate::object::names::{CLICKS, DEAD_LETTERS, LEDGER, SWAPS, parse_letters};
use crate::{Entry, Error, Lake, Ledger, ObjectName};

/// What counts.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// By folder of the lake; nothing for the live one.
    pub(super) ledgers: BTreeMap<String, Ledger>,
    pub(super) objects: Vec<CountedObject>,
    /// What counts and is not there, in sentences.
    pub(super) lacks: Vec<String>,
}

impl Lake {
    /// What counts in this, the live lake, and in its replays.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn inventory(&self, ledger: &Ledger) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        inventory.take(self, "", ledger.clone()).await?;
        for name in self.replays().await? {
            let replay = self.replay(&name);
            // What has no ledger holds nothing that could be read.
            if let Some(ledger) = replay.ledger().await? {
                inventory.take(&replay, &name.folder(), ledger).await?;
            }
        }
        Ok(inventory)
    }
}

impl Inventory {
    /// Takes what counts in one lake.
    async fn take(&mut self, lake: &Lake, folder: &str, ledger: Ledger) -> Result<(), Error> {
        let kept = lake.replaced_by_promotions(&ledger).await?;
        let mut listing = Listed {
            folder: within(folder),
            inventory: self,
        };
        // A list takes time, and may show a commit and lack the one before it. What the second list
        // shows up to where the first one ended is all of it.
        let mut reached: BTreeMap<Partition, Offset> = BTreeMap::new();
        for meta in lake.listed(CLICKS).await? {
            if let Some(name) = ObjectName::parse(meta.location.as_ref()) {
                let at = reached.entry(name.partition).or_default();
                *at = name.first.max(*at);
            }
        }
        let is_within =
            |of: Partition, first: Offset| reached.get(&of).is_some_and(|at| first <= *at);
        for meta in lake.listed(CLICKS).await? {
            let Some(name) = ObjectName::parse(meta.location.as_ref()) else {
                continue;
            };
            let counts = !ledger.gives_up(name.partition, name.first);
            if (counts && is_within(name.partition, name.first))
                || kept.contains(meta.location.as_ref())
            {
                listing.add(&meta, ContentKind::Commit(name));
            }
        }
        for meta in lake.listed(DEAD_LETTERS).await? {
            let path = meta.location.as_ref();
            let Some((of, first)) = parse_letters(path) else {
                continue;
            };
            let counts = ledger.coverage.names_letters(path)
                || (ledger.coverage.holding(of, first).is_none() && is_within(of, first));
            if counts || kept.contains(path) {
                listing.add(&meta, ContentKind::Letters);
            }
        }
        listing.swapped(lake.listed(SWAPS).await?, &ledger, &kept);
        listing.ledger(&lake.listed(LEDGER).await?, &ledger);
        self.ledgers.insert(folder.to_owned(), ledger);
        Ok(())
    }
}

/// What the paths of a lake in that folder begin with: nothing for the live lake, which has none.
pub(super) fn within(folder: &str) -> String {
    match folder {
        "" => String::new(),
        folder => format!("{folder}/"),
    }
}

/// One lake's part of an inventory.
struct Listed<'a> {
    folder: String,
    inventory: &'a mut Inventory,
}

impl Listed<'_> {
    fn add(&mut self, meta: &ObjectMeta, kind: ContentKind) {
        self.inventory.objects.push(CountedObject {
            folder: self.folder.clone(),
            path: meta.location.to_string(),
            bytes: meta.size,
            written: meta.last_modified.timestamp_micros(),
            kind,
        });
    }

    fn lacks(&mut self, path: &str) {
        let folder = &self.folder;
        self.inventory.lacks.push(format!(
            "{folder}{path}: it is in the ledger and is not there"
        ));
    }

    /// What swaps have written and still counts, or is kept.
    fn swapped(&mut self, metas: Vec<ObjectMeta>, ledger: &Ledger, kept: &BTreeSet<String>) {
        let coverage = &ledger.coverage;
        let objects = coverage.objects().map(|object| object.path().to_string());
        let letters = coverage.letters().map(|letters| letters.path.clone());
        let mut counting: BTreeSet<String> = objects.chain(letters).collect();
        for meta in metas {
            let path = meta.location.as_ref();
            let hash = meta.location.filename().unwrap_or_default();
            let hash = hash.trim_end_matches(".parquet").to_owned();
            if counting.remove(path) || kept.contains(path) {
                self.add(&meta, ContentKind::Swapped(hash));
            }
        }
        let there = self.inventory.objects.iter();
        let there: BTreeSet<String> = there
            .filter(|object| object.folder == self.folder)
            .map(|object| object.path.clone())
            .collect();
        for path in counting.difference(&there) {
            self.lacks(path);
        }
    }

    /// The ledger's entries, its newest checkpoint, the lake's keys, and what entries name.
    fn ledger(&mut self, metas: &[ObjectMeta], ledger: &Ledger) {
        let mut missing: BTreeSet<u64> = (0..ledger.next).collect();
        let known = metas
            .iter()
            .filter_map(|meta| checkpoint_entries(&meta.location));
        let newest = known.filter(|entries| *entries <= ledger.next).max();
        for meta in metas {
            let name = meta.location.filename().unwrap_or_default();
            let belongs = match (
                entry_number(&meta.location),
                checkpoint_entries(&meta.location),
            ) {
                (Some(number), _) => missing.remove(&number),
                (None, Some(entries)) => Some(entries) == newest,
                (None, None) => {
                    name == KEYS
                        || [RECORDS, CERTIFICATE]
                            .iter()
                            .any(|begin| name.starts_with(begin))
                }
            };
            if belongs {
                self.add(meta, ContentKind::Ledger);
            }
        }
        for number in missing {
            self.lacks(entry_path(number).as_ref());
        }
    }
}

impl Lake {
    /// The paths of what promotions have replaced that can still be rolled back.
    async fn replaced_by_promotions(&self, ledger: &Ledger) -> Result<BTreeSet<String>, Error> {
        let mut kept = BTreeSet::new();
        for (number, _) in &ledger.promotions {
            if let Some(Entry::Swap(swap)) = self.entry(*number).await? {
                kept.extend(swap.replaced.into_iter().map(|replaced| replaced.path));
            }
        }
        Ok(kept)
    }
}

/// Where each partition of a lake ends by what was copied, its rows, and what is missing between.
pub(super) struct LakeEnds {
    pub(super) ends: BTreeMap<Partition, Offset>,
    pub(super) rows: u64,
    pub(super) holes: Vec<String>,
}

impl LakeEnds {
    /// Of the lake in that folder, which ends with a slash or is empty.
    pub(super) fn of(folder: &str, ledger: &Ledger, objects: &[BackupObject]) -> Self {
        let mut chains: BTreeMap<Partition, BTreeMap<Offset, (Offset, u64)>> = BTreeMap::new();
        for object in objects {
            let path = object.path.strip_prefix(folder);
            let name = path.and_then(ObjectName::parse);
            let (Some(name), Some(end)) = (name, object.end) else {
                continue;
            };
            let chain = chains.entry(name.partition).or_default();
            chain.insert(name.first, (end, object.rows));
        }
        for covered in ledger.coverage.ranges() {
            chains.entry(covered.range.partition).or_default();
        }
        for partition in ledger.firsts.keys() {
            chains.entry(*partition).or_default();
        }
        let mut all = Self {
            ends: BTreeMap::new(),
            rows: ledger.coverage.objects().map(|object| object.rows).sum(),
            holes: Vec::new(),
        };
        for (partition, chain) in chains {
            let mut at = ledger.past(partition, ledger.first(partition));
            for (first, (end, rows)) in chain {
                if ledger.gives_up(partition, first) || first < at {
                    continue;
                }
                if first > at {
                    let name = format!("{folder}partition {partition}");
                    all.holes.push(format!("{name}: {at}..{first} is missing"));
                }
                at = ledger.past(partition, end);
                all.rows += rows;
            }
            all.ends.insert(partition, at);
        }
        all
    }
}
