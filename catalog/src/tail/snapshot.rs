//! The tail at one moment, and how it compares with the registered ends of a catalog's snapshot.

use std::collections::BTreeMap;

use sink::{Offset, Partition, Timestamp};

use crate::db::table_function::MemoryTable;
use crate::tail::partition::PartitionTail;

/// The tail at one moment.
#[derive(Debug, Clone)]
pub(crate) struct TailSnapshot {
    pub(crate) fed: bool,
    pub(crate) partitions: BTreeMap<Partition, PartitionTail>,
}

/// How the tail of a partition compares with the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailStatus {
    pub(crate) partition: Partition,
    /// The end of the catalog's registered range. `None` if nothing is registered.
    pub(crate) registered_end: Option<Offset>,
    /// The first offset that is kept.
    pub(crate) first: Offset,
    /// The end of what is kept (exclusive).
    pub(crate) end: Offset,
    /// How many rows it has from the registered end on.
    pub(crate) rows: usize,
    /// From which append time on every row is kept. `None` if every row from the registered end on
    /// is, or if nothing is kept.
    pub(crate) complete_from: Option<Timestamp>,
    /// True if every row from the registered end on is kept.
    pub(crate) whole: bool,
}

impl TailSnapshot {
    /// The rows after these registered ends.
    pub(crate) fn after(&self, ends: &BTreeMap<Partition, Offset>) -> MemoryTable {
        let mut batches = Vec::new();
        for (partition, tail) in &self.partitions {
            let end = ends.get(partition).copied().unwrap_or_default();
            batches.extend(tail.after(end));
        }
        batches.retain(|rows| rows.num_rows() > 0);
        MemoryTable::new(sink::schema(), batches)
    }

    /// How each partition compares with these registered ends.
    pub(crate) fn statuses(&self, ends: &BTreeMap<Partition, Offset>) -> Vec<TailStatus> {
        let status = |(&partition, tail): (&Partition, &PartitionTail)| {
            let registered_end = ends.get(&partition).copied();
            let whole = tail.is_whole(registered_end);
            let begun_at = tail.chunks.front().map(|chunk| chunk.begun_at);
            let rows = tail.after(registered_end.unwrap_or_default());
            TailStatus {
                partition,
                registered_end,
                first: tail.first(),
                end: tail.end,
                rows: rows.map(|rows| rows.num_rows()).sum(),
                whole,
                complete_from: if whole { None } else { begun_at.or(tail.cut) },
            }
        };
        self.partitions.iter().map(status).collect()
    }

    /// What a reader of `clicks_live` must know. `None` if it is complete.
    pub(crate) fn note(&self, ends: &BTreeMap<Partition, Offset>) -> Option<String> {
        if !self.fed {
            return Some(
                "clicks_live shows the lake alone: no tail runs in this process, `clickweir up` and `clickweir dashboard` run one"
                    .to_owned(),
            );
        }
        let statuses = self.statuses(ends);
        let incomplete: Vec<_> = statuses.iter().filter(|status| !status.whole).collect();
        if incomplete.is_empty() {
            return None;
        }
        let from = incomplete.iter();
        let from = from.filter_map(|status| status.complete_from).max();
        let from = from.map_or_else(|| "the next click".to_owned(), |from| from.to_string());
        Some(format!(
            "clicks_live is complete up to the lake's end, and from {from} on; the rows between come with the next crawls (the table tail says where; catalog.tail_memory is the limit)"
        ))
    }
}
