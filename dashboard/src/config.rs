//! `[dashboard]`: where the pages are served.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// The keys of `[dashboard]`. `compose/default.toml` has the defaults and their reasons.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the pages are served. On a loopback address only requests whose `Host` names this
    /// machine are answered, so that no foreign page can reach it by a host name of its own.
    pub listen: SocketAddr,
    /// The secret that every request must send, as `Bearer` or as the password that a browser
    /// asks for; at least 16 characters. Empty lets every request in, and is refused unless
    /// `listen` is a loopback address.
    pub token: SecretString,
    /// How many threads serve requests. Queries run on other threads.
    pub workers: usize,
    /// How old the newest crawl may be before `/readyz` answers 503.
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
