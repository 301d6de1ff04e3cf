//! What reaches the edge and is no request in time: no handler meets it either.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::EdgeMetrics;

/// How old actix's time may be: a connection's time may be over so much sooner.
const CLOCK_STEP: Duration = Duration::from_millis(500);

/// A connection. If it ends after the time that a request's head may take and no request came, its
/// client was answered 408.
pub(crate) struct AwaitedHead {
    metrics: EdgeMetrics,
    opened: Instant,
    timeout: Duration,
    came: AtomicBool,
}

impl AwaitedHead {
    pub(crate) fn new(metrics: EdgeMetrics, timeout: Duration) -> Self {
        Self {
            metrics,
            opened: Instant::now(),
            timeout,
            came: AtomicBool::new(false),
        }
    }

    /// Notes that a request came.
    pub(crate) fn came(&self) {
        self.came.store(true, Ordering::Relaxed);
    }
}

impl Drop for AwaitedHead {
    fn drop(&mut self) {
        if !self.came.load(Ordering::Relaxed) && self.opened.elapsed() + CLOCK_STEP >= self.timeout
        {
            self.metrics.unread(408);
        }
    }
}
