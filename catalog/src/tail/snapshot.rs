//! What the tail kept at one moment.

use std::collections::BTreeMap;

use sink::{Offset, Partition, Timestamp};

use crate::db::table_function::Held;
use crate::tail::partition::Kept;

/// What the tail kept at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Now {
    pub(crate) fed: bool,
    pub(crate) kept: BTreeMap<Partition, Kept>,
}

/// How the tail of a partition stands beside the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) partition: Partition,
    /// Where the catalog's registered range ends; none where nothing is registered.
    pub(crate) registered_end: Option<Offset>,
    /// Where what is kept begins …
    pub(crate) first: Offset,
    /// … and ends.
    pub(crate) end: Offset,
    /// Its rows behind the registered end.
    pub(crate) rows: usize,
    /// Whether every row behind the registered end is kept.
    pub(crate) whole: bool,
    /// Where not: from when on they are, by append time.
    pub(crate) complete_from: Option<Timestamp>,
}

impl Now {
    /// The rows behind the registered ends of a snapshot.
    pub(crate) fn after(&self, ends: &BTreeMap<Partition, Offset>) -> Held {
        let mut rows = Vec::new();
        for (partition, kept) in &self.kept {
            let end = ends.get(partition).copied().unwrap_or_default();
            let pieces = kept.pieces.iter().filter(|piece| piece.end > end);
            rows.extend(pieces.map(|piece| piece.after(end)));
        }
        rows.retain(|rows| rows.num_rows() > 0);
        Held::new(sink::schema(), rows)
    }

    /// How each partition stands beside a snapshot.
    pub(crate) fn standings(&self, ends: &BTreeMap<Partition, Offset>) -> Vec<Standing> {
        let standing = |(&partition, kept): (&Partition, &Kept)| {
            let registered_end = ends.get(&partition).copied();
            let end = registered_end.unwrap_or_default();
            let behind = kept.pieces.iter().filter(|piece| piece.end > end);
            let whole = kept.is_whole(registered_end);
            let begun = kept.pieces.front().map(|piece| piece.begun_at);
            Standing {
                partition,
                registered_end,
                first: kept.first(),
                end: kept.end,
                rows: behind.map(|piece| piece.after(end).num_rows()).sum(),
                whole,
                complete_from: if whole { None } else { begun.or(kept.cut) },
            }
        };
        self.kept.iter().map(standing).collect()
    }

    /// What whoever reads `clicks_live` must know, where it is not simply complete.
    pub(crate) fn note(&self, ends: &BTreeMap<Partition, Offset>) -> Option<String> {
        if !self.fed {
            return Some(
                "clicks_live shows the lake alone: no tail runs in this process, `clickweir up` and `clickweir dashboard` run one"
                    .to_owned(),
            );
        }
        let standings = self.standings(ends);
        let lacking: Vec<_> = standings
            .iter()
            .filter(|standing| !standing.whole)
            .collect();
        if lacking.is_empty() {
            return None;
        }
        let from = lacking
            .iter()
            .filter_map(|standing| standing.complete_from)
            .max();
        let from = from.map_or_else(|| "the next click".to_owned(), |from| from.to_string());
        Some(format!(
            "clicks_live is complete up to the lake's end, and from {from} on; what lies between comes with the next crawls (the table tail says where; catalog.tail_memory is the limit)"
        ))
    }
}
