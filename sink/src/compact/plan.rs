//! What is compacted: the committed objects of closed hours; then, of closed days and months, what
//! earlier swaps made of them and the commits that they left.

use std::collections::{BTreeMap, BTreeSet};

use topic::{Partition, Timestamp};

use super::period::{Period, PeriodLength};
use super::scene::{CompactionLimits, CompactionScene, closes_at};
use crate::rewrite::counted::Commit;
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

/// The objects of a period that are to be merged.
#[derive(Debug)]
pub(super) struct PeriodPlan {
    pub(super) period: Period,
    pub(super) scope: Scope,
    /// The size of each of its objects.
    sizes: Vec<u64>,
}

impl PeriodPlan {
    fn new(period: Period) -> Self {
        Self {
            period,
            scope: Scope::default(),
            sizes: Vec::new(),
        }
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

impl Lake {
    /// The closed periods of that length that have enough objects to merge, oldest first. `left` gets
    /// what cannot be merged, and why.
    pub(super) async fn closed_periods(
        &self,
        ledger: &Ledger,
        scene: &CompactionScene<'_>,
        length: PeriodLength,
        left: &mut Vec<String>,
    ) -> Result<Vec<PeriodPlan>, Error> {
        let counts = |name: &ObjectName| !ledger.gives_up(name.partition, name.first);
        let named = self.commit_names(counts).await?;
        let closing = Closing::of(self, ledger, scene, named.keys()).await?;
        let mut plans: BTreeMap<Period, PeriodPlan> = BTreeMap::new();
        let commits = self.closed_commits(ledger, named, &closing, length, left);
        for commit in commits.await? {
            let period = Period::of(commit.name.hour, length);
            let plan = plans.entry(period);
            let plan = plan.or_insert_with(|| PeriodPlan::new(period));
            plan.sizes.push(commit.bytes);
            plan.scope.commits.push(commit);
        }
        if length > PeriodLength::Hour {
            for (number, period) in swaps_within(ledger, length) {
                if !closing.is_over(period) {
                    continue;
                }
                let plan = plans.entry(period);
                let plan = plan.or_insert_with(|| PeriodPlan::new(period));
                let objects = ledger.coverage.parts(number).objects;
                plan.sizes.extend(objects.iter().map(|object| object.bytes));
                plan.scope.swaps.insert(number);
            }
        }
        plans.retain(|_, plan| pays(length, &plan.sizes, &scene.limits));
        Ok(plans.into_values().collect())
    }

    /// The commits that count and are in closed periods, but for each partition's newest.
    async fn closed_commits(
        &self,
        ledger: &Ledger,
        named: BTreeMap<Partition, Vec<(ObjectName, u64)>>,
        closing: &Closing<'_>,
        length: PeriodLength,
        left: &mut Vec<String>,
    ) -> Result<Vec<Commit>, Error> {
        let hours = named.values().flatten().map(|(name, _)| name.hour);
        let hours: BTreeSet<Hour> = hours.collect();
        let closed: BTreeSet<Hour> = hours
            .into_iter()
            .filter(|hour| closing.is_over(Period::of(*hour, length)))
            .collect();
        let mut commits = Vec::new();
        for (partition, mut names) in named {
            let newest = closing.tips.resume(partition);
            let last = names.iter().filter(|(name, _)| closed.contains(&name.hour));
            let last = last.map(|(name, _)| name.first).max();
            names.retain(|(name, _)| Some(name.first) <= last);
            for input in self.chained(ledger, names, left).await? {
                // The position to resume from is read off the newest object.
                let is_newest = input.footer.end == newest;
                if closed.contains(&input.name.hour) && !is_newest {
                    commits.push(input);
                }
            }
        }
        Ok(commits)
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
