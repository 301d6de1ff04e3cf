//! `[producer]`: the listener, the limits and what is kept of an address.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::address::{IpPolicy, Network};

/// The keys of `[producer]`; the defaults and their reasons stand in `compose/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the edge listens.
    pub listen: SocketAddr,
    /// How many threads answer requests.
    pub workers: usize,
    /// How large a body may be as it comes.
    pub max_body: ByteSize,
    /// How large a compressed body may become.
    pub max_inflated: ByteSize,
    /// How large one click may be.
    pub max_click: ByteSize,
    /// How many clicks a body may hold.
    pub max_clicks: usize,
    /// How many bytes of bodies may be held at once, over all connections.
    pub max_held: ByteSize,
    /// How long a client may take to send a request's head.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long a client may take to send a body.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long requests in flight may take to end when the edge stops.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// What is kept of a client's address.
    pub ip: IpPolicy,
    /// The proxies whose `X-Forwarded-For` is believed: addresses or CIDR networks.
    pub trusted_proxies: Vec<Network>,
    /// The origins whose pages may send clicks; `*` for all, empty for none but the shop.
    pub origins: Vec<String>,
    /// Whether the demo shop is served at `/`.
    pub shop: bool,
}
