//! The question what will become of a record.

use topic::Draft;

/// Knows what the transformer makes of a record.
pub trait Judge: Send + Sync {
    /// Returns why the record of this draft will be a dead letter; `None` if it will be a row.
    fn defect(&self, draft: &Draft) -> Option<LineDefect>;
}

/// Why a line's record will be a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineDefect {
    /// The reason's name, as in the table of dead letters.
    pub reason: String,
    /// What exactly is wrong.
    pub detail: String,
}
