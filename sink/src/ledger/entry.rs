//! The entries of the ledger, as they are in its objects.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};

use super::forget::{Erased, Forget};
use super::id::LakeId;
use super::partition_keys::by_partition;
use super::replayed::{ReplayName, ReplayOrigin};
use super::swap::Swap;
use crate::object::names::LEDGER;

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    /// Entry 0: whose lake this is, and where each partition begins.
    Origin {
        /// The format's version.
        format: u32,
        /// The lake's own identity; a replay has that of the lake that it belongs to.
        lake: LakeId,
        /// The topic.
        topic: Identity,
        /// Each partition's first offset; a partition that is not listed begins at 0.
        #[serde(deserialize_with = "by_partition")]
        firsts: BTreeMap<Partition, Offset>,
        /// Where a replay ends; `None` for the live lake.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replay: Option<ReplayOrigin>,
    },
    /// An operator accepted that `[first, end)` was lost before the lake had it.
    Gap {
        /// The partition.
        partition: Partition,
        /// Where the lake ended.
        first: Offset,
        /// Where it continues.
        end: Offset,
        /// When it was accepted.
        accepted_at: Timestamp,
    },
    /// A promotion can be rolled back no longer.
    Settle {
        /// The replay.
        name: ReplayName,
        /// When that was said.
        settled_at: Timestamp,
    },
    /// Objects take the place of others.
    Swap(Swap),
    /// Somebody asked to be erased.
    Forget(Forget),
    /// That is complete.
    Erased(Erased),
}

/// What a batch's maker knows of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knowledge {
    /// How many entries it has read.
    pub entries: u64,
    /// Where the object begins that it committed before; `None` if the tips gave its position.
    pub previous: Option<Offset>,
}

impl From<u64> for Knowledge {
    /// That of a maker whose position is the tips'.
    fn from(entries: u64) -> Self {
        Self {
            entries,
            previous: None,
        }
    }
}

impl Entry {
    /// Returns true if the maker of a batch that begins at `first` must drop it and start from the
    /// tips: a gap gave something of its partition up, or a swap covers its first offset, or ends
    /// within the object that it committed before, so that this object counts for nothing; or the
    /// batch may hold what was asked to be erased.
    pub(super) fn gives_up(&self, of: Partition, first: Offset, known: Knowledge) -> bool {
        match self {
            Self::Gap { partition, .. } => *partition == of,
            Self::Swap(swap) => swap.ranges.iter().any(|range| {
                let holds = |at: Offset| range.first <= at && at < range.end;
                let cuts = |at: Offset| holds(at) && range.end < first;
                range.partition == of && (holds(first) || known.previous.is_some_and(cuts))
            }),
            Self::Forget(forget) => forget.reaches(of, first),
            Self::Origin { .. } | Self::Settle { .. } | Self::Erased(_) => false,
        }
    }
}

/// Where the entry of this number is.
pub(crate) fn path(number: u64) -> Path {
    Path::from(format!("{LEDGER}/{number:010}.json"))
}

/// The number of the entry of that path; `None` if it is none.
pub(crate) fn entry_number(at: &Path) -> Option<u64> {
    let number = at.filename()?.strip_suffix(".json")?.parse().ok()?;
    (path(number) == *at).then_some(number)
}
