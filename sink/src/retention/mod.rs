//! Retention: rows and dead letters that are older than an operator keeps are taken out, hour by
//! hour and swap by swap. A partition's newest object stays as it is.

pub(crate) mod rule;
pub(crate) mod scene;
mod scope;

use std::sync::Arc;

use self::rule::ExpiryRule;
use self::scene::{Expired, RetentionScene};
use crate::object::sort::limits::SortLimits;
use crate::rewrite::choice::Choice;
use crate::rewrite::scope::Scope;
use crate::rewrite::source::RewriteSource;
use crate::{Error, Lake, Ledger, Made, Making, Removal, SwapMaker};

impl Lake {
    /// Takes out of this lake what is older than the rules keep, or counts it. What is damaged, or
    /// touched by another maker meanwhile, is left as it is. `progress` gets what was done so far.
    ///
    /// # Errors
    /// The store's. Nothing of what was done before is undone.
    pub async fn expire(
        &self,
        scene: &RetentionScene<'_>,
        progress: &(dyn Fn(&Expired) + Sync),
    ) -> Result<Expired, Error> {
        let mut done = Expired::default();
        let Some(mut ledger) = self.ledger().await? else {
            return Ok(done);
        };
        let rule = Arc::new(ExpiryRule::new(scene.rules, scene.now));
        let plans = self.expiring(&ledger, &rule, scene.now, &mut done.left);
        let plans = plans.await?;
        done.of = plans.len() as u64;
        for plan in plans {
            progress(&done);
            done.looked += 1;
            // Another maker may have been there since.
            if plan.touched(&ledger).is_some() {
                done.touched += 1;
                continue;
            }
            match self.expire_some(&ledger, plan, &rule, scene).await {
                Ok(Some(found)) => done.add(&found),
                Ok(None) => {}
                Err(Error::Damaged { path, detail }) => {
                    done.left.push(format!("{path} is damaged: {detail}"));
                }
                Err(error) => return Err(error),
            }
            if !scene.dry_run {
                ledger = self.go_on(ledger).await?;
            }
        }
        progress(&done);
        Ok(done)
    }

    /// Takes out what is too old of an hour or a swap. `None` if nothing is.
    async fn expire_some(
        &self,
        ledger: &Ledger,
        plan: Scope,
        rule: &Arc<ExpiryRule>,
        scene: &RetentionScene<'_>,
    ) -> Result<Option<Expired>, Error> {
        let mut found = self.expired_share(ledger, &plan, rule).await?;
        if found.objects == 0 {
            return Ok(None);
        }
        if scene.dry_run {
            return Ok(Some(found));
        }
        let mut making = Making::begin(self, ledger, SwapMaker::Retention, scene.now);
        let source = RewriteSource {
            lake: self,
            ledger,
            scope: plan,
            choice: Choice::Ruled(rule.clone(), Removal::Expired),
        };
        let limits = SortLimits::default();
        self.rewrite(&mut making, source, Vec::new(), limits)
            .await?;
        if let Made::Discarded(why) = making.finish().await? {
            tracing::info!("nothing was taken out of an hour or a swap: {why}");
            found = Expired {
                touched: 1,
                ..Expired::default()
            };
        }
        Ok(Some(found))
    }
}
