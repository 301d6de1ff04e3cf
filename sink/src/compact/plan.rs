//! What is compacted: the committed objects of closed hours.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use topic::{Offset, Partition};

use super::scene::{CompactionScene, closes_at};
use crate::{CoveredRange, Error, Footer, Hour, Lake, Ledger, ObjectName, RangeCounts, RowDigest};

/// How many footers are read at once.
const CONCURRENT_FOOTERS: usize = 16;

/// An object that is to be merged.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: ObjectName,
    pub(super) bytes: u64,
    pub(super) footer: Footer,
}

/// The objects of an hour that are to be merged.
#[derive(Debug)]
pub(super) struct HourPlan {
    pub(super) hour: Hour,
    /// By partition and first.
    pub(super) inputs: Vec<Input>,
}

impl HourPlan {
    /// The first input that another maker, a gap or a promotion has touched, by a ledger that is
    /// newer than the plan. `None` if none has.
    pub(super) fn touched(&self, ledger: &Ledger) -> Option<ObjectName> {
        let touched = |input: &&Input| {
            ledger.gives_up(input.name.partition, input.name.first)
                || is_promoted(ledger, &input.footer)
        };
        self.inputs.iter().find(touched).map(|input| input.name)
    }

    /// The ranges of the inputs, those that follow one another as one. Their sums are not known yet.
    pub(super) fn ranges(&self) -> Vec<CoveredRange> {
        let mut ranges: Vec<CoveredRange> = Vec::new();
        for Input { footer, .. } in &self.inputs {
            let counts = RangeCounts {
                counts: footer.counts,
                differing: footer.differing,
                ..RangeCounts::default()
            };
            let last = ranges.last_mut();
            let follows = |last: &&mut CoveredRange| {
                (last.partition, last.end) == (footer.partition, footer.first)
            };
            if let Some(last) = last.filter(follows) {
                last.end = footer.end;
                last.appended_at = footer.appended_at;
                last.counts.add(&counts);
                continue;
            }
            ranges.push(CoveredRange {
                partition: footer.partition,
                first: footer.first,
                end: footer.end,
                appended_at: footer.appended_at,
                counts,
                digest: RowDigest::default(),
            });
        }
        ranges
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
        let mut plans: BTreeMap<Hour, Vec<Input>> = BTreeMap::new();
        for (partition, names) in named {
            let newest = tips.resume(partition);
            for input in self.chained(ledger, names, &closed, left).await? {
                // The position to resume from is read off the newest object.
                let spared = input.footer.end == newest || is_promoted(ledger, &input.footer);
                if closed.contains(&input.name.hour) && !spared {
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

    /// The objects of a partition that continue one another, as far as the closed hours go.
    async fn chained(
        &self,
        ledger: &Ledger,
        mut names: Vec<(ObjectName, u64)>,
        closed: &BTreeSet<Hour>,
        left: &mut Vec<String>,
    ) -> Result<Vec<Input>, Error> {
        names.sort_unstable_by_key(|(name, _)| name.first);
        let last = names
            .iter()
            .rposition(|(name, _)| closed.contains(&name.hour));
        names.truncate(last.map_or(0, |last| last + 1));
        let footers = stream::iter(names).map(|(name, bytes)| async move {
            let described = match self.described(&name).await {
                Ok(described) => Ok(described),
                Err(Error::Damaged { detail, .. } | Error::Unfit(detail)) => Err(detail),
                Err(error) => return Err(error),
            };
            Ok::<_, Error>((name, bytes, described))
        });
        let mut footers = footers.buffered(CONCURRENT_FOOTERS);
        let mut chain: Vec<Input> = Vec::new();
        let mut at: Option<Offset> = None;
        while let Some((name, bytes, described)) = footers.try_next().await? {
            let expected = at.unwrap_or_else(|| ledger.first(name.partition));
            let expected = ledger.past(name.partition, expected);
            let why = match described {
                // It was deleted meanwhile: somebody else is at work.
                Ok(None) => break,
                Ok(Some((footer, _))) if footer.topic != ledger.topic => {
                    "it is of another topic".into()
                }
                // What nothing reaches counts for nothing.
                Ok(Some((footer, _))) if footer.first < expected => continue,
                Ok(Some((footer, _))) if footer.first > expected => {
                    format!("the objects from {expected} on are missing before it")
                }
                Ok(Some((footer, current))) => {
                    at = Some(footer.end);
                    if current {
                        chain.push(Input {
                            name,
                            bytes,
                            footer,
                        });
                    } else {
                        left.push(format!("{name}: another version of clickweir wrote it"));
                    }
                    continue;
                }
                Err(detail) => detail,
            };
            // What is behind it in the partition waits.
            left.push(format!("{name}: {why}"));
            break;
        }
        Ok(chain)
    }
}

/// Returns true if a replay takes the place of some of the object's rows.
fn is_promoted(ledger: &Ledger, footer: &Footer) -> bool {
    ledger.promotions.iter().any(|promotion| {
        let range = promotion.ranges.get(&footer.partition);
        range.is_some_and(|&(first, end)| footer.first < end && first < footer.end)
    })
}
