//! What retention knows of the world, and what it did.

use serde::{Deserialize, Serialize};
use topic::Timestamp;

use super::rule::RetentionRule;

/// What retention takes out, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expired {
    /// Objects that hold something of it.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The rows that are too old.
    pub rows: u64,
    /// The dead letters that are.
    pub letters: u64,
    /// Hours and swaps that were looked at, and all that may hold something.
    pub looked: u64,
    /// All of them.
    pub of: u64,
    /// Those that another maker had touched meanwhile: the next run takes them.
    pub touched: u64,
    /// What was left as it is, and why.
    pub left: Vec<String>,
}

/// What retention has to know of the world.
#[derive(Debug)]
pub struct RetentionScene<'a> {
    /// What is kept for how long.
    pub rules: &'a [RetentionRule],
    /// The time.
    pub now: Timestamp,
    /// True if it is only counted.
    pub dry_run: bool,
}

impl Expired {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.letters += other.letters;
        self.looked += other.looked;
        self.of += other.of;
        self.touched += other.touched;
        self.left.extend(other.left.iter().cloned());
    }
}
