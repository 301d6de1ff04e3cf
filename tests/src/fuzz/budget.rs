//! How long to fuzz.

use std::time::Duration;

use tokio::time::Instant;

/// How long a target is fuzzed.
#[derive(Debug, Clone, Copy)]
pub enum FuzzBudget {
    /// So many inputs.
    Inputs(u64),
    /// So long.
    Time(Duration),
}

impl FuzzBudget {
    pub(super) fn is_spent(self, inputs: u64, since: Instant) -> bool {
        match self {
            Self::Inputs(most) => inputs >= most,
            Self::Time(most) => since.elapsed() >= most,
        }
    }
}
