//! So many requests in a time: how the files of rules and of keys write it, and the limit of a source.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::Deserialize;
use tokio::time::Instant;

/// The bounds of a rate's time.
const MIN_PERIOD: Duration = Duration::from_millis(1);
const MAX_PERIOD: Duration = Duration::from_secs(86_400);

/// So many requests at once, and as many again evenly over each `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestRate {
    pub(crate) requests: NonZeroU32,
    #[serde(with = "humantime_serde")]
    pub(crate) per: Duration,
}

impl RequestRate {
    /// The same for a limiter. The error says what may be written.
    pub(crate) fn quota(self) -> Result<Quota, String> {
        let step = self.per.checked_div(self.requests.get());
        let quota = step.and_then(Quota::with_period);
        let is_within = (MIN_PERIOD..=MAX_PERIOD).contains(&self.per);
        let quota = quota.filter(|_| is_within).ok_or_else(|| {
            format!(
                "rate is {} requests per {}, which is out of bounds; write 1ms to 1day, and at \
                 most a request a nanosecond",
                self.requests,
                humantime::format_duration(self.per)
            )
        })?;
        Ok(quota.allow_burst(self.requests))
    }
}

/// Elapsed time as `tokio` has it, so that a test can own it.
#[derive(Debug, Clone)]
pub(crate) struct RateClock {
    start: Instant,
}

impl RateClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for RateClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.start.elapsed().into()
    }
}

/// A limit for all requests of one source.
#[derive(Debug)]
pub(crate) struct SourceRate {
    rate: RequestRate,
    limiter: RateLimiter<NotKeyed, InMemoryState, RateClock, NoOpMiddleware<Nanos>>,
    clock: RateClock,
}

impl SourceRate {
    /// Fails as [`RequestRate::quota`] does.
    pub(crate) fn new(rate: RequestRate) -> Result<Self, String> {
        let clock = RateClock::new();
        Ok(Self {
            rate,
            limiter: RateLimiter::direct_with_clock(rate.quota()?, clock.clone()),
            clock,
        })
    }

    /// Returns true if the other limits as this one does.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.rate == other.rate
    }

    /// Counts a request. Returns how long it has to wait if there were too many.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let checked = self.limiter.check();
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// A time in seconds, rounded up and at least one: who comes again sooner is refused again.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn input_19_a_source_may_send_so_many_in_a_time() {
        let rate: RequestRate = toml::from_str("requests = 2\nper = \"10s\"").unwrap();
        let rate = SourceRate::new(rate).unwrap();
        assert_eq!((rate.take(), rate.take()), (Ok(()), Ok(())));
        let wait = rate.take().unwrap_err();
        assert!(wait > Duration::from_secs(4) && wait <= Duration::from_secs(5));
        tokio::time::advance(wait).await;
        assert_eq!(rate.take(), Ok(()));
        assert!(rate.take().is_err());
    }
}
