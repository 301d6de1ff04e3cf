//! `[dashboard]`: where the pages are served.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// The keys of `[dashboard]`; the defaults and their reasons stand in `compose/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the pages are served. On a loopback address only requests that name this machine
    /// in their `Host` are answered, so that no foreign page can reach it by a name of its own.
    pub listen: SocketAddr,
    /// What everybody must send who asks for a page, as `Bearer` or as the password that a
    /// browser asks for; of 16 letters at least. Empty lets in everybody, which is refused
    /// where others than this machine can ask.
    pub token: SecretString,
    /// Threads that serve; a query runs beside them.
    pub workers: usize,
    /// How old the last good crawl may be before `/readyz` says 503.
    #[serde(with = "humantime_serde")]
    pub stale_after: Duration,
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_key_that_does_not_exist_is_refused_by_name() {
        let read = serde_json::from_str::<Config>;
        let error = read(r#"{"listem":"127.0.0.1:1"}"#).unwrap_err();
        assert!(error.to_string().contains("listem"), "{error}");
        let config =
            read(r#"{"listen":"127.0.0.1:8081","token":"","workers":2,"stale_after":"5s"}"#)
                .unwrap();
        assert_eq!((config.stale_after.as_secs(), config.workers), (5, 2));
    }
}
