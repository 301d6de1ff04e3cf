//! Retention: rows and dead letters that are older than an operator keeps are taken out, hour by
//! hour and swap by swap. A partition's newest object stays as it is.

pub(crate) mod rule;
mod scope;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use topic::Timestamp;

use self::rule::{ExpiryRule, RetentionRule};
use self::scope::Expiring;
use crate::rewrite::choice::Choice;
use crate::rewrite::source::RewriteSource;
use crate::{CompactionLimits, Error, Lake, Made, Making, Removal, SwapMaker};

/// What retention takes out, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expired {
    /// Objects that hold something of it.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The rows that are too old.
    pub rows: u64,
    /// The dead letters that are.
    pub letters: u64,
    /// Hours and swaps that were looked at, and all that may hold something.
    pub looked: u64,
    /// All of them.
    pub of: u64,
    /// What was left as it is, and why.
    pub left: Vec<String>,
}

/// What retention has to know of the world.
#[derive(Debug)]
pub struct RetentionScene<'a> {
    /// What is kept for how long.
    pub rules: &'a [RetentionRule],
    /// The time.
    pub now: Timestamp,
    /// True if it is only counted.
    pub dry_run: bool,
}

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
            if !plan.counts(&ledger) {
                continue;
            }
            match self.expire_some(&ledger, &plan, &rule, scene).await {
                Ok(Some(found)) => done.add(&found),
                Ok(None) => {}
                Err(Error::Damaged { path, detail }) => {
                    done.left.push(format!("{path} is damaged: {detail}"));
                }
                Err(error) => return Err(error),
            }
            if !scene.dry_run {
                ledger = self.follow(ledger).await?.ok_or_else(|| {
                    Error::Unavailable("its ledger was there and is not any more".to_owned())
                })?;
            }
        }
        progress(&done);
        Ok(done)
    }

    /// Takes out what is too old of an hour or a swap. `None` if nothing is.
    async fn expire_some(
        &self,
        ledger: &crate::Ledger,
        plan: &Expiring,
        rule: &Arc<ExpiryRule>,
        scene: &RetentionScene<'_>,
    ) -> Result<Option<Expired>, Error> {
        let mut found = self.expired_share(plan, rule).await?;
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
            scope: plan.scope(),
            choice: Choice::Ruled(rule.clone(), Removal::Expired),
        };
        let sort_bytes = CompactionLimits::default().sort_bytes;
        self.rewrite(&mut making, source, None, sort_bytes).await?;
        if let Made::Discarded(why) = making.finish().await? {
            found = Expired {
                left: vec![why],
                ..Expired::default()
            };
        }
        Ok(Some(found))
    }
}

impl Expired {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.letters += other.letters;
        self.looked += other.looked;
        self.of += other.of;
        self.left.extend(other.left.iter().cloned());
    }
}
