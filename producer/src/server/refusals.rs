//! What reaches the edge and is no request that HTTP allows, or no TLS where that is spoken. No
//! handler meets it, so it is counted here, and the log says it at most once a minute, however much
//! a stranger sends.

use std::time::Duration;

use actix_http::error::{DispatchError, ParseError};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics::{EdgeMetrics, NO_REQUEST, NO_TLS};
use crate::tls::HandshakeError;

/// How long the log is silent after a line.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Counts the connections that ended because of what their client sent.
pub(super) struct Refusals {
    metrics: EdgeMetrics,
    requests: Mutex<Unsaid>,
    handshakes: Mutex<Unsaid>,
}

/// What the log has not said yet.
#[derive(Default)]
struct Unsaid {
    count: u64,
    said_at: Option<Instant>,
}

impl Refusals {
    pub(super) fn new(metrics: EdgeMetrics) -> Self {
        Self {
            metrics,
            requests: Mutex::default(),
            handshakes: Mutex::default(),
        }
    }

    /// Counts the error that ended a connection, if its client made it.
    pub(super) fn count(&self, error: &DispatchError) {
        let status = match error {
            DispatchError::Parse(ParseError::Io(_)) => return,
            DispatchError::Parse(ParseError::TooLarge) => 431,
            DispatchError::Parse(_) => 400,
            _ => return,
        };
        self.metrics.unread(status);
        self.metrics.rejected(NO_REQUEST, 1);
        if let Some(refused) = self.requests.lock().take(Instant::now()) {
            tracing::warn!(refused, last = %error, "what is no HTTP request was refused");
        }
    }

    /// Counts the error that ended a handshake, unless its client just went away.
    pub(super) fn count_handshake(&self, error: &HandshakeError) {
        match error {
            HandshakeError::Away(_) => return,
            HandshakeError::Plain => self.metrics.unread(400),
            HandshakeError::Slow | HandshakeError::Refused(_) => {}
        }
        self.metrics.rejected(NO_TLS, 1);
        if let Some(refused) = self.handshakes.lock().take(Instant::now()) {
            tracing::warn!(refused, last = %error, "what is no TLS handshake was refused");
        }
    }
}

impl Unsaid {
    /// Adds one. Returns how many a line has to say, if the log may have one.
    fn take(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.said_at.is_some_and(|said| now < said + LOG_PAUSE) {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_18_a_minute_has_one_line_which_says_how_many() {
        let (mut unsaid, start) = (Unsaid::default(), Instant::now());
        assert_eq!(unsaid.take(start), Some(1));
        for _ in 0..1_000 {
            assert_eq!(unsaid.take(start + LOG_PAUSE / 2), None);
        }
        assert_eq!(unsaid.take(start + LOG_PAUSE), Some(1_001));
        assert_eq!(unsaid.take(start + LOG_PAUSE), None);
    }
}
