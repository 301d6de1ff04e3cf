//! The question what became of lines that were imported already.

use std::ops::RangeInclusive;

use async_trait::async_trait;

/// Knows which ids the lake or the topic already has.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Returns each id, in its 16 bytes, within one of `ranges` that the lake or the topic has, and what its
    /// record became or will become, in any order. The ranges hold at most some tens of thousands
    /// of lines.
    async fn held(
        &self,
        ranges: &[RangeInclusive<[u8; 16]>],
    ) -> Result<Vec<([u8; 16], HeldAs)>, LookupError>;
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAs {
    /// A row.
    Row,
    /// A dead letter.
    Letter,
}

/// Why a [`Lookup`] has no answer, in its own words.
pub type LookupError = Box<dyn std::error::Error + Send + Sync>;
