//! The question what became of lines that were imported already.

use std::ops::RangeInclusive;

use async_trait::async_trait;

/// Knows which ids the lake or the topic already has.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Returns each record that the lake or the topic has with an id within one of `ranges`, and what
    /// it became or will become, in any order. The ranges hold at most some tens of thousands of
    /// lines.
    async fn held(
        &self,
        ranges: &[RangeInclusive<[u8; 16]>],
    ) -> Result<Vec<HeldRecord>, LookupError>;
}

/// A record that the lake or the topic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRecord {
    /// Its event's id, in 16 bytes.
    pub id: [u8; 16],
    /// Which of the event's items it is; `None` if the event is one record.
    pub item: Option<u32>,
    /// What became of it.
    pub held: HeldAs,
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
