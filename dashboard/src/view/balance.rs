//! The accounting as people read it: acknowledged = rows + dead letters + duplicates + dropped +
//! pending.
//!
//! The left side is measured in offsets, from the start of the lake's ranges to the end of the
//! topic. The right side is the sum of what the objects' footers say. So the sides differ if a
//! range is missing from the lake, or is in it twice.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Accounting, Freshness, OffsetAccount};
use serde_json::{Value, json};

use crate::command::Span;
use crate::view::grid::{Cell, Grid};
use crate::view::human;

/// One partition, or all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BalanceLine {
    /// The sums of the footers.
    account: OffsetAccount,
    /// Records from the start of the lake's ranges to the end of the topic, without gaps in the
    /// offsets and without those that an operator accepted as lost.
    acknowledged: u64,
    /// Records in the topic that are not in the lake yet.
    pub(crate) pending: u64,
    /// The topic's own range; `None` if the topic was not asked.
    topic: Option<Span>,
    /// True if the lake ends after the topic: it is the lake of another topic.
    beyond: bool,
}

impl BalanceLine {
    /// A partition whose ranges in the lake reach from `first` to `end`; `None` if the lake has
    /// none of it.
    fn of(account: OffsetAccount, range: Option<(u64, u64)>, topic: Option<Span>) -> Self {
        let low = topic.map_or(0, |span| span.low);
        let (first, end) = range.unwrap_or((low, low));
        let high = topic.map_or(end, |span| span.high);
        Self {
            account,
            acknowledged: high
                .max(end)
                .saturating_sub(first)
                .saturating_sub(account.absent + account.gap),
            pending: high.saturating_sub(end),
            topic,
            beyond: high < end,
        }
    }

    const fn explained(&self) -> u64 {
        self.account.acknowledged() + self.pending
    }

    const fn adds_up(&self) -> bool {
        self.acknowledged == self.explained() && !self.beyond
    }

    /// What is wrong with a partition that does not add up.
    fn fault(&self) -> String {
        if self.beyond {
            return "the lake ends after the topic, so it is the lake of another topic.".to_owned();
        }
        let (more, less, wrong) = if self.acknowledged > self.explained() {
            (self.acknowledged, self.explained(), "in no object")
        } else {
            (
                self.explained(),
                self.acknowledged,
                "in more than one object",
            )
        };
        format!("{} offsets are {wrong}.", human::count(more - less))
    }

    fn row(&self, name: Cell) -> Vec<Cell> {
        let topic = |of: fn(&Span) -> u64| {
            let span = self.topic.as_ref();
            span.map_or(Cell::Empty, |span| Cell::Count(of(span)))
        };
        vec![
            name,
            Cell::Count(self.acknowledged),
            Cell::Count(self.account.rows),
            Cell::Count(self.account.dead_letters),
            Cell::Count(self.account.duplicates),
            Cell::Count(self.account.dropped),
            Cell::Count(self.pending),
            Cell::Count(self.account.absent),
            Cell::Count(self.account.gap),
            topic(|span| span.low),
            topic(|span| span.high),
            Cell::Text(if self.adds_up() { "yes" } else { "no" }.into()),
        ]
    }
}

/// All partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    partitions: BTreeMap<u32, BalanceLine>,
    total: BalanceLine,
    /// Why the topic's numbers are missing; `None` if they are not.
    pub(crate) silence: Option<String>,
}

impl Balance {
    /// The catalog's numbers beside the topic's, or beside the reason why there are none. The
    /// topic must be asked after the catalog, so that the lake can only seem behind.
    pub(crate) fn of(
        accounting: &Accounting,
        freshness: &[Freshness],
        topic: Result<&[Span], String>,
    ) -> Self {
        let accounts = accounting.partitions.iter();
        let accounts: BTreeMap<u32, OffsetAccount> = accounts
            .map(|&(partition, account)| (partition.0, account))
            .collect();
        let range = |one: &Freshness| (one.registered_first.0, one.registered_end.0);
        let ranges: BTreeMap<u32, (u64, u64)> = freshness
            .iter()
            .map(|one| (one.partition.0, range(one)))
            .collect();
        let spans = topic.as_ref().map_or(&[][..], |spans| spans).iter();
        let spans: BTreeMap<u32, Span> = spans.map(|&span| (span.partition, span)).collect();

        let known = accounts.keys().chain(ranges.keys()).chain(spans.keys());
        let known: BTreeSet<u32> = known.copied().collect();
        let line = |partition: u32| {
            let account = accounts.get(&partition).copied().unwrap_or_default();
            let range = ranges.get(&partition).copied();
            let topic = spans.get(&partition).copied();
            (partition, BalanceLine::of(account, range, topic))
        };
        let partitions: BTreeMap<u32, BalanceLine> = known.into_iter().map(line).collect();
        let total = BalanceLine {
            account: accounting.total,
            acknowledged: partitions.values().map(|line| line.acknowledged).sum(),
            pending: partitions.values().map(|line| line.pending).sum(),
            topic: None,
            beyond: partitions.values().any(|line| line.beyond),
        };
        Self {
            partitions,
            total,
            silence: topic.err(),
        }
    }

    /// Returns true if every partition and the total add up.
    pub(crate) fn adds_up(&self) -> bool {
        self.total.adds_up() && self.partitions.values().all(BalanceLine::adds_up)
    }

    /// Each partition's pending records, if the topic was asked.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (u32, u64)> {
        let asked = self
            .partitions
            .iter()
            .filter(|(_, line)| line.topic.is_some());
        asked.map(|(&partition, line)| (partition, line.pending))
    }

    /// Where the topic's partition ends; `None` if the topic was not asked.
    pub(crate) fn high(&self, partition: u32) -> Option<u64> {
        let line = self.partitions.get(&partition)?;
        line.topic.map(|span| span.high)
    }

    /// The equation in words, and where it fails.
    pub(crate) fn summary(&self) -> String {
        let total = &self.total;
        let account = &total.account;
        let sign = if total.acknowledged == total.explained() {
            '='
        } else {
            '≠'
        };
        let mut text = format!(
            "{} acknowledged {sign} {} rows + {} dead letters + {} duplicates + {} dropped + {} pending.",
            human::count(total.acknowledged),
            human::count(account.rows),
            human::count(account.dead_letters),
            human::count(account.duplicates),
            human::count(account.dropped),
            human::count(total.pending),
        );
        if account.gap > 0 {
            let gap = human::count(account.gap);
            text.push_str(&format!(" An operator accepted {gap} more as lost."));
        }
        for (partition, line) in self.partitions.iter().filter(|(_, line)| !line.adds_up()) {
            text.push_str(&format!(" Partition {partition}: {}", line.fault()));
        }
        if !self.adds_up() {
            text.push_str(" Run clickweir audit to find out why.");
        }
        text
    }

    /// One row for each partition, and the total.
    pub(crate) fn table(&self) -> Grid {
        let lines = self
            .partitions
            .iter()
            .map(|(&n, line)| line.row(Cell::Count(n.into())));
        let total =
            (!self.partitions.is_empty()).then(|| self.total.row(Cell::Text("total".into())));
        let columns = [
            "partition",
            "acknowledged",
            "rows",
            "dead_letters",
            "duplicates",
            "dropped",
            "pending",
            "no_record",
            "given_up",
            "topic_low",
            "topic_high",
            "adds_up",
        ];
        Grid::new(columns, lines.chain(total).collect())
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "adds_up": self.adds_up(),
            "in_words": self.summary(),
            "topic_silent_because": self.silence,
            "partitions": self.table().json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use catalog::{Offset, Partition};

    use super::*;

    fn books(accounts: &[(u32, OffsetAccount)]) -> Accounting {
        let total = accounts
            .iter()
            .fold(OffsetAccount::default(), |sum, (_, one)| OffsetAccount {
                rows: sum.rows + one.rows,
                dead_letters: sum.dead_letters + one.dead_letters,
                duplicates: sum.duplicates + one.duplicates,
                differing: sum.differing + one.differing,
                dropped: sum.dropped + one.dropped,
                absent: sum.absent + one.absent,
                gap: sum.gap + one.gap,
            });
        let partitions = accounts
            .iter()
            .map(|&(n, account)| (Partition(n), account))
            .collect();
        Accounting { partitions, total }
    }

    fn fresh(partition: u32, first: u64, end: u64) -> Freshness {
        Freshness {
            partition: Partition(partition),
            registered_first: Offset(first),
            registered_end: Offset(end),
            appended_at: None,
            objects: 1,
            bytes: 1,
        }
    }

    fn account(rows: u64, dead_letters: u64, absent: u64) -> OffsetAccount {
        OffsetAccount {
            rows,
            dead_letters,
            absent,
            ..OffsetAccount::default()
        }
    }

    #[test]
    fn invariant_4_what_was_acknowledged_is_explained() {
        let check = |end: u64,
                     account: OffsetAccount,
                     topic: Option<(u64, u64)>,
                     expect: Result<&str, &str>| {
            let span = topic.map(|(low, high)| Span {
                partition: 0,
                low,
                high,
            });
            let topic = span
                .as_ref()
                .map(std::slice::from_ref)
                .ok_or_else(|| "no answer".to_owned());
            let balance = Balance::of(&books(&[(0, account)]), &[fresh(0, 10, end)], topic);
            let summary = balance.summary();
            assert_eq!(balance.adds_up(), expect.is_ok(), "{summary}");
            let words = expect.unwrap_or_else(|words| words);
            assert!(summary.contains(words), "{summary}");
        };
        check(
            30,
            account(15, 5, 0),
            Some((0, 30)),
            Ok("20 acknowledged = 15 rows + 5 dead letters"),
        );
        check(
            30,
            account(15, 5, 0),
            Some((12, 37)),
            Ok("27 acknowledged = 15 rows + 5 dead letters + 0 duplicates + 0 dropped + 7 pending"),
        );
        check(30, account(10, 5, 5), Some((0, 30)), Ok("15 acknowledged"));
        check(30, account(15, 5, 0), None, Ok("0 pending"));
        let gap = OffsetAccount {
            gap: 5,
            ..account(10, 5, 0)
        };
        check(30, gap, Some((25, 30)), Ok("accepted 5 more as lost"));
        check(
            30,
            account(15, 4, 0),
            Some((0, 30)),
            Err("1 offsets are in no object"),
        );
        check(
            30,
            account(16, 5, 0),
            Some((0, 30)),
            Err("1 offsets are in more than one object"),
        );
        check(
            30,
            account(15, 5, 0),
            Some((0, 29)),
            Err("lake of another topic"),
        );
    }

    #[test]
    fn a_partition_that_the_lake_does_not_know_yet_is_pending() {
        let spans = [Span {
            partition: 1,
            low: 3,
            high: 8,
        }];
        let balance = Balance::of(&Accounting::default(), &[], Ok(&spans));
        assert!(balance.adds_up());
        assert_eq!(balance.pending().collect::<Vec<_>>(), [(1, 5)]);
        assert_eq!(balance.table().rows.len(), 2);
    }

    #[test]
    fn two_wrongs_do_not_make_a_right() {
        let accounts = [(0, account(19, 0, 0)), (1, account(21, 0, 0))];
        let balance = Balance::of(
            &books(&accounts),
            &[fresh(0, 0, 20), fresh(1, 0, 20)],
            Ok(&[]),
        );
        assert!(!balance.adds_up());
        assert!(
            balance.summary().contains("Partition 0"),
            "{}",
            balance.summary()
        );
    }
}
