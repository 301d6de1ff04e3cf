//! What is compacted: the committed objects of closed hours; then, of closed days and months, what
//! earlier swaps made of them and the commits that they left.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use topic::{Offset, Partition, Timestamp};

use super::period::{Period, PeriodLength};
use super::scene::{CompactionLimits, CompactionScene, closes_at};
use crate::rewrite::counted::{Chain, Commit};
use crate::rewrite::scope::Scope;
use crate::{Error, Hour, Lake, Ledger, ObjectName, Tips};

/// A period is merged only if that makes its objects half as many at least: else much is rewritten
/// for little.
const MIN_RATIO: u64 = 2;
/// Beside one large object the others are left while all of them together are smaller than this
/// part of it …
const MIN_SHARE: u64 = 16;
/// … and fewer than this.
const MANY_OBJECTS: usize = 8;
/// Periods are planned together while they have fewer commits than this: each takes some 3 kB.
const PLANNED_OBJECTS: usize = 512;

/// Objects of a period that are merged by one swap.
#[derive(Debug)]
pub(super) struct PeriodPlan {
    pub(super) period: Period,
    pub(super) scope: Scope,
}

impl PeriodPlan {
    /// As [`pays`].
    fn pays(&self, ledger: &Ledger, length: PeriodLength, limits: &CompactionLimits) -> bool {
        let swaps = self.scope.swaps.iter();
        let swapped = swaps.flat_map(|number| ledger.coverage.parts(*number).objects);
        let sizes = swapped.map(|object| object.bytes);
        let sizes = sizes.chain(self.scope.commits.iter().map(|commit| commit.bytes));
        let sizes: Vec<u64> = sizes.collect();
        pays(length, &sizes, limits)
    }
}

/// Returns true if objects of these sizes, of a period of that length, would become fewer.
pub(super) fn pays(length: PeriodLength, sizes: &[u64], limits: &CompactionLimits) -> bool {
    if length == PeriodLength::Hour {
        return sizes.len() >= limits.min_objects;
    }
    let whole: u64 = sizes.iter().sum();
    let largest = sizes.iter().max().copied().unwrap_or(0);
    let after = whole.div_ceil(limits.object_bytes.max(1)).max(1);
    let halves = sizes.len() as u64 >= MIN_RATIO * after;
    let rest = whole - largest;
    halves && (sizes.len() >= MANY_OBJECTS || rest.saturating_mul(MIN_SHARE) >= largest)
}

/// What waits to be merged of a closed period, as far as names and the ledger say it.
#[derive(Debug, Default)]
pub(super) struct WaitingPeriod {
    /// How many commits it has.
    commits: usize,
    /// The numbers of its swaps.
    pub(super) swaps: BTreeSet<u64>,
    /// The size of each of its objects.
    sizes: Vec<u64>,
}

/// The closed periods of that length that have enough objects to merge. Names are those of commits
/// that count, with their sizes, without each partition's newest one.
pub(super) fn waiting(
    ledger: &Ledger,
    closing: &Closing<'_>,
    length: PeriodLength,
    names: impl IntoIterator<Item = (ObjectName, u64)>,
) -> BTreeMap<Period, WaitingPeriod> {
    let mut periods: BTreeMap<Period, WaitingPeriod> = BTreeMap::new();
    for (name, bytes) in names {
        let of = periods.entry(Period::of(name.hour, length)).or_default();
        of.commits += 1;
        of.sizes.push(bytes);
    }
    if length > PeriodLength::Hour {
        for (number, period) in swaps_within(ledger, length) {
            let objects = ledger.coverage.parts(number).objects;
            let of = periods.entry(period).or_default();
            of.sizes.extend(objects.iter().map(|object| object.bytes));
            of.swaps.insert(number);
        }
    }
    let limits = &closing.scene.limits;
    periods.retain(|period, of| closing.is_over(*period) && pays(length, &of.sizes, limits));
    periods
}

/// Where the newest of a partition's names begins.
pub(super) fn newest(names: &[(ObjectName, u64)]) -> Option<Offset> {
    names.iter().map(|(name, _)| name.first).max()
}

/// A partition's names without the newest.
pub(super) fn without_newest(
    names: &[(ObjectName, u64)],
) -> impl Iterator<Item = (ObjectName, u64)> {
    let newest = newest(names);
    let older = names
        .iter()
        .filter(move |(name, _)| Some(name.first) != newest);
    older.copied()
}

/// The closed periods of one length that are merged, one after the other. Footers are read of some
/// objects at a time, so that the memory of a plan does not grow with the lake.
pub(super) struct Planning<'a> {
    closing: Closing<'a>,
    length: PeriodLength,
    chains: BTreeMap<Partition, Chain>,
    waiting: BTreeMap<Period, WaitingPeriod>,
    /// Commits that were read before their period's turn.
    ahead: BTreeMap<Period, Vec<Commit>>,
}

impl<'a> Planning<'a> {
    /// Lists the lake.
    pub(super) async fn begin(
        lake: &Lake,
        ledger: &Ledger,
        scene: &'a CompactionScene<'a>,
        length: PeriodLength,
    ) -> Result<Self, Error> {
        let counts = |name: &ObjectName| !ledger.gives_up(name.partition, name.first);
        let named = lake.commit_names(counts).await?;
        let closing = Closing::of(lake, ledger, scene, named.keys()).await?;
        let older = named.values().flat_map(|names| without_newest(names));
        Ok(Self {
            waiting: waiting(ledger, &closing, length, older),
            closing,
            length,
            chains: named
                .into_iter()
                .map(|(partition, names)| (partition, Chain::of(names)))
                .collect(),
            ahead: BTreeMap::new(),
        })
    }

    /// How many periods are still to be merged.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// The next periods, oldest first; `None` if there are no more. Of what seemed to wait some may
    /// be left: `left` gets what cannot be merged, and why.
    pub(super) async fn next(
        &mut self,
        lake: &Lake,
        ledger: &Ledger,
        left: &mut Vec<String>,
    ) -> Result<Option<Vec<PeriodPlan>>, Error> {
        let Some((&last, _)) = self.window().last() else {
            return Ok(None);
        };
        let most = self.closing.scene.limits.swap_objects.max(1);
        let later = (Bound::Excluded(last), Bound::Unbounded);
        let count = |(_, commits): (_, &Vec<Commit>)| commits.len();
        let mut held: usize = self.ahead.range(later).map(count).sum();
        let mut read: usize = self.ahead.range(..=last).map(count).sum();
        for (partition, chain) in &mut self.chains {
            if read >= most || held >= most {
                break;
            }
            // The position to resume from is read off the newest object.
            let newest = self.closing.tips.resume(*partition);
            let take = |commit: Commit| {
                let period = Period::of(commit.name.hour, self.length);
                if self.waiting.contains_key(&period) && commit.footer.end != newest {
                    *(if period <= last { &mut read } else { &mut held }) += 1;
                    self.ahead.entry(period).or_default().push(commit);
                }
                read < most && held < most
            };
            chain.read(lake, ledger, last.last(), left, take).await?;
        }
        let plan = |period, commits, swaps| {
            let scope = Scope {
                commits,
                swaps,
                ..Scope::default()
            };
            let plan = PeriodPlan { period, scope };
            let limits = &self.closing.scene.limits;
            plan.pays(ledger, self.length, limits).then_some(plan)
        };
        // Commits that are far out of the order of their hours are merged as they come.
        if held >= most {
            let out_of_order = self.ahead.extract_if(later, |_, _| true);
            let plans =
                out_of_order.filter_map(|(period, commits)| plan(period, commits, BTreeSet::new()));
            return Ok(Some(plans.collect()));
        }
        let is_cut = read >= most;
        let mut plans = Vec::new();
        while let Some(mut entry) = self.waiting.first_entry().filter(|one| *one.key() <= last) {
            let period = *entry.key();
            let commits = self.ahead.remove(&period).unwrap_or_default();
            plans.extend(plan(
                period,
                commits,
                std::mem::take(&mut entry.get_mut().swaps),
            ));
            // What is left of a period that is too large for one swap follows.
            if is_cut && period == last {
                break;
            }
            entry.remove();
        }
        Ok(Some(plans))
    }

    /// The periods that are planned next: some small ones, or one that is larger.
    fn window(&self) -> impl Iterator<Item = (&Period, &WaitingPeriod)> {
        let most = PLANNED_OBJECTS.min(self.closing.scene.limits.swap_objects);
        let mut commits = 0;
        let periods = self.waiting.iter().enumerate();
        let window = periods.take_while(move |(place, (_, of))| {
            commits += of.commits;
            *place == 0 || commits < most
        });
        window.map(|(_, period)| period)
    }
}

/// What says whether a period has closed.
pub(super) struct Closing<'a> {
    tips: Tips,
    partitions: BTreeSet<Partition>,
    scene: &'a CompactionScene<'a>,
}

impl<'a> Closing<'a> {
    /// Of a lake that has commits of these partitions.
    pub(super) async fn of(
        lake: &Lake,
        ledger: &Ledger,
        scene: &'a CompactionScene<'a>,
        named: impl IntoIterator<Item = &Partition>,
    ) -> Result<Self, Error> {
        let mut partitions: BTreeSet<Partition> = named.into_iter().copied().collect();
        partitions.extend(ledger.firsts.keys());
        partitions.extend(scene.watermarks.keys());
        Ok(Self {
            tips: lake.tips(ledger.clone(), &partitions).await?,
            partitions,
            scene,
        })
    }

    pub(super) fn is_over(&self, period: Period) -> bool {
        let at = closes_at(period.last());
        self.partitions.iter().all(|&partition| {
            let last = self.tips.last(partition);
            let passed = last.is_some_and(|(_, last)| last >= at);
            let marks = self.scene.watermarks.get(&partition);
            let whole = marks.is_none_or(|marks| marks.high <= self.tips.resume(partition));
            passed || (whole && self.scene.now >= at)
        })
    }
}

/// The entries whose ranges all end within one period, with that. A promotion stays as it is while it
/// can be rolled back.
pub(super) fn swaps_within(ledger: &Ledger, length: PeriodLength) -> BTreeMap<u64, Period> {
    let mut ends: BTreeMap<u64, (Timestamp, Timestamp)> = BTreeMap::new();
    for covered in ledger.coverage.ranges() {
        let at = covered.range.appended_at;
        let (least, greatest) = ends.entry(covered.number).or_insert((at, at));
        (*least, *greatest) = (at.min(*least), at.max(*greatest));
    }
    for (number, _) in &ledger.promotions {
        ends.remove(number);
    }
    let within = ends.into_iter().filter_map(|(number, (least, greatest))| {
        let [first, last] = [least, greatest].map(|at| Period::of(Hour::of(at), length));
        (first == last).then_some((number, first))
    });
    within.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_few_objects_fewer_for_much_work_is_left() {
        const MIB: u64 = 1 << 20;
        let limits = CompactionLimits::default();
        let check = |length: PeriodLength, sizes: &[u64], expect: bool| {
            let sizes: Vec<u64> = sizes.iter().map(|mib| mib * MIB).collect();
            assert_eq!(pays(length, &sizes, &limits), expect, "{sizes:?}");
        };
        check(PeriodLength::Hour, &[1], false);
        check(PeriodLength::Hour, &[1, 1], true);
        for length in [PeriodLength::Day, PeriodLength::Month] {
            check(length, &[], false);
            check(length, &[500], false);
            check(length, &[20; 24], true);
            // 7.2 GiB are fifteen objects at least, instead of 24.
            check(length, &[300; 24], false);
            check(length, &[512; 31], false);
            check(length, &[500, 1], false);
            check(length, &[400, 40], true);
            check(length, &[400, 1, 1, 1, 1, 1, 1, 1], true);
        }
    }
}
