//! The configuration of the edge.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::address::{IpPolicy, Network};
use crate::capture::CaptureRule;
use crate::privacy::policy::PrivacyPolicy;
use crate::secrets::QueryName;

/// The section `[producer]`. `compose/default.toml` holds each default and its reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address on which the edge listens.
    pub listen: SocketAddr,
    /// The number of threads that answer requests.
    pub workers: usize,
    /// The largest body, as it is sent.
    pub max_body: ByteSize,
    /// The largest size of a compressed body once it is inflated.
    pub max_inflated: ByteSize,
    /// The largest click.
    pub max_click: ByteSize,
    /// The most clicks in one body.
    pub max_clicks: usize,
    /// The most bytes of bodies in memory at once, over all connections.
    pub max_held: ByteSize,
    /// How long a client may take to send a request's head.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long a client may take to send a body.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long the requests in flight may take to finish when the edge stops.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// How much of a client's address is kept.
    pub ip: IpPolicy,
    /// What becomes of a click that says its visitor refused to be counted.
    pub consent: PrivacyPolicy,
    /// What becomes of the clicks of a browser that says `DNT: 1`.
    pub dnt: PrivacyPolicy,
    /// What becomes of the clicks of a browser that says `Sec-GPC: 1`.
    pub gpc: PrivacyPolicy,
    /// The file of the salts of cookieless visitors, which all edges share.
    pub salts: PathBuf,
    /// The names of the parameters that are taken out of every address in a click.
    pub strip_query: Vec<QueryName>,
    /// The proxies whose `X-Forwarded-For` is trusted: addresses or CIDR networks.
    pub trusted_proxies: Vec<Network>,
    /// The origins whose pages may send clicks: `*` for all; empty for the edge's own pages
    /// only. A click from any other page is refused.
    pub origins: Vec<String>,
    /// A file of rules, or `starter` for those that come with the program; empty for none.
    pub rules: String,
    /// The file of keys of those who may send clicks; empty for everybody.
    pub keys: String,
    /// The PEM file of the certificate by which the edge speaks TLS, with its issuers behind it;
    /// empty for plain HTTP.
    pub tls_cert: String,
    /// The PEM file of the certificate's key.
    pub tls_key: String,
    /// Listens beyond this machine without any key if true.
    pub open: bool,
    /// The addresses or networks that may read `/metrics` here, besides this machine.
    pub metrics_from: Vec<Network>,
    /// Serves the demo shop at `/` if true.
    pub shop: bool,
    /// The `[[capture]]` rules, which are sections of their own.
    #[serde(skip)]
    pub captures: Vec<CaptureRule>,
}

impl Config {
    /// Returns true if the edge speaks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        !self.tls_cert.trim().is_empty()
    }

    /// The scheme of the edge's addresses.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.has_tls() { "https" } else { "http" }
    }
}
