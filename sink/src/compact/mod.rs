//! Compaction: the small objects of closed hours, of all partitions, become few large ones; those of
//! closed days one of the day, and those of closed months one of the month. Each is a swap that keeps
//! every row.

mod period;
mod plan;
pub(crate) mod scene;
mod sweep;
pub(crate) mod tally;

use self::period::PeriodLength;
use self::plan::{PeriodPlan, Planning};
use self::scene::{Compacted, CompactionScene};
use crate::rewrite::choice::Choice;
use crate::rewrite::source::RewriteSource;
use crate::{Error, Lake, Ledger, Made, Making, SwapMaker};

impl Lake {
    /// Merges the objects of every closed hour, then of every closed day, then of every closed month,
    /// one after the other, each by a swap. What is damaged, or touched by another maker meanwhile, is
    /// left as it is. `progress` gets what was done so far, and answers false to end it before the
    /// next one.
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
        for length in PeriodLength::ALL {
            let mut planning = Planning::begin(self, &ledger, scene, length).await?;
            done.closed += planning.waiting();
            loop {
                let (waited, mut left) = (planning.waiting(), Vec::new());
                let Some(plans) = planning.next(self, &ledger, &mut left).await? else {
                    break;
                };
                // Of what seemed to wait, what is left does not.
                done.closed += plans.len() as u64 + planning.waiting();
                done.closed -= waited;
                // What is damaged is so at each length.
                left.retain(|why| !done.left.contains(why));
                done.leave(left);
                for plan in plans {
                    if !progress(&done) {
                        return Ok(done);
                    }
                    self.compact_period(&ledger, plan, scene, &mut done).await?;
                    ledger = self.go_on(ledger).await?;
                }
            }
        }
        progress(&done);
        Ok(done)
    }

    /// Merges a period, or notes why it was left as it is.
    async fn compact_period(
        &self,
        ledger: &Ledger,
        plan: PeriodPlan,
        scene: &CompactionScene<'_>,
        done: &mut Compacted,
    ) -> Result<(), Error> {
        let period = plan.period;
        // The plan was made before the swaps that were written since.
        if let Some(what) = plan.scope.touched(ledger) {
            done.left.push(format!(
                "{period}: {what} was replaced or given up meanwhile"
            ));
            return Ok(());
        }
        match self.merge(ledger, plan, scene, done).await {
            Ok(None) => *done.merged(period.length) += 1,
            Ok(Some(why)) => done.left.push(format!("{period}: {why}")),
            Err(Error::Damaged { path, detail }) => {
                done.left
                    .push(format!("{period}: {path} is damaged: {detail}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Merges a period. Returns why it was left as it is; `None` if it was not.
    async fn merge(
        &self,
        ledger: &Ledger,
        plan: PeriodPlan,
        scene: &CompactionScene<'_>,
        done: &mut Compacted,
    ) -> Result<Option<String>, Error> {
        let mut making = Making::begin(self, ledger, SwapMaker::Compaction, scene.now);
        let source = RewriteSource {
            lake: self,
            ledger,
            scope: plan.scope,
            choice: Choice::All,
        };
        let limits = scene.limits.sorting();
        self.rewrite(&mut making, source, Vec::new(), limits)
            .await?;
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
