//! How many objects the lake has, how large they are, and what becomes of them next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::period::{Period, PeriodLength};
use super::plan::{Closing, WaitingPeriod, newest, swaps_within, waiting, without_newest};
use super::scene::CompactionScene;
use crate::object::names::SWAPS;
use crate::{Error, Hour, Lake, Ledger};

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
        let mut named = self.commit_names(|_| true).await?;
        for names in named.values_mut() {
            names.retain(|(name, bytes)| {
                let is_replaced = ledger.gives_up(name.partition, name.first);
                if is_replaced {
                    tally.replaced.add(*bytes, 0);
                }
                !is_replaced
            });
        }
        named.retain(|_, names| !names.is_empty());
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
        let closing = Closing::of(self, &ledger, scene, named.keys()).await?;
        let mut waits: BTreeMap<Period, WaitingPeriod> = BTreeMap::new();
        for length in PeriodLength::ALL {
            let older = named.values().flat_map(|names| without_newest(names));
            waits.extend(waiting(&ledger, &closing, length, older));
        }
        let mut periods: BTreeMap<Period, PeriodTally> = BTreeMap::new();
        let mut count = |period, waits: bool, bytes, rows| {
            let of: &mut PeriodTally = periods.entry(period).or_default();
            of.counting.add(bytes, rows);
            tally.counting.add(bytes, rows);
            if waits {
                of.waiting.add(bytes, rows);
                tally.waiting.add(bytes, rows);
            }
        };
        for names in named.values() {
            let newest = newest(names);
            for (name, bytes) in names {
                let within = PeriodLength::ALL.map(|length| Period::of(name.hour, length));
                let is_waiting = Some(name.first) != newest
                    && within.iter().any(|period| waits.contains_key(period));
                let rows = rows.get(&name.to_string()).copied().unwrap_or(0);
                count(Period::of(name.hour, shortest), is_waiting, *bytes, rows);
            }
        }
        for (number, period) in swap_periods(&ledger, shortest) {
            let is_waiting = waits.values().any(|of| of.swaps.contains(&number));
            for object in ledger.coverage.parts(number).objects {
                count(period, is_waiting, object.bytes, object.rows);
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
}

/// Each swap that has objects, by its number, and the shortest period that holds it and is not shorter
/// than `shortest`. One of more than a month is in the month of its end.
fn swap_periods(ledger: &Ledger, shortest: PeriodLength) -> BTreeMap<u64, Period> {
    let mut periods: BTreeMap<u64, Period> = BTreeMap::new();
    for covered in ledger.coverage.ranges() {
        let hour = Hour::of(covered.range.appended_at);
        periods.insert(covered.number, Period::of(hour, PeriodLength::Month));
    }
    for length in PeriodLength::ALL.into_iter().rev() {
        if length >= shortest {
            periods.extend(swaps_within(ledger, length));
        }
    }
    periods
}
