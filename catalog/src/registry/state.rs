//! What the crawler knows between two runs: how far each partition is registered, which
//! names it has seen, and which wait.

use std::collections::{BTreeMap, HashMap, HashSet};

use sink::{
    Footer, Hour, Lake, Ledger, ObjectName, Offset, Partition, Promotion, ReplayName, Timestamp,
};

/// Why an object is refused whose hash is another.
pub(crate) const CHANGED: &str = "its bytes are not those that were written";

/// The catalog's name of a replay, and the prefix of its objects' paths; both are empty for
/// the live lake.
pub(crate) fn place(replay: Option<&ReplayName>) -> (String, String) {
    replay.map_or_else(Default::default, |name| {
        (name.to_string(), format!("{}/", name.folder()))
    })
}

/// How far a partition is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The registered end.
    pub(crate) end: Offset,
    /// The hour of the object that ends there.
    pub(crate) hour: Hour,
}

/// An object that was seen: its name, its size in bytes, and what it says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) name: ObjectName,
    pub(crate) bytes: u64,
    pub(crate) footer: Footer,
    /// Whether its columns are exactly those that this program writes.
    pub(crate) current: bool,
}

/// A replay that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    /// Its own lake.
    pub(crate) lake: Lake,
    /// That lake's ledger.
    pub(crate) ledger: Ledger,
    /// What is known of it.
    pub(crate) marks: Marks,
}

impl Followed {
    /// Whether it is the one that was promoted, and not another of its name.
    pub(crate) fn is(&self, promotion: &Promotion) -> bool {
        let begun_at = self.ledger.replay.as_ref().map(|replay| replay.begun_at);
        begun_at == Some(promotion.begun_at) && self.ledger.ranges() == promotion.ranges
    }

    /// Whether all that it will ever hold is registered.
    pub(crate) fn is_whole(&self) -> bool {
        let mut ranges = self.ledger.ranges().into_iter();
        ranges.all(|(partition, (_, end))| self.marks.end(partition, &self.ledger) >= end)
    }
}

/// The crawler's memory. What is in the database is read from it; the rest is found again.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Whose lake this was when the tables were filled.
    pub(crate) topic: Option<String>,
    /// The registered ends.
    pub(crate) ends: BTreeMap<Partition, Mark>,
    /// The registered objects.
    pub(crate) known: HashSet<ObjectName>,
    /// Objects that wait for the one before them.
    pub(crate) held: HashMap<ObjectName, Seen>,
    /// Objects that cannot be registered: their size when they were looked at, and why.
    pub(crate) refused: HashMap<ObjectName, (u64, String)>,
    /// How many accepted losses were held against what is registered.
    pub(crate) gaps: usize,
    /// The replays that the tables list, and when they were begun.
    pub(crate) listed: BTreeMap<ReplayName, Timestamp>,
    /// Those that this process follows, by name.
    pub(crate) replays: BTreeMap<ReplayName, Followed>,
    /// The promotions that the tables show.
    pub(crate) promotions: Vec<Promotion>,
}

impl Marks {
    /// Where a partition's registered range ends, accepted losses included.
    pub(crate) fn end(&self, partition: Partition, ledger: &Ledger) -> Offset {
        let end = self
            .ends
            .get(&partition)
            .map_or_else(|| ledger.first(partition), |mark| mark.end);
        ledger.past_gaps(partition, end)
    }

    /// … of every partition that is known.
    pub(crate) fn registered(&self, ledger: &Ledger) -> BTreeMap<Partition, Offset> {
        let known = self.ends.keys().chain(ledger.firsts.keys());
        known
            .map(|partition| (*partition, self.end(*partition, ledger)))
            .collect()
    }

    /// Those of the ledger's promotions that can be shown: the first ones, up to one whose
    /// ranges are not registered yet, live or replayed. With it goes why it waits.
    pub(crate) fn reached(&self, ledger: &Ledger) -> (Vec<Promotion>, Option<String>) {
        let mut reached = Vec::new();
        for promotion in &ledger.promotions {
            if let Some(why) = self.lacks(promotion, ledger) {
                return (reached, Some(why));
            }
            reached.push(promotion.clone());
        }
        (reached, None)
    }

    /// Why a promotion cannot be shown yet, where it cannot.
    fn lacks(&self, promotion: &Promotion, ledger: &Ledger) -> Option<String> {
        let name = &promotion.name;
        let Some(followed) = self.replays.get(name) else {
            return Some(format!("there is no replay {name}"));
        };
        if !followed.is(promotion) {
            return Some(format!(
                "the replay {name} is not the one that was promoted"
            ));
        }
        if !followed.is_whole() {
            return Some(format!("not all of the replay {name} is registered"));
        }
        let mut ranges = promotion.ranges.iter();
        ranges.find_map(|(&partition, &(_, end))| {
            let at = self.end(partition, ledger);
            (at < end).then(|| {
                format!("of partition {partition} the live objects are registered up to {at}, the replay {name} ends at {end}")
            })
        })
    }

    /// From which hour on a run must list: the one before the newest, and that before the
    /// mark of a partition in which something is held. None asks for everything.
    pub(crate) fn since(&self) -> Option<Hour> {
        let newest = self.ends.values().map(|mark| mark.hour).max()?;
        let mut since = newest.previous();
        for name in self.held.keys() {
            since = since.min(self.ends.get(&name.partition)?.hour.previous());
        }
        // A partition that lags behind the others is listed from its own mark, unless it has
        // been silent for longer than a day; then a hold or the full pass finds it.
        let recent = Hour(newest.0 - 24);
        let lagging = self
            .ends
            .values()
            .map(|mark| mark.hour)
            .filter(|hour| *hour >= recent)
            .min();
        Some(since.min(lagging.unwrap_or(since)))
    }

    /// Moves the ends at which an accepted loss begins. Which, and to where.
    pub(crate) fn pass_gaps(&mut self, ledger: &Ledger) -> Vec<(Partition, Offset)> {
        let mut moved = Vec::new();
        for (partition, mark) in &mut self.ends {
            let end = ledger.past_gaps(*partition, mark.end);
            if end != mark.end {
                mark.end = end;
                moved.push((*partition, end));
            }
        }
        moved
    }

    /// Remembers that an object is registered.
    pub(crate) fn register(&mut self, name: &ObjectName, footer: &Footer) {
        self.known.insert(*name);
        let mark = Mark {
            end: footer.end,
            hour: name.hour,
        };
        self.ends.insert(name.partition, mark);
    }

    /// Why what is registered is not the lake's any more, where it is not.
    pub(crate) fn outdated(&mut self, ledger: &Ledger) -> Option<String> {
        let topic = ledger.topic.to_string();
        if self.topic.as_ref().is_some_and(|known| *known != topic) {
            return Some(format!("the lake has become topic {topic}'s"));
        }
        if self.gaps == ledger.gaps.len() {
            return None;
        }
        self.gaps = ledger.gaps.len();
        let mut known = self.known.iter();
        let late = known.find(|name| ledger.gives_up(name.partition, name.first))?;
        Some(format!(
            "{late} came too late: an operator had given its range up"
        ))
    }

    /// Sorts what was seen into what continues its partition, in order, and what does not:
    /// that is held, or refused where its range is registered already.
    pub(crate) fn chain(&mut self, ledger: &Ledger) -> Vec<Seen> {
        let mut waiting: Vec<Seen> = self.held.drain().map(|(_, seen)| seen).collect();
        waiting.sort_unstable_by_key(|seen| (seen.name.partition, seen.name.first, seen.name.hour));
        let mut ends: BTreeMap<Partition, Offset> = BTreeMap::new();
        let mut chained = Vec::new();
        for seen in waiting {
            let (partition, first) = (seen.name.partition, seen.name.first);
            let end = *ends
                .entry(partition)
                .or_insert_with(|| self.end(partition, ledger));
            if first == end {
                ends.insert(partition, ledger.past_gaps(partition, seen.footer.end));
                chained.push(seen);
            } else if first > end {
                self.held.insert(seen.name, seen);
            } else {
                let why = format!("its range begins at {first}, {end} is the registered end");
                self.refused.insert(seen.name, (seen.bytes, why));
            }
        }
        chained
    }
}

#[cfg(test)]
mod tests {
    use sink::{Counts, Identity};

    use super::*;

    fn seen(first: u64, end: u64) -> Seen {
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
            format: 1,
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
            ledger: 1,
        };
        Seen {
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
            next: 1,
        };
        let check = |ranges: &[(u64, u64)], gaps: &[(u64, u64)], chained: &[u64], held, refused| {
            let mut marks = Marks::default();
            for &(first, end) in ranges {
                let seen = seen(first, end);
                marks.held.insert(seen.name, seen);
            }
            let got: Vec<u64> = marks
                .chain(&ledger(gaps))
                .iter()
                .map(|seen| seen.name.first.0)
                .collect();
            assert_eq!(got, chained, "{ranges:?} {gaps:?}");
            assert_eq!(
                (marks.held.len(), marks.refused.len()),
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
