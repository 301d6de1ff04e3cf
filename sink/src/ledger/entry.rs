//! The entries of the ledger, as they are in its objects.

use std::collections::BTreeMap;
use std::fmt;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};

use super::forget::{Erased, Forget};
use super::id::LakeId;
use super::partition_keys::by_partition;
use super::swap::Swap;
use crate::Error;
use crate::object::names::{LEDGER, REPLAYS};

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
    /// Within its ranges the tables show the replay from now on.
    Promote {
        /// The replay.
        name: ReplayName,
        /// When that was begun: an earlier replay may have had its name.
        begun_at: Timestamp,
        /// What it holds.
        #[serde(deserialize_with = "by_partition")]
        ranges: Ranges,
        /// When it was promoted.
        promoted_at: Timestamp,
    },
    /// The tables show it no longer.
    Rollback {
        /// The replay.
        name: ReplayName,
        /// When it was rolled back.
        rolled_back_at: Timestamp,
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
            Self::Origin { .. }
            | Self::Promote { .. }
            | Self::Rollback { .. }
            | Self::Erased(_) => false,
        }
    }
}

/// Where the entry of this number is.
pub(crate) fn path(number: u64) -> Path {
    Path::from(format!("{LEDGER}/{number:010}.json"))
}

/// A replay's name: a letter, then letters, digits and underscores, in lower case, so that it
/// is safe in a path and in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReplayName(String);

/// The longest name, in letters.
const MAX_NAME_LETTERS: usize = 40;
/// `clicks_live` is the lake with the topic's tail.
const RESERVED: [&str; 2] = ["live", "per_minute"];

impl ReplayName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Refused`] for text that is no name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            Err(Error::Refused(format!(
                "{text:?} cannot name a replay: {why}"
            )))
        };
        let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(small) {
            return refused("take a letter, then letters, digits and _, in lower case");
        }
        if text.len() > MAX_NAME_LETTERS {
            return refused(&format!("take at most {MAX_NAME_LETTERS} letters"));
        }
        if RESERVED.contains(&text) {
            return refused("that table is clickweir's own, take another name");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The replay's folder in the live lake.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{REPLAYS}/{self}")
    }
}

impl fmt::Display for ReplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ReplayName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<ReplayName> for String {
    fn from(name: ReplayName) -> Self {
        name.0
    }
}

/// Half-open ranges of offsets, one of each partition that takes part.
pub type Ranges = BTreeMap<Partition, (Offset, Offset)>;

/// What makes a lake's `origin` that of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayOrigin {
    /// Where each partition that takes part ends (exclusive).
    #[serde(deserialize_with = "by_partition")]
    pub ends: BTreeMap<Partition, Offset>,
    /// The hash of the configuration that decides all of its rows.
    pub configuration: String,
    /// When it was begun: one that was deleted and begun anew under its name is another.
    pub begun_at: Timestamp,
}

/// A replay that the tables show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The replay.
    pub name: ReplayName,
    /// When that was begun: one that was deleted and begun anew under its name is another.
    pub begun_at: Timestamp,
    /// What it holds.
    #[serde(deserialize_with = "by_partition")]
    pub ranges: Ranges,
}
