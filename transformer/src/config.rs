//! `[transformer]`: the group, and how far back duplicates are looked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The keys of `[transformer]`; the defaults and their reasons stand in `compose/default.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The consumer group; empty makes a name that holds a hash of `lake.url`, so that two
    /// lakes on one topic never share a group.
    pub group: String,
    /// An id that was seen within this much append time is a duplicate …
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// … and within this many offsets.
    pub window_records: u64,
}
