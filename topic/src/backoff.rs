//! Waiting between tries.

use std::time::Duration;

/// The waits between the tries of one thing: each is twice the one before, up to a longest.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits that begin with `first`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next.min(self.longest);
        self.next = wait.saturating_mul(2);
        wait
    }

    /// The next wait, between half and all of it, so that many waiters do not come back at one
    /// moment. `jitter` is between 0 and 1; the caller chooses it, at random or not.
    pub fn jittered(&mut self, jitter: f64) -> Duration {
        self.wait().mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff::new(millis(100), millis(500));
        let waits: Vec<Duration> = (0..5).map(|_| backoff.wait()).collect();
        assert_eq!(waits, [100, 200, 400, 500, 500].map(millis));
        assert_eq!(backoff.jittered(0.0), millis(250));
        assert_eq!(backoff.jittered(1.0), millis(500));
        let mut short = Backoff::new(millis(100), millis(10));
        assert_eq!(short.wait(), millis(10));
    }
}
