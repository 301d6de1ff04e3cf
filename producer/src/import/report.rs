//! How far an import is, and what became of its file.

use serde::{Deserialize, Serialize};

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportProgress {
    /// Lines that are settled: sent, skipped or rejected.
    pub lines: u64,
    /// The bytes of these lines in the inflated file.
    pub bytes: u64,
    /// The bytes of the whole inflated file.
    pub total: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportReport {
    /// The SHA-256 of the inflated file, in hexadecimal digits.
    pub digest: String,
    /// Records read, without the header and empty lines. A line break in quotes does not
    /// begin another record.
    pub lines: u64,
    /// Lines that this import sent and the topic acknowledged, including the rejected ones.
    pub sent: u64,
    /// Lines that the lake or the topic had already, including those before the position
    /// at which the import began.
    pub skipped: u64,
    /// Lines that this import sent and that will be dead letters.
    pub rejected: u64,
    /// The first rejected lines: the line's number in the file, from 1, and why.
    pub first_rejected: Vec<(u64, String)>,
    /// False if the import was stopped before the end; the next one goes on from there.
    pub complete: bool,
}
