//! The auditor of the simulation: it derives from all appended records what the lake must hold, and
//! compares offset by offset. It shares no code with the transformer.

use std::collections::{BTreeMap, BTreeSet};

use object_store::ObjectStore;
use sink::{Counts, Footer, Hour, Lake, Ledger, ObjectName};
use topic::{Offset, Partition, Record};

use super::forgetter::AskedVisitor;
use super::makers::EXPIRES;
use super::reading::{bytes, ids, number, texts};

/// What must become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Row(u128),
    /// A row, or none if retention has taken it out.
    OldRow(u128),
    Letter,
    /// Neither: its visitor asked to be erased, at a later offset.
    Erased,
    /// A duplicate of the record at `twin`, or a row if retention had taken that.
    Duplicate {
        twin: u64,
        id: u128,
        sound: bool,
    },
}

/// The auditor's counts and violations.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Records of the topic.
    pub records: u64,
    /// Rows of the lake.
    pub rows: u64,
    /// Its dead letters.
    pub letters: u64,
    /// Records that were counted as duplicates.
    pub duplicates: u64,
    /// Offsets that an operator gave up.
    pub given_up: u64,
    /// Objects of clicks, and ranges of swaps.
    pub objects: u64,
    /// Acknowledged clicks that the lake lacks.
    pub lost: u64,
    /// Rows beyond what the lake should hold.
    pub doubled: u64,
    /// Violations of the invariants, in words.
    pub violations: Vec<String>,
}

/// The transformer's window for duplicates.
#[derive(Debug, Clone, Copy)]
pub struct Twins {
    /// In microseconds of append time.
    pub within: i64,
    /// In offsets.
    pub records: u64,
}

/// What the lake is judged by.
pub struct Promised<'a> {
    /// Every record that was ever appended, by partition.
    pub history: &'a [Vec<Record>],
    /// Where the topic begins.
    pub lows: &'a BTreeMap<Partition, Offset>,
    /// The ids that were acknowledged, and how often.
    pub acknowledged: &'a BTreeMap<u128, u64>,
    /// The window for duplicates.
    pub twins: Twins,
    /// The visitors that were erased, and up to where.
    pub erased: &'a [AskedVisitor],
}

impl Promised<'_> {
    /// Returns true if the record's visitor was erased.
    fn is_erased(&self, partition: Partition, record: &Record) -> bool {
        let value = record.value.as_deref().unwrap_or_default();
        let envelope: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
        let visitor = envelope["click"]["visitor_id"].as_str();
        self.erased.iter().any(|(name, until)| {
            let until = until.get(&partition).copied().unwrap_or_default();
            visitor == Some(name.as_str()) && record.offset < until
        })
    }
}

/// A record's id, and whether it can be a row.
fn read(record: &Record) -> (u128, bool) {
    let value = record
        .value
        .as_deref()
        .expect("every click of the shop has a value");
    let envelope: serde_json::Value = serde_json::from_slice(value).expect("an envelope is JSON");
    let id = envelope["id"]
        .as_str()
        .expect("every click of the shop has an id");
    let sound = envelope["click"].get("occurred_at").is_none();
    (number(id), sound)
}

/// Returns true if retention takes the record's row: the shop's clicks occur when an edge has them.
fn is_old(record: &Record) -> bool {
    let value = record.value.as_deref().unwrap_or_default();
    let envelope: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
    let at = envelope["received_at"].as_i64();
    at.is_some_and(|at| at < EXPIRES.micros())
}

/// What must become of each record of a partition, in order.
fn fates(partition: Partition, history: &[Record], promised: &Promised<'_>) -> BTreeMap<u64, Fate> {
    let twins = promised.twins;
    let mut last: BTreeMap<u128, &Record> = BTreeMap::new();
    let mut fates = BTreeMap::new();
    for record in history {
        let (id, sound) = read(record);
        let twin = last.insert(id, record).filter(|twin| {
            record.offset.0 - twin.offset.0 <= twins.records
                && record.appended_at.micros() - twin.appended_at.micros() <= twins.within
        });
        let fate = match (twin, sound) {
            (Some(twin), _) => Fate::Duplicate {
                twin: twin.offset.0,
                id,
                sound,
            },
            (None, _) if promised.is_erased(partition, record) => Fate::Erased,
            (None, true) if is_old(record) => Fate::OldRow(id),
            (None, true) => Fate::Row(id),
            (None, false) => Fate::Letter,
        };
        fates.insert(record.offset.0, fate);
    }
    fates
}

/// An object of the lake.
struct Found {
    name: ObjectName,
    footer: Footer,
    rows: BTreeMap<u64, u128>,
    letters: BTreeSet<u64>,
    /// True for a range that swaps cover, false for an object.
    covered: bool,
}

/// Reads every object with a reader of its own and compares it with the topic's history.
///
/// # Panics
/// If the store, which is without faults now, does not answer.
pub async fn audit(
    lake: &Lake,
    store: &dyn ObjectStore,
    ledger: &Ledger,
    promised: &Promised<'_>,
) -> Verdict {
    let lows = promised.lows;
    let mut verdict = Verdict::default();
    let mut partitions: BTreeMap<Partition, Vec<Found>> = BTreeMap::new();
    for (path, _) in lake.files(None).await.expect("the store answers") {
        let Some(name) = ObjectName::parse(&path) else {
            verdict
                .violations
                .push(format!("{path} is no object's name"));
            continue;
        };
        if ledger
            .coverage
            .holding(name.partition, name.first)
            .is_some()
        {
            continue;
        }
        match lake.footer(&name).await {
            Ok(Some(footer)) => {
                let rows = ids(&bytes(store, &path).await.expect("what was listed is there"));
                let mut letters = BTreeSet::new();
                if let Some(path) = &footer.letters {
                    match bytes(store, path).await {
                        Some(object) => letters.extend(ids(&object).into_keys()),
                        None => verdict
                            .violations
                            .push(format!("{path} is not there, {name} names it")),
                    }
                }
                let found = Found {
                    name,
                    footer,
                    rows,
                    letters,
                    covered: false,
                };
                partitions.entry(name.partition).or_default().push(found);
            }
            other => verdict
                .violations
                .push(format!("{path} cannot be read: {other:?}")),
        }
    }
    for found in verdict.swapped(store, ledger).await {
        partitions
            .entry(found.name.partition)
            .or_default()
            .push(found);
    }
    let mut landed: BTreeSet<u128> = BTreeSet::new();
    for partition in (0..).map(Partition).take(promised.history.len()) {
        let mut chain = partitions.remove(&partition).unwrap_or_default();
        chain.sort_by_key(|found| found.name.first);
        let low = lows.get(&partition).copied().unwrap_or_default();
        let of = (partition, low);
        verdict.partition(of, ledger, &chain, promised, &mut landed);
        let mut gaps = ledger.gaps.iter().filter(|((of, _), _)| *of == partition);
        if gaps.any(|(_, gap)| gap.end > low) {
            let why = format!("partition {partition}: what the topic still holds was given up");
            verdict.violations.push(why);
        }
    }
    for id in promised
        .acknowledged
        .keys()
        .filter(|id| !landed.contains(id))
    {
        verdict.lost += 1;
        verdict.violations.push(format!(
            "invariant 1: {id:x} was acknowledged and is nowhere"
        ));
    }
    verdict
}

/// Returns true if the records at and after an object's first offset are of the hour that it names.
fn is_of_its_hour(history: &[Record], name: &ObjectName, footer: &Footer) -> bool {
    let mut hours = history
        .iter()
        .skip_while(|record| record.offset < footer.first);
    let hour = hours.next().map(|record| record.appended_at.hour());
    let within = hours
        .take_while(|record| record.offset < footer.end)
        .all(|record| record.appended_at.hour() == name.hour.0);
    hour == Some(name.hour.0) && within
}

impl Verdict {
    /// What swaps cover, range by range, with the rows and letters of their objects.
    async fn swapped(&mut self, store: &dyn ObjectStore, ledger: &Ledger) -> Vec<Found> {
        let mut rows: BTreeMap<Partition, BTreeMap<u64, u128>> = BTreeMap::new();
        for object in ledger.coverage.objects() {
            let path = object.path();
            let Some(object) = bytes(store, path.as_ref()).await else {
                let why = format!("invariant 7: {path} counts, and is not there");
                self.violations.push(why);
                continue;
            };
            for (partition, Offset(offset), id) in texts(object, "event_id") {
                let id = number(&id.expect("a row has an id"));
                if rows
                    .entry(partition)
                    .or_default()
                    .insert(offset, id)
                    .is_some()
                {
                    self.doubled += 1;
                    self.violations.push(format!(
                        "invariant 3: partition {partition}, offset {offset} is in two swaps"
                    ));
                }
            }
        }
        let mut letters: BTreeMap<Partition, BTreeSet<u64>> = BTreeMap::new();
        for named in ledger.coverage.letters() {
            match bytes(store, &named.path).await {
                Some(object) => letters
                    .entry(named.partition)
                    .or_default()
                    .extend(ids(&object).into_keys()),
                None => self.violations.push(format!(
                    "invariant 7: {} is named by a swap, and is gone",
                    named.path
                )),
            }
        }
        let mut found = Vec::new();
        for covered in ledger.coverage.ranges() {
            let range = &covered.range;
            let within = range.first.0..range.end.0;
            let rows = rows.entry(range.partition).or_default();
            let letters = letters.entry(range.partition).or_default();
            found.push(Found {
                name: ObjectName {
                    hour: Hour::of(range.appended_at),
                    partition: range.partition,
                    first: range.first,
                },
                footer: Footer {
                    format: 0,
                    topic: ledger.topic.clone(),
                    partition: range.partition,
                    first: range.first,
                    end: range.end,
                    appended_at: range.appended_at,
                    counts: Counts {
                        dropped: range.counts.counts.dropped
                            + range.counts.erased
                            + range.counts.expired,
                        ..range.counts.counts
                    },
                    differing: range.counts.differing,
                    letters: None,
                    occurred: None,
                    // The objects said it, and they are gone.
                    window_cut: true,
                    configuration: String::new(),
                    versions: BTreeMap::new(),
                    ledger: u64::MAX,
                },
                rows: rows
                    .range(within.clone())
                    .map(|(at, id)| (*at, *id))
                    .collect(),
                letters: letters.range(within).copied().collect(),
                covered: true,
            });
        }
        found
    }

    fn partition(
        &mut self,
        (partition, low): (Partition, Offset),
        ledger: &Ledger,
        chain: &[Found],
        promised: &Promised<'_>,
        landed: &mut BTreeSet<u128>,
    ) {
        let place = usize::try_from(partition.0).expect("it is small");
        let history = &promised.history[place];
        let fates = fates(partition, history, promised);
        let end = history.last().map_or(0, |record| record.offset.0 + 1);
        self.records += history.len() as u64;
        let mut at = ledger.first(partition);
        for Found {
            name,
            footer,
            rows,
            letters,
            covered,
        } in chain
        {
            let past = ledger.past_gaps(partition, at);
            self.give_up(history, at.0..past.0, landed);
            at = past;
            if !covered && !ledger.counts(footer, at) {
                continue;
            }
            if footer.first != at {
                self.violations.push(format!(
                    "invariant 3: {name} begins at {}, the one before ended at {at}",
                    footer.first
                ));
                self.doubled += footer.first.distance(at);
            }
            at = footer.end;
            self.objects += 1;
            self.rows += rows.len() as u64;
            self.letters += letters.len() as u64;
            self.duplicates += footer.counts.duplicates;
            let within = || fates.range(footer.first.0..footer.end.0);
            // Which offsets of a range have no row is not known where a promotion cuts it.
            let absent = footer.first.distance(footer.end) - within().count() as u64;
            if footer.counts.total() != footer.first.distance(footer.end)
                || footer.counts.rows != rows.len() as u64
                || footer.counts.dead_letters != letters.len() as u64
                || (!covered && footer.counts.absent != absent)
            {
                self.violations
                    .push(format!("invariant 4: {name} says {:?}", footer.counts));
            }
            if !covered && !is_of_its_hour(history, name, footer) {
                self.violations
                    .push(format!("invariant 8: {name} is not of its hour"));
            }
            for (&offset, &fate) in within() {
                let row = rows.get(&offset).copied();
                let fits = match fate {
                    Fate::Row(id) => row == Some(id),
                    Fate::OldRow(id) => row == Some(id) || (*covered && row.is_none()),
                    Fate::Letter => row.is_none() && letters.contains(&offset),
                    Fate::Erased => row.is_none() && !letters.contains(&offset),
                    Fate::Duplicate { twin, id, sound } => {
                        let counted = row.is_none() && !letters.contains(&offset);
                        let unseen = footer.window_cut && twin < low.0;
                        let itself = match sound {
                            true => row == Some(id),
                            false => letters.contains(&offset),
                        };
                        counted || (unseen && itself)
                    }
                };
                if !fits {
                    self.violations.push(format!(
                        "invariant 5: partition {partition}, offset {offset} should be {fate:x?}, is {row:x?}"
                    ));
                }
            }
            let known = |offset: &u64| {
                fates.contains_key(offset) && (footer.first.0..footer.end.0).contains(offset)
            };
            if !rows.keys().chain(letters).all(known) {
                self.violations
                    .push(format!("{name} holds rows of no record"));
            }
            let taken = history
                .iter()
                .filter(|r| (footer.first..footer.end).contains(&r.offset));
            landed.extend(taken.map(|record| read(record).0));
        }
        let past = ledger.past_gaps(partition, at);
        self.give_up(history, at.0..past.0, landed);
        if past.0 < end {
            self.violations.push(format!(
                "partition {partition}: the lake ends at {past}, the topic at {end}"
            ));
        }
    }

    /// Offsets that an operator accepted as lost are not missed.
    fn give_up(
        &mut self,
        history: &[Record],
        range: std::ops::Range<u64>,
        landed: &mut BTreeSet<u128>,
    ) {
        self.given_up += range.end.saturating_sub(range.start);
        let within = history
            .iter()
            .filter(|record| range.contains(&record.offset.0));
        landed.extend(within.map(|record| read(record).0));
    }
}
