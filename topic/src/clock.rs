//! The only wall clock of the workspace, so that a simulation can own time.
//!
//! Wall time (what a person would write down) comes from a [`Clock`]; elapsed time
//! (time-outs, ages) comes from `tokio::time`, which a simulation can pause.

use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;

/// How far append times may step back, as brokers' clocks differ when a leader changes. A search
/// for an id's twin looks so much further than the window. Beyond it, a retry's twin could
/// be met by one worker and missed by another that has started since.
pub const STEP_BACK: Duration = Duration::from_secs(30);

/// A source of wall time. Passed as a component, never looked up.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, in microseconds of UTC.
    fn now(&self) -> Timestamp;
}

/// A clock that is shared by the stages of a process.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The machine's clock as a shared component.
#[must_use]
pub fn system() -> SharedClock {
    Arc::new(SystemClock)
}
