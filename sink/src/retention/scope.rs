//! What may hold something that is too old: the commits of an hour, or a swap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use topic::{Partition, Timestamp};

use super::rule::{ExpiryRule, LETTER_COLUMNS, ROW_COLUMNS};
use super::scene::Expired;
use crate::object::contents::batches;
use crate::rewrite::choice::RowRule;
use crate::rewrite::counted::Commit;
use crate::rewrite::scope::Scope;
use crate::{Error, Hour, Lake, Ledger, ObjectName};

/// Commits of one hour, or a swap, and its objects.
#[derive(Debug)]
pub(super) struct Expiring {
    commits: Vec<Commit>,
    swap: Option<u64>,
    /// The objects of rows and of letters, and the bytes of the former.
    rows: Vec<(String, u64)>,
    letters: Vec<String>,
}

impl Expiring {
    pub(super) fn scope(&self) -> Scope {
        Scope {
            commits: self.commits.clone(),
            swaps: self.swap.into_iter().collect(),
            ..Scope::default()
        }
    }

    /// Returns true if all of it counts by a ledger that is newer.
    pub(super) fn counts(&self, ledger: &Ledger) -> bool {
        let commits = self.commits.iter().map(|commit| commit.name);
        let mut given_up = commits.filter(|name| ledger.gives_up(name.partition, name.first));
        let is_there = |number: u64| !ledger.coverage.parts(number).ranges.is_empty();
        given_up.next().is_none() && self.swap.is_none_or(is_there)
    }

    fn of_commits(commits: Vec<Commit>) -> Self {
        let rows = commits.iter().map(|one| (one.name.to_string(), one.bytes));
        let letters = commits.iter().filter_map(|one| one.footer.letters.clone());
        Self {
            rows: rows.collect(),
            letters: letters.collect(),
            commits,
            swap: None,
        }
    }

    fn of_swap(ledger: &Ledger, number: u64) -> Self {
        let parts = ledger.coverage.parts(number);
        let rows = parts.objects.iter();
        let letters = parts.letters.iter();
        Self {
            rows: rows
                .map(|object| (object.path().to_string(), object.bytes))
                .collect(),
            letters: letters.map(|letters| letters.path.clone()).collect(),
            commits: Vec::new(),
            swap: Some(number),
        }
    }
}

impl Lake {
    /// What may hold something that is too old, oldest first: swaps, then hours that have ended.
    pub(super) async fn expiring(
        &self,
        ledger: &Ledger,
        rule: &ExpiryRule,
        now: Timestamp,
        left: &mut Vec<String>,
    ) -> Result<Vec<Expiring>, Error> {
        let mut named: BTreeMap<Partition, Vec<(ObjectName, u64)>> = BTreeMap::new();
        for (path, bytes) in self.files(None).await? {
            if let Some(name) = ObjectName::parse(&path).filter(|name| name.hour < Hour::of(now)) {
                named.entry(name.partition).or_default().push((name, bytes));
            }
        }
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
                expiring.push(Expiring::of_swap(ledger, number));
            }
        }
        expiring.extend(hours.into_values().map(Expiring::of_commits));
        Ok(expiring)
    }

    /// How much of it is too old.
    pub(super) async fn expired_share(
        &self,
        plan: &Expiring,
        rule: &Arc<ExpiryRule>,
    ) -> Result<Expired, Error> {
        let mut share = Expired::default();
        for (path, bytes) in &plan.rows {
            let taken = self.taken_of(path, &ROW_COLUMNS, rule, |rule, batch| {
                Ok(batch.num_rows() - rule.keeps_rows(batch)?.true_count())
            });
            let taken = taken.await?;
            if taken > 0 {
                share.rows += taken;
                share.objects += 1;
                share.bytes += bytes;
            }
        }
        for path in &plan.letters {
            let taken = self.taken_of(path, &LETTER_COLUMNS, rule, |rule, batch| {
                Ok(batch.num_rows() - rule.keeps_letters(batch)?.true_count())
            });
            let taken = taken.await?;
            share.letters += taken;
            share.objects += u64::from(taken > 0);
        }
        Ok(share)
    }

    async fn taken_of(
        &self,
        path: &str,
        columns: &'static [&'static str],
        rule: &Arc<ExpiryRule>,
        taken: impl Fn(&ExpiryRule, &arrow::array::RecordBatch) -> Result<usize, String>
        + Send
        + 'static,
    ) -> Result<u64, Error> {
        let object = self.whole(&path.into()).await?;
        let object = object.ok_or_else(|| Error::Damaged {
            path: path.to_owned(),
            detail: "it is not there".to_owned(),
        })?;
        let rule = Arc::clone(rule);
        let work = move || {
            let mut all = 0;
            batches(object, columns, |batch| {
                all += taken(&rule, batch)? as u64;
                Ok(())
            })?;
            Ok(all)
        };
        self.heavy(path, work).await
    }
}
