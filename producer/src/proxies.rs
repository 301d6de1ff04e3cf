//! The watch for a proxy that is not trusted and hides every visitor behind its own address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// How many requests in a row must come through one proxy before it is named.
const MIN_REQUESTS: u32 = 1_000;

/// The requests that a proxy passed on without being trusted.
#[derive(Debug, Default)]
pub struct ProxyWatch {
    /// True if a proxy passed on the last request, so that a request that came directly costs no
    /// lock.
    is_proxied: AtomicBool,
    last: Mutex<ProxyRun>,
}

/// Requests in a row that came through one proxy.
#[derive(Debug, Default)]
struct ProxyRun {
    proxy: Option<IpAddr>,
    requests: u32,
}

impl ProxyWatch {
    /// Notes a request that names another client than its untrusted `peer`. Logs once if all
    /// requests come so.
    pub(crate) fn passed_on(&self, peer: IpAddr) {
        self.is_proxied.store(true, Ordering::Relaxed);
        let mut last = self.last.lock();
        if last.proxy != Some(peer) {
            *last = ProxyRun {
                proxy: Some(peer),
                requests: 0,
            };
        }
        last.requests = last.requests.saturating_add(1);
        if last.requests == MIN_REQUESTS {
            drop(last);
            if let Some(warning) = self.warning() {
                tracing::warn!("{warning}");
            }
        }
    }

    /// Notes a request that came by another way.
    pub(crate) fn came_directly(&self) {
        if self.is_proxied.load(Ordering::Relaxed) {
            self.is_proxied.store(false, Ordering::Relaxed);
            *self.last.lock() = ProxyRun::default();
        }
    }

    /// Returns what the operator should know; `None` if no proxy hides everybody.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let last = self.last.lock();
        let proxy = last.proxy.filter(|_| last.requests >= MIN_REQUESTS)?;
        Some(format!(
            "the last {} requests with clicks all came from {proxy}, which names other clients in \
             X-Forwarded-For and is not believed: if it is your proxy, add it to \
             producer.trusted_proxies",
            last.requests
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_21_a_proxy_that_hides_everybody_is_named() {
        let watch = ProxyWatch::default();
        let [proxy, other] = [[10, 0, 0, 3], [10, 0, 0, 4]].map(IpAddr::from);
        let pass = |peer: IpAddr, requests: u32| (0..requests).for_each(|_| watch.passed_on(peer));
        pass(proxy, MIN_REQUESTS - 1);
        assert_eq!(watch.warning(), None);
        pass(proxy, 1);
        let warning = watch.warning().unwrap();
        assert!(
            warning.contains("10.0.0.3") && warning.contains("producer.trusted_proxies"),
            "{warning}"
        );
        pass(other, 1);
        assert_eq!(watch.warning(), None, "not all come through one");
        pass(proxy, MIN_REQUESTS);
        assert!(watch.warning().is_some());
        watch.came_directly();
        assert_eq!(watch.warning(), None);
    }
}
