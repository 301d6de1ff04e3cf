//! What the ledger says of replays: their names, their ranges, and that one was promoted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use super::partition_keys::by_partition;
use crate::Error;
use crate::object::names::REPLAYS;

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

/// A replay whose rows a swap has put in the live rows' place.
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
