//! Compaction: the small objects of closed hours, of all partitions, become few large ones, by a
//! swap that keeps every row.

mod plan;
pub(crate) mod scene;
mod sweep;

use std::collections::BTreeSet;

use self::plan::HourPlan;
use self::scene::{Compacted, CompactionScene};
use crate::rewrite::choice::Choice;
use crate::rewrite::scope::Scope;
use crate::rewrite::source::RewriteSource;
use crate::{Error, Lake, Ledger, Made, Making, SwapMaker};

impl Lake {
    /// Merges the objects of every closed hour, one hour after the other, each by a swap. What is
    /// damaged, or touched by another maker meanwhile, is left as it is. `progress` gets what was
    /// done so far, and answers false to end it before the next hour.
    ///
    /// # Errors
    /// The store's. Nothing of what was done before is undone.
    pub async fn compact(
        &self,
        scene: &CompactionScene<'_>,
        progress: &(dyn Fn(&Compacted) -> bool + Sync),
    ) -> Result<Compacted, Error> {
        let mut done = Compacted::default();
        let Some(mut ledger) = self.ledger().await? else {
            return Ok(done);
        };
        let plans = self.closed_hours(&ledger, scene, &mut done.left).await?;
        done.closed = plans.len() as u64;
        for plan in plans {
            if !progress(&done) {
                break;
            }
            let hour = plan.hour;
            // The plan was made before the swaps that were written since.
            if let Some(name) = plan.touched(&ledger) {
                done.left
                    .push(format!("{hour}: {name} was replaced or given up meanwhile"));
                continue;
            }
            match self.compact_hour(&ledger, plan, scene, &mut done).await {
                Ok(None) => done.hours += 1,
                Ok(Some(why)) => done.left.push(format!("{hour}: {why}")),
                Err(Error::Damaged { path, detail }) => {
                    done.left
                        .push(format!("{hour}: {path} is damaged: {detail}"));
                }
                Err(error) => return Err(error),
            }
            ledger = self.follow(ledger).await?.ok_or_else(|| {
                Error::Unavailable("its ledger was there and is not any more".to_owned())
            })?;
        }
        progress(&done);
        Ok(done)
    }

    /// Merges an hour. Returns why it was left as it is; `None` if it was not.
    async fn compact_hour(
        &self,
        ledger: &Ledger,
        plan: HourPlan,
        scene: &CompactionScene<'_>,
        done: &mut Compacted,
    ) -> Result<Option<String>, Error> {
        let now = scene.now;
        let mut making = Making::begin(self, ledger, SwapMaker::Compaction, now);
        let source = RewriteSource {
            lake: self,
            ledger,
            scope: Scope {
                commits: plan.inputs,
                swaps: BTreeSet::new(),
            },
            choice: Choice::All,
        };
        let sort_bytes = scene.limits.sort_bytes;
        self.rewrite(&mut making, source, None, sort_bytes).await?;
        let swap = making.swap().clone();
        Ok(match making.finish().await? {
            Made::Written(number) => {
                let objects = swap.objects.len();
                tracing::info!(number, replaced = swap.replaced.len(), objects, "compacted");
                done.replaced += swap.replaced.len() as u64;
                done.replaced_bytes += swap.replaced.iter().map(|one| one.bytes).sum::<u64>();
                done.objects += objects as u64;
                done.bytes += swap.objects.iter().map(|object| object.bytes).sum::<u64>();
                done.rows += swap.objects.iter().map(|object| object.rows).sum::<u64>();
                None
            }
            Made::Discarded(why) => Some(why),
        })
    }
}
