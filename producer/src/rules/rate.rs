//! How many requests an address may send in a time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;

use crate::rate::{RateClock, RequestRate};

/// How many addresses are told apart; beyond it, and until some of them were silent, addresses
/// share what they may with their neighbours.
const MAX_ADDRESSES: usize = 200_000;
/// How many groups there are then.
const CROWD_GROUPS: u64 = 4_096;
/// After how many requests those that were silent are forgotten.
const REQUESTS_PER_SWEEP: u32 = 4_096;

/// A limit for each address.
#[derive(Debug)]
pub(super) struct AddressRate {
    rate: RequestRate,
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, RateClock, NoOpMiddleware<Nanos>>,
    clock: RateClock,
    asked: AtomicU32,
    is_crowded: AtomicBool,
}

impl AddressRate {
    /// Lets each address send at a rate. Fails if that is out of bounds.
    pub(super) fn new(rate: RequestRate) -> Result<Self, String> {
        let clock = RateClock::new();
        Ok(Self {
            rate,
            limiter: RateLimiter::dashmap_with_clock(rate.quota()?, clock.clone()),
            clock,
            asked: AtomicU32::new(0),
            is_crowded: AtomicBool::new(false),
        })
    }

    /// Returns true if the other limits addresses as this one does.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.rate == other.rate
    }

    /// Counts a request of an address. Returns how long it has to wait if it sent too many.
    pub(super) fn take(&self, address: IpAddr) -> Result<(), Duration> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked.is_multiple_of(REQUESTS_PER_SWEEP) {
            self.sweep();
        }
        let key = match self.is_crowded.load(Ordering::Relaxed) {
            true => crowd(address),
            false => household(address),
        };
        let checked = self.limiter.check_key(&key);
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets the addresses that may send all again.
    fn sweep(&self) {
        if self.limiter.len() > MAX_ADDRESSES / 2 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let is_crowded = self.limiter.len() > MAX_ADDRESSES;
        self.is_crowded.store(is_crowded, Ordering::Relaxed);
    }
}

/// What one client has: an address of IPv4, a `/64` of IPv6.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// One of a few groups, by the network.
fn crowd(address: IpAddr) -> IpAddr {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 80).unwrap_or(u64::MAX),
    };
    let group = network.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
    let group = u32::try_from(group % CROWD_GROUPS).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::from_bits(group))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(requests: u32, per: Duration) -> AddressRate {
        let requests = NonZeroU32::new(requests).unwrap();
        AddressRate::new(RequestRate { requests, per }).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn input_19_an_address_may_send_so_many_and_no_other_pays_for_it() {
        let rate = rate(3, Duration::from_secs(30));
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            assert_eq!(rate.take(one), Ok(()));
        }
        let wait = rate.take(one).unwrap_err();
        assert!(
            wait > Duration::from_secs(9) && wait <= Duration::from_secs(10),
            "{wait:?}"
        );
        assert_eq!(rate.take(other), Ok(()));
        tokio::time::advance(wait).await;
        assert_eq!(rate.take(one), Ok(()));
        assert!(rate.take(one).is_err());
        tokio::time::advance(Duration::from_secs(30)).await;
        for _ in 0..3 {
            assert_eq!(rate.take(one), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn input_19_a_household_of_ipv6_is_one_client() {
        let rate = rate(1, Duration::from_secs(1));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(rate.take(address("2001:db8::1")), Ok(()));
        assert!(rate.take(address("2001:db8::2")).is_err());
        assert_eq!(rate.take(address("2001:db8:0:1::1")), Ok(()));
        assert_eq!(rate.take(address("::ffff:192.0.2.1")), Ok(()));
        assert!(rate.take(address("192.0.2.1")).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn input_19_a_flood_of_addresses_takes_bounded_memory() {
        let rate = rate(1, Duration::from_secs(3_600));
        for n in 0..400_000_u32 {
            let _ = rate.take(IpAddr::V4(Ipv4Addr::from_bits(n * 977)));
        }
        let most = MAX_ADDRESSES + usize::try_from(REQUESTS_PER_SWEEP).unwrap() + 4_096;
        assert!(rate.limiter.len() <= most, "{}", rate.limiter.len());
        tokio::time::advance(Duration::from_secs(7_200)).await;
        for _ in 0..=REQUESTS_PER_SWEEP {
            let _ = rate.take("192.0.2.1".parse().unwrap());
        }
        assert!(rate.limiter.len() < 10, "{}", rate.limiter.len());
    }
}
