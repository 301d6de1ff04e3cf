//! What the crawler knows between two runs: how far each partition is registered, which objects
//! it has discovered, and which wait.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sink::{
    Coverage, Footer, Hour, Lake, LakeId, Ledger, ObjectName, Offset, Partition, ReplayName,
    Timestamp,
};

/// Why an object is refused whose hash does not match.
pub(crate) const HASH_MISMATCH: &str = "its bytes are not those that were written";

/// The catalog's name of a replay, and the prefix of its objects' paths. Both are empty for the
/// live lake.
pub(crate) fn place(replay: Option<&ReplayName>) -> (String, String) {
    replay.map_or_else(Default::default, |name| {
        (name.to_string(), format!("{}/", name.folder()))
    })
}

/// How far a partition is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegisteredEnd {
    /// The registered end (exclusive).
    pub(crate) end: Offset,
    /// The hour of the object that ends there.
    pub(crate) hour: Hour,
}

/// An object whose footer was read.
#[derive(Debug, Clone)]
pub(crate) struct Discovered {
    pub(crate) name: ObjectName,
    /// Its size.
    pub(crate) bytes: u64,
    pub(crate) footer: Footer,
    /// True if its columns are exactly those that this program writes.
    pub(crate) current: bool,
}

/// A replay that is crawled.
#[derive(Debug)]
pub(crate) struct ReplayState {
    /// Its own lake.
    pub(crate) lake: Lake,
    /// That lake's ledger.
    pub(crate) ledger: Ledger,
    /// What is known of it.
    pub(crate) state: CrawlState,
}

impl ReplayState {
    /// Returns true if all its ranges are registered.
    pub(crate) fn is_whole(&self) -> bool {
        let mut ranges = self.ledger.ranges().into_iter();
        ranges.all(|(partition, (_, end))| self.state.end(partition, &self.ledger) >= end)
    }
}

/// The crawler's memory. What the tables hold is read from the database, and the rest is discovered
/// again.
#[derive(Debug, Default)]
pub(crate) struct CrawlState {
    /// The identity of the lake that the registered objects are in. `None` if there are none.
    pub(crate) lake: Option<LakeId>,
    /// The topic of the registered objects. `None` if there are none.
    pub(crate) topic: Option<String>,
    /// The registered ends.
    pub(crate) ends: BTreeMap<Partition, RegisteredEnd>,
    /// The registered objects.
    pub(crate) known: HashSet<ObjectName>,
    /// Objects that wait for the one before them.
    pub(crate) held: HashMap<ObjectName, Discovered>,
    /// Objects that cannot be registered: their size when they were read, and why.
    pub(crate) refused: HashMap<ObjectName, (u64, String)>,
    /// The ledger, as the last run read it. `None` before the first.
    pub(crate) ledger: Option<Ledger>,
    /// How many swaps the tables show, and how many of them were more than a compaction.
    pub(crate) swaps: u64,
    pub(crate) rewrites: u64,
    /// How many gaps were compared with the registered objects.
    pub(crate) gaps: usize,
    /// The replays in the tables, and when they were begun.
    pub(crate) listed: BTreeMap<ReplayName, Timestamp>,
    /// The replays that this process crawls.
    pub(crate) replays: BTreeMap<ReplayName, ReplayState>,
}

impl CrawlState {
    /// The end of a partition's registered range, past any gap there.
    pub(crate) fn end(&self, partition: Partition, ledger: &Ledger) -> Offset {
        let end = self
            .ends
            .get(&partition)
            .map_or_else(|| ledger.first(partition), |registered| registered.end);
        ledger.past(partition, end)
    }

    /// The registered end of every known partition.
    pub(crate) fn registered(&self, ledger: &Ledger) -> BTreeMap<Partition, Offset> {
        let known = self.ends.keys().chain(ledger.firsts.keys());
        known
            .map(|partition| (*partition, self.end(*partition, ledger)))
            .collect()
    }

    /// The hour from which on a run must list: the one before the newest, or the one before the
    /// registered end of a partition in which an object is held. `None` if it must list everything.
    pub(crate) fn since(&self) -> Option<Hour> {
        let newest = self.ends.values().map(|registered| registered.hour).max()?;
        let mut since = newest.previous();
        for name in self.held.keys() {
            since = since.min(self.ends.get(&name.partition)?.hour.previous());
        }
        // A partition that lags behind the others is listed from its own end, unless that is more
        // than a day old: then a held object or the full crawl finds what is new.
        let recent = Hour(newest.0 - 24);
        let lagging = self
            .ends
            .values()
            .map(|registered| registered.hour)
            .filter(|hour| *hour >= recent)
            .min();
        Some(since.min(lagging.unwrap_or(since)))
    }

    /// Moves the ends at which a gap begins, or that a swap covers, and returns the new ones. A
    /// partition may have no objects but those of swaps.
    pub(crate) fn pass(&mut self, ledger: &Ledger) -> Vec<(Partition, RegisteredEnd)> {
        let covered = ledger.coverage.ranges().map(|one| one.range.partition);
        let partitions: BTreeSet<Partition> = self.ends.keys().copied().chain(covered).collect();
        let mut moved = Vec::new();
        for partition in partitions {
            let known = self.ends.get(&partition).copied();
            let at = known.map_or_else(|| ledger.first(partition), |known| known.end);
            let end = ledger.past(partition, at);
            if end == at {
                continue;
            }
            let last = ledger.coverage.last(partition).map(|last| &last.range);
            let last = last.filter(|last| last.end <= end);
            let hour = last.map(|last| Hour::of(last.appended_at));
            let hour = hour.max(known.map(|known| known.hour)).unwrap_or(Hour(0));
            let registered = RegisteredEnd { end, hour };
            self.ends.insert(partition, registered);
            moved.push((partition, registered));
        }
        moved
    }

    /// Remembers that the tables show these swaps. What they cover is in no other object.
    pub(crate) fn swapped(&mut self, coverage: &Coverage) {
        (self.swaps, self.rewrites) = (coverage.swaps(), coverage.rewrites());
        let counts = |name: &ObjectName| coverage.holding(name.partition, name.first).is_none();
        self.known.retain(counts);
        self.held.retain(|name, _| counts(name));
        self.refused.retain(|name, _| counts(name));
    }

    /// Remembers whose objects are registered.
    pub(crate) fn belongs_to(&mut self, ledger: &Ledger) {
        self.lake = Some(ledger.lake);
        self.topic = Some(ledger.topic.to_string());
    }

    /// Remembers that an object is registered.
    pub(crate) fn register(&mut self, name: &ObjectName, footer: &Footer) {
        self.known.insert(*name);
        let registered = RegisteredEnd {
            end: footer.end,
            hour: name.hour,
        };
        self.ends.insert(name.partition, registered);
    }

    /// Why the registered objects are not the lake's any more. `None` if they are.
    pub(crate) fn outdated(&mut self, ledger: &Ledger) -> Option<String> {
        if let Some(known) = self.lake.filter(|known| *known != ledger.lake) {
            return Some(format!(
                "the lake is another one: its identity is {}, it was {known}",
                ledger.lake
            ));
        }
        let topic = ledger.topic.to_string();
        if self.topic.as_ref().is_some_and(|known| *known != topic) {
            return Some(format!("the lake now belongs to topic {topic}"));
        }
        if ledger.coverage.swaps() < self.swaps {
            return Some("its ledger has fewer swaps than before".to_owned());
        }
        if self.gaps == ledger.gaps.len() {
            return None;
        }
        self.gaps = ledger.gaps.len();
        let mut known = self.known.iter();
        let given_up =
            |name: &&ObjectName| ledger.past_gaps(name.partition, name.first) != name.first;
        let late = known.find(given_up)?;
        Some(format!(
            "{late} came too late: an operator had given up its range"
        ))
    }

    /// Takes the objects that continue their partitions out of the held ones, in order. Objects
    /// whose range is registered already are refused.
    pub(crate) fn chain(&mut self, ledger: &Ledger) -> Vec<Discovered> {
        let mut held: Vec<Discovered> = self.held.drain().map(|(_, object)| object).collect();
        held.sort_unstable_by_key(|object| {
            (object.name.partition, object.name.first, object.name.hour)
        });
        let mut ends: BTreeMap<Partition, Offset> = BTreeMap::new();
        let mut chained = Vec::new();
        for object in held {
            let (partition, first) = (object.name.partition, object.name.first);
            let end = *ends
                .entry(partition)
                .or_insert_with(|| self.end(partition, ledger));
            if first == end {
                ends.insert(partition, ledger.past(partition, object.footer.end));
                chained.push(object);
            } else if first > end {
                self.held.insert(object.name, object);
            } else {
                let why = format!("its range begins at {first}, {end} is the registered end");
                self.refused.insert(object.name, (object.bytes, why));
            }
        }
        chained
    }
}

#[cfg(test)]
mod tests {
    use sink::{Counts, Identity};

    use super::*;

    fn object(first: u64, end: u64) -> Discovered {
        let name = ObjectName {
            hour: Hour(10),
            partition: Partition(0),
            first: Offset(first),
        };
        let counts = Counts {
            rows: end - first,
            ..Counts::default()
        };
        let footer = Footer {
            format: 2,
            topic: Identity {
                cluster: "c".into(),
                topic: "t".into(),
            },
            partition: Partition(0),
            first: Offset(first),
            end: Offset(end),
            appended_at: Timestamp::default(),
            counts,
            differing: 0,
            letters: None,
            occurred: None,
            window_cut: false,
            configuration: String::new(),
            versions: BTreeMap::new(),
            ledger: 1,
        };
        Discovered {
            name,
            bytes: 1,
            footer,
            current: true,
        }
    }

    #[test]
    fn invariant_3_only_what_chains_is_registered() {
        let ledger = |gaps: &[(u64, u64)]| Ledger {
            lake: sink::LakeId::new(7),
            topic: Identity {
                cluster: "c".into(),
                topic: "t".into(),
            },
            firsts: BTreeMap::from([(Partition(0), Offset(5))]),
            gaps: gaps
                .iter()
                .map(|&(f, e)| {
                    let gap = sink::Gap {
                        end: Offset(e),
                        number: 1,
                    };
                    ((Partition(0), Offset(f)), gap)
                })
                .collect(),
            replay: None,
            promotions: Vec::new(),
            coverage: sink::Coverage::default(),
            forgets: Vec::new(),
            next: 1,
        };
        let check = |ranges: &[(u64, u64)], gaps: &[(u64, u64)], chained: &[u64], held, refused| {
            let mut state = CrawlState::default();
            for &(first, end) in ranges {
                let object = object(first, end);
                state.held.insert(object.name, object);
            }
            let got: Vec<u64> = state
                .chain(&ledger(gaps))
                .iter()
                .map(|object| object.name.first.0)
                .collect();
            assert_eq!(got, chained, "{ranges:?} {gaps:?}");
            assert_eq!(
                (state.held.len(), state.refused.len()),
                (held, refused),
                "{ranges:?}"
            );
        };
        check(&[(5, 7), (7, 9)], &[], &[5, 7], 0, 0);
        check(&[(7, 9), (5, 7), (10, 11)], &[], &[5, 7], 1, 0);
        check(&[(5, 7), (10, 11)], &[(7, 10)], &[5, 10], 0, 0);
        check(&[(5, 9), (7, 9), (9, 12)], &[], &[5, 9], 0, 1);
        check(&[(0, 5)], &[], &[], 0, 1);
    }
}
