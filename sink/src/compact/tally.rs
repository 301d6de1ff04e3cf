//! How many objects the lake has, how large they are, and what becomes of them next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use topic::Partition;

use super::period::{Period, PeriodLength};
use super::plan::{Closing, pays, swaps_within};
use super::scene::CompactionScene;
use crate::object::names::SWAPS;
use crate::{Error, Hour, Lake, Ledger, ObjectName};

/// How many objects, and how large. Rows are not known of objects that count no longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectTally {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
}

impl ObjectTally {
    const fn add(&mut self, bytes: u64, rows: u64) {
        self.objects += 1;
        self.bytes += bytes;
        self.rows += rows;
    }
}

/// The objects of an hour, a day or a month of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodTally {
    /// `2026-11-22T21`, `2026-11-22` or `2026-11`.
    pub period: String,
    /// Those that count.
    pub counting: ObjectTally,
    /// Those of them that wait to be compacted.
    pub waiting: ObjectTally,
}

/// All objects of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeTally {
    /// Those that count.
    pub counting: ObjectTally,
    /// Those of them that wait to be compacted.
    pub waiting: ObjectTally,
    /// Those that were replaced and wait for the end of the lake's grace.
    pub replaced: ObjectTally,
    /// Those that a maker wrote and no entry of the ledger names (yet).
    pub unnamed: ObjectTally,
    /// Those that count, period by period. An object of a longer period is in that.
    pub periods: Vec<PeriodTally>,
}

/// An object that counts.
struct CountingObject {
    path: String,
    bytes: u64,
    period: Period,
}

impl Lake {
    /// Counts the lake's objects, by hours, or with `by_day` by days. `rows` says how many rows the
    /// commits have, by path. It lists the lake, and reads no object but the newest ones.
    ///
    /// # Errors
    /// The store's.
    pub async fn tally(
        &self,
        scene: &CompactionScene<'_>,
        by_day: bool,
        rows: &BTreeMap<String, u64>,
    ) -> Result<LakeTally, Error> {
        let mut tally = LakeTally::default();
        let Some(ledger) = self.ledger().await? else {
            return Ok(tally);
        };
        let shortest = match by_day {
            true => PeriodLength::Day,
            false => PeriodLength::Hour,
        };
        let mut commits = Vec::new();
        for (path, bytes) in self.files(None).await? {
            let Some(name) = ObjectName::parse(&path) else {
                continue;
            };
            match ledger.gives_up(name.partition, name.first) {
                true => tally.replaced.add(bytes, 0),
                false => commits.push((name, bytes)),
            }
        }
        for meta in self.listed(SWAPS).await? {
            let path = meta.location.as_ref();
            let coverage = &ledger.coverage;
            match (coverage.object(path), coverage.retired(path)) {
                _ if coverage.names_letters(path) => {}
                (Some(_), _) => {}
                (None, Some(_)) => tally.replaced.add(meta.size, 0),
                (None, None) => tally.unnamed.add(meta.size, 0),
            }
        }
        let waiting = self.waiting(&ledger, scene, &commits).await?;
        let mut periods: BTreeMap<Period, PeriodTally> = BTreeMap::new();
        let swapped = ledger
            .coverage
            .objects()
            .map(|one| (one.path().to_string(), one.rows));
        let swapped: BTreeMap<String, u64> = swapped.collect();
        for object in counting(&ledger, &commits, shortest) {
            let known = rows.get(&object.path).or(swapped.get(&object.path));
            let rows = known.copied().unwrap_or(0);
            let of = periods.entry(object.period).or_default();
            of.counting.add(object.bytes, rows);
            tally.counting.add(object.bytes, rows);
            if waiting.contains(&object.path) {
                of.waiting.add(object.bytes, rows);
                tally.waiting.add(object.bytes, rows);
            }
        }
        tally.periods = periods
            .into_iter()
            .map(|(period, of)| PeriodTally {
                period: period.label(),
                ..of
            })
            .collect();
        Ok(tally)
    }

    /// The paths of what the compactor will merge, as far as names and sizes say it.
    async fn waiting(
        &self,
        ledger: &Ledger,
        scene: &CompactionScene<'_>,
        commits: &[(ObjectName, u64)],
    ) -> Result<BTreeSet<String>, Error> {
        let mut newest: BTreeMap<Partition, ObjectName> = BTreeMap::new();
        for (name, _) in commits {
            let last = newest.entry(name.partition).or_insert(*name);
            if name.first > last.first {
                *last = *name;
            }
        }
        let closing = Closing::of(self, ledger, scene, newest.keys()).await?;
        let mut waiting = BTreeSet::new();
        for length in PeriodLength::ALL {
            let mut groups: BTreeMap<Period, Vec<(String, u64)>> = BTreeMap::new();
            for (name, bytes) in commits {
                if newest.get(&name.partition) != Some(name) {
                    let period = Period::of(name.hour, length);
                    let group = groups.entry(period).or_default();
                    group.push((name.to_string(), *bytes));
                }
            }
            if length > PeriodLength::Hour {
                for (number, period) in swaps_within(ledger, length) {
                    let objects = ledger.coverage.parts(number).objects.into_iter();
                    let group = groups.entry(period).or_default();
                    group.extend(objects.map(|one| (one.path().to_string(), one.bytes)));
                }
            }
            for (period, group) in groups {
                let sizes: Vec<u64> = group.iter().map(|(_, bytes)| *bytes).collect();
                if closing.is_over(period) && pays(length, &sizes, &scene.limits) {
                    waiting.extend(group.into_iter().map(|(path, _)| path));
                }
            }
        }
        Ok(waiting)
    }
}

/// The objects that count, each in the shortest period that holds it and is not shorter than
/// `shortest`. A swap of more than a month is in that of its end.
fn counting(
    ledger: &Ledger,
    commits: &[(ObjectName, u64)],
    shortest: PeriodLength,
) -> Vec<CountingObject> {
    let commits = commits.iter().map(|(name, bytes)| CountingObject {
        path: name.to_string(),
        bytes: *bytes,
        period: Period::of(name.hour, shortest),
    });
    let mut all: Vec<CountingObject> = commits.collect();
    let mut within: BTreeMap<u64, Period> = BTreeMap::new();
    for length in PeriodLength::ALL.into_iter().rev() {
        if length >= shortest {
            within.extend(swaps_within(ledger, length));
        }
    }
    let mut numbers: BTreeMap<u64, Hour> = BTreeMap::new();
    for covered in ledger.coverage.ranges() {
        numbers.insert(covered.number, Hour::of(covered.range.appended_at));
    }
    for (number, hour) in numbers {
        let period = within.get(&number).copied();
        let period = period.unwrap_or_else(|| Period::of(hour, PeriodLength::Month));
        let objects = ledger.coverage.parts(number).objects.into_iter();
        all.extend(objects.map(|object| CountingObject {
            path: object.path().to_string(),
            bytes: object.bytes,
            period,
        }));
    }
    all
}
