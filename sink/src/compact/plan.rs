//! What is compacted: the committed objects of closed hours.

use std::collections::{BTreeMap, BTreeSet};

use topic::Partition;

use super::scene::{CompactionScene, closes_at};
use crate::rewrite::counted::Commit;
use crate::{Error, Hour, Lake, Ledger, ObjectName};

/// The objects of an hour that are to be merged.
#[derive(Debug)]
pub(super) struct HourPlan {
    pub(super) hour: Hour,
    /// By partition and first.
    pub(super) inputs: Vec<Commit>,
}

impl HourPlan {
    /// The first input that another maker or a gap has touched, by a ledger that is
    /// newer than the plan. `None` if none has.
    pub(super) fn touched(&self, ledger: &Ledger) -> Option<ObjectName> {
        let touched = |input: &&Commit| ledger.gives_up(input.name.partition, input.name.first);
        self.inputs.iter().find(touched).map(|input| input.name)
    }
}

impl Lake {
    /// The closed hours that have enough objects to merge, oldest first. `left` gets what cannot be
    /// merged, and why.
    pub(super) async fn closed_hours(
        &self,
        ledger: &Ledger,
        scene: &CompactionScene<'_>,
        left: &mut Vec<String>,
    ) -> Result<Vec<HourPlan>, Error> {
        let mut named: BTreeMap<Partition, Vec<(ObjectName, u64)>> = BTreeMap::new();
        for (path, bytes) in self.files(None).await? {
            let Some(name) = ObjectName::parse(&path) else {
                continue;
            };
            if !ledger.gives_up(name.partition, name.first) {
                named.entry(name.partition).or_default().push((name, bytes));
            }
        }
        let known = named.keys().chain(ledger.firsts.keys());
        let partitions: BTreeSet<Partition> =
            known.chain(scene.watermarks.keys()).copied().collect();
        let tips = self.tips(ledger.clone(), &partitions).await?;
        let is_closed = |hour: Hour| {
            let at = closes_at(hour);
            partitions.iter().all(|&partition| {
                let passed = tips.last(partition).is_some_and(|(_, last)| last >= at);
                let marks = scene.watermarks.get(&partition);
                let whole = marks.is_none_or(|marks| marks.high <= tips.resume(partition));
                passed || (whole && scene.now >= at)
            })
        };
        let hours = named.values().flatten().map(|(name, _)| name.hour);
        let hours: BTreeSet<Hour> = hours.collect();
        let closed: BTreeSet<Hour> = hours.into_iter().filter(|hour| is_closed(*hour)).collect();
        let mut plans: BTreeMap<Hour, Vec<Commit>> = BTreeMap::new();
        for (partition, mut names) in named {
            let newest = tips.resume(partition);
            let last = names.iter().filter(|(name, _)| closed.contains(&name.hour));
            let last = last.map(|(name, _)| name.first).max();
            names.retain(|(name, _)| Some(name.first) <= last);
            for input in self.chained(ledger, names, left).await? {
                // The position to resume from is read off the newest object.
                let is_newest = input.footer.end == newest;
                if closed.contains(&input.name.hour) && !is_newest {
                    plans.entry(input.name.hour).or_default().push(input);
                }
            }
        }
        plans.retain(|_, inputs| inputs.len() >= scene.limits.min_objects);
        let plans = plans.into_iter();
        Ok(plans
            .map(|(hour, inputs)| HourPlan { hour, inputs })
            .collect())
    }
}
