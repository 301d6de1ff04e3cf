//! What a deep audit came to.

use serde::{Deserialize, Serialize};
use sink::audit::Finding;

/// What the deep audit came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deep {
    /// Records of the topic that were compared.
    pub records: u64,
    /// Those that are rows.
    pub rows: u64,
    /// Those that are dead letters.
    pub dead_letters: u64,
    /// Those whose id was seen shortly before.
    pub duplicates: u64,
    /// Those that somebody asked to be erased.
    pub dropped: u64,
    /// Those that are neither, although they should be.
    pub missing: u64,
    /// Rows and dead letters that are no record of the topic's, or another one.
    pub strangers: u64,
    /// Those that count as duplicates of records that the topic no longer holds, or by a window
    /// that is configured no more: it cannot be proved.
    pub unproven: u64,
    /// Offsets of the lake whose records the topic no longer holds.
    pub gone: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Deep {
    /// Returns true if every record is there once.
    #[must_use]
    pub const fn clean(&self) -> bool {
        self.missing == 0 && self.strangers == 0 && self.findings.is_empty()
    }
}
