//! The question whether a line has been imported already.

use async_trait::async_trait;

/// Knows which ids the lake or the topic already has, as rows, dead letters or records
/// still to come.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Returns true for each id that is known, in the order of `ids`, of which there are
    /// at most some tens of thousands.
    async fn known(&self, ids: &[String]) -> Result<Vec<bool>, LookupError>;
}

/// Why a [`Lookup`] has no answer, in its own words.
pub type LookupError = Box<dyn std::error::Error + Send + Sync>;
