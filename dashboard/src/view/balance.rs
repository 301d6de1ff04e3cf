//! The accounting as people read it: accepted = rows + dead letters + duplicates + dropped +
//! pending, the catalog's numbers on one side and the topic's on the other.
//!
//! `accepted` is measured by offsets, from where the lake's ranges begin to where the topic
//! ends; the right side is the sum of what the objects' footers say. So the two differ when a
//! range is missing from the lake, or is there twice.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Accounting, Freshness, OffsetAccount};
use serde_json::{Value, json};

use crate::command::Span;
use crate::view::human;
use crate::view::table::{Cell, Sheet};

/// One partition, or all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// What the footers say.
    account: OffsetAccount,
    /// Records from the lake's begin to the topic's end, less offsets without a record and
    /// those that an operator gave up.
    accepted: u64,
    /// Records that the topic has and the lake has not yet.
    pub(crate) pending: u64,
    /// What the topic holds; none where it was not asked.
    topic: Option<Span>,
    /// Whether the lake has got further than the topic: it is another topic's lake.
    beyond: bool,
}

impl Line {
    const fn explained(&self) -> u64 {
        self.account.acknowledged() + self.pending
    }

    const fn adds_up(&self) -> bool {
        self.accepted == self.explained() && !self.beyond
    }
}

/// All partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    partitions: BTreeMap<u32, Line>,
    total: Line,
    /// Why the topic's numbers are missing, where they are.
    pub(crate) silence: Option<String>,
}

impl Balance {
    /// Lays the catalog's numbers beside the topic's (asked after the catalog, so that the
    /// lake can only seem behind), or beside the reason why it has none.
    pub(crate) fn strike(
        accounting: &Accounting,
        freshness: &[Freshness],
        topic: Result<&[Span], String>,
    ) -> Self {
        let accounts: BTreeMap<u32, OffsetAccount> = accounting
            .partitions
            .iter()
            .map(|&(partition, account)| (partition.0, account))
            .collect();
        let ranges: BTreeMap<u32, (u64, u64)> = freshness
            .iter()
            .map(|one| {
                (
                    one.partition.0,
                    (one.registered_first.0, one.registered_end.0),
                )
            })
            .collect();
        let spans: BTreeMap<u32, Span> = topic
            .as_ref()
            .map_or(&[][..], |spans| spans)
            .iter()
            .map(|&span| (span.partition, span))
            .collect();
        let known: BTreeSet<u32> = accounts
            .keys()
            .chain(ranges.keys())
            .chain(spans.keys())
            .copied()
            .collect();

        let line = |partition: u32| {
            let account = accounts.get(&partition).copied().unwrap_or_default();
            let topic = spans.get(&partition).copied();
            let low = topic.map_or(0, |span| span.low);
            let (first, end) = ranges.get(&partition).copied().unwrap_or((low, low));
            let high = topic.map_or(end, |span| span.high);
            Line {
                account,
                accepted: high
                    .max(end)
                    .saturating_sub(first)
                    .saturating_sub(account.absent + account.gap),
                pending: high.saturating_sub(end),
                topic,
                beyond: high < end,
            }
        };
        let partitions: BTreeMap<u32, Line> = known
            .into_iter()
            .map(|partition| (partition, line(partition)))
            .collect();
        let total = Line {
            account: accounting.total,
            accepted: partitions.values().map(|line| line.accepted).sum(),
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

    /// Whether every partition and the total do.
    pub(crate) fn adds_up(&self) -> bool {
        self.total.adds_up() && self.partitions.values().all(Line::adds_up)
    }

    /// Each partition's pending records, where the topic was asked.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (u32, u64)> {
        let asked = self
            .partitions
            .iter()
            .filter(|(_, line)| line.topic.is_some());
        asked.map(|(&partition, line)| (partition, line.pending))
    }

    /// Where each partition of the topic ends, where that was asked.
    pub(crate) fn high(&self, partition: u32) -> Option<u64> {
        let line = self.partitions.get(&partition)?;
        line.topic.map(|span| span.high)
    }

    /// The equation in words, and where it fails.
    pub(crate) fn sentence(&self) -> String {
        let Line {
            account,
            accepted,
            pending,
            ..
        } = self.total;
        let mut text = format!(
            "{} accepted {} {} rows + {} dead letters + {} duplicates + {} dropped + {} pending.",
            human::count(accepted),
            if accepted == self.total.explained() {
                '='
            } else {
                '≠'
            },
            human::count(account.rows),
            human::count(account.dead_letters),
            human::count(account.duplicates),
            human::count(account.dropped),
            human::count(pending),
        );
        if account.gap > 0 {
            let gap = human::count(account.gap);
            text.push_str(&format!(
                " Besides, {gap} were lost and given up by an operator."
            ));
        }
        for (partition, line) in self.partitions.iter().filter(|(_, line)| !line.adds_up()) {
            let wrong = if line.beyond {
                " the lake has got further than the topic: it is another topic’s lake.".to_owned()
            } else if line.accepted > line.explained() {
                let missing = human::count(line.accepted - line.explained());
                format!(" {missing} offsets are in no object.")
            } else {
                let twice = human::count(line.explained() - line.accepted);
                format!(" {twice} offsets are in more than one object.")
            };
            text.push_str(&format!(" Partition {partition}:{wrong}"));
        }
        if !self.adds_up() {
            text.push_str(" Run clickweir audit for the reason.");
        }
        text
    }

    /// One row a partition, and the total.
    pub(crate) fn sheet(&self) -> Sheet {
        let row = |name: Cell, line: &Line| {
            let topic = |of: fn(&Span) -> u64| {
                line.topic
                    .as_ref()
                    .map_or(Cell::Empty, |span| Cell::Count(of(span)))
            };
            vec![
                name,
                Cell::Count(line.accepted),
                Cell::Count(line.account.rows),
                Cell::Count(line.account.dead_letters),
                Cell::Count(line.account.duplicates),
                Cell::Count(line.account.dropped),
                Cell::Count(line.pending),
                Cell::Count(line.account.absent),
                Cell::Count(line.account.gap),
                topic(|span| span.low),
                topic(|span| span.high),
                Cell::Text(if line.adds_up() { "yes" } else { "no" }.into()),
            ]
        };
        let lines = self
            .partitions
            .iter()
            .map(|(&n, line)| row(Cell::Count(n.into()), line));
        let total =
            (!self.partitions.is_empty()).then(|| row(Cell::Text("total".into()), &self.total));
        let columns = [
            "partition",
            "accepted",
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
        Sheet::new(columns, lines.chain(total).collect())
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "adds_up": self.adds_up(),
            "in_words": self.sentence(),
            "topic_silent_because": self.silence,
            "partitions": self.sheet().json(),
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
    fn invariant_4_what_was_accepted_is_explained() {
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
            let balance = Balance::strike(&books(&[(0, account)]), &[fresh(0, 10, end)], topic);
            let sentence = balance.sentence();
            assert_eq!(balance.adds_up(), expect.is_ok(), "{sentence}");
            let words = expect.unwrap_or_else(|words| words);
            assert!(sentence.contains(words), "{sentence}");
        };
        check(
            30,
            account(15, 5, 0),
            Some((0, 30)),
            Ok("20 accepted = 15 rows + 5 dead letters"),
        );
        check(
            30,
            account(15, 5, 0),
            Some((12, 37)),
            Ok("27 accepted = 15 rows + 5 dead letters + 0 duplicates + 0 dropped + 7 pending"),
        );
        check(30, account(10, 5, 5), Some((0, 30)), Ok("15 accepted"));
        check(30, account(15, 5, 0), None, Ok("0 pending"));
        let gap = OffsetAccount {
            gap: 5,
            ..account(10, 5, 0)
        };
        check(30, gap, Some((25, 30)), Ok("5 were lost and given up"));
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
        check(30, account(15, 5, 0), Some((0, 29)), Err("another topic"));
    }

    #[test]
    fn a_partition_that_the_lake_does_not_know_yet_is_pending() {
        let spans = [Span {
            partition: 1,
            low: 3,
            high: 8,
        }];
        let balance = Balance::strike(&Accounting::default(), &[], Ok(&spans));
        assert!(balance.adds_up());
        assert_eq!(balance.pending().collect::<Vec<_>>(), [(1, 5)]);
        assert_eq!(balance.sheet().rows.len(), 2);
    }

    #[test]
    fn two_wrongs_do_not_make_a_right() {
        let accounts = [(0, account(19, 0, 0)), (1, account(21, 0, 0))];
        let balance = Balance::strike(
            &books(&accounts),
            &[fresh(0, 0, 20), fresh(1, 0, 20)],
            Ok(&[]),
        );
        assert!(!balance.adds_up());
        assert!(
            balance.sentence().contains("Partition 0"),
            "{}",
            balance.sentence()
        );
    }
}
