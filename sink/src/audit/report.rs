//! What an audit came to.

use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// The verdict. `acknowledged = rows + dead_letters + duplicates + dropped + pending + lost -
/// doubled`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Records of the topic since `origin`, less what a `gap` accepted.
    pub acknowledged: u64,
    /// Rows of the lake.
    pub rows: u64,
    /// Dead letters of the lake.
    pub dead_letters: u64,
    /// Records whose id had been seen shortly before.
    pub duplicates: u64,
    /// Records that a rule left out, or that were erased or have expired.
    pub dropped: u64,
    /// Records beyond the lake's tips.
    pub pending: u64,
    /// Records that should be in the lake and are not.
    pub lost: u64,
    /// Offsets that are in the lake more than once.
    pub doubled: u64,
    /// Rows whose id an earlier row within the window has.
    pub repeated: u64,
    /// Offsets without a record (a broker's own marks).
    pub absent: u64,
    /// Objects that were looked at.
    pub objects: u64,
    /// Objects of another configuration, whose window is not known: their ids were not compared.
    pub other_windows: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Returns true if every acknowledged click is there once.
    #[must_use]
    pub const fn clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.repeated == 0 && self.findings.is_empty()
    }
}
