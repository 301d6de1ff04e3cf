//! What may hold something that is too old: the commits of an hour, or a swap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use topic::{Partition, Timestamp};

use super::rule::ExpiryRule;
use super::scene::Expired;
use crate::rewrite::counted::Commit;
use crate::rewrite::scope::Scope;
use crate::{Error, Hour, Lake, Ledger};

impl Lake {
    /// What may hold something that is too old, oldest first: swaps, then hours that have ended.
    pub(super) async fn expiring(
        &self,
        ledger: &Ledger,
        rule: &ExpiryRule,
        now: Timestamp,
        left: &mut Vec<String>,
    ) -> Result<Vec<Scope>, Error> {
        let named = self.commit_names(|name| name.hour < Hour::of(now)).await?;
        let partitions: BTreeSet<Partition> = named.keys().copied().collect();
        let tips = self.tips(ledger.clone(), &partitions).await?;
        let mut hours: BTreeMap<Hour, Vec<Commit>> = BTreeMap::new();
        for (partition, names) in named {
            for commit in self.chained(ledger, names, left).await? {
                let footer = &commit.footer;
                let old = footer.occurred.map(|(oldest, _)| oldest);
                let may = old.is_some_and(|oldest| rule.may_take_rows(oldest))
                    || (footer.letters.is_some() && rule.may_take_letters());
                // The position to resume from is read off the newest object.
                if may && footer.end != tips.resume(partition) {
                    hours.entry(commit.name.hour).or_default().push(commit);
                }
            }
        }
        let numbers: BTreeSet<u64> = ledger.coverage.ranges().map(|one| one.number).collect();
        let mut expiring = Vec::new();
        for number in numbers {
            let parts = ledger.coverage.parts(number);
            let mut old = parts.objects.iter().filter_map(|object| object.occurred);
            let may = old.any(|(oldest, _)| rule.may_take_rows(oldest))
                || (!parts.letters.is_empty() && rule.may_take_letters());
            if may {
                expiring.push(Scope {
                    swaps: [number].into(),
                    ..Scope::default()
                });
            }
        }
        expiring.extend(hours.into_values().map(|commits| Scope {
            commits,
            ..Scope::default()
        }));
        Ok(expiring)
    }

    /// How much of it is too old.
    pub(super) async fn expired_share(
        &self,
        ledger: &Ledger,
        scope: &Scope,
        rule: &Arc<ExpiryRule>,
    ) -> Result<Expired, Error> {
        let (mut share, lows) = (Expired::default(), BTreeMap::new());
        for object in scope.objects(ledger) {
            let (path, is_letters) = (&object.path, object.bytes.is_none());
            let taken = self.taken_of(path, is_letters, rule.clone(), &lows);
            let taken = taken.await?.all;
            if taken > 0 {
                share.objects += 1;
                share.bytes += object.bytes.unwrap_or_default();
                *(if is_letters {
                    &mut share.letters
                } else {
                    &mut share.rows
                }) += taken;
            }
        }
        Ok(share)
    }
}
