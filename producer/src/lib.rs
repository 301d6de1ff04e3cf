//! The edge: clicks come in over HTTP and go out into the topic.
//!
//! [`Edge::accept`] is the way of every click. The body is inflated, split into clicks and
//! checked to be well-formed; the click's id and visitor are read; and an envelope is
//! written around the client's unchanged bytes. [`run`] serves this over HTTP: clicks at
//! `POST /v1/events` and `GET /pixel.gif`, the tracker for any site's pages at
//! `/clickweir.js`, `/healthz`, `/readyz` and `/metrics`. With `producer.shop` it also
//! serves a demo shop, through which simulated [`visitors`] walk. [`import`] sends files by
//! the same way.
//!
//! This crate does not decide what a click means. The transformer does, so a mistake there
//! can be fixed and the topic replayed. It knows neither the lake nor `DuckDB`.
//!
//! Invariants:
//! - 2xx means durable: an answer waits until the topic has acknowledged the clicks.
//! - The JSON that a client sent is in the topic byte for byte, without the secrets in its
//!   addresses, or it was refused with a reason.
//!   The clicks of the pixel and of mapped lines are JSON that this crate writes.
//! - Everything is bounded: bodies, inflated bodies, clicks, nesting, bytes in memory,
//!   accounts. A full edge answers 503 with `Retry-After`.
//! - A body is never parsed into a tree, and its nesting is checked before a parser
//!   descends into it.
//!
//! Where to start: `accept/` is the way of a click, `http/` the routes, `rules/` the firewall, `server/` the
//! stage's start and shutdown, `tls/` its certificate, `shop/`, `import/` and `visitors/` what their names say.

mod accept;
mod address;
mod capture;
mod config;
mod hex;
mod http;
pub mod import;
mod keys;
mod metrics;
mod privacy;
mod proxies;
mod rate;
mod rules;
mod sample;
mod secrets;
mod server;
mod shop;
#[cfg(test)]
mod testing;
mod tls;
pub mod visitors;
mod watched;

pub use accept::edge::{Edge, EdgeFacts, LeftOutClicks, PendingAppend, RejectedItem};
pub use accept::rejection::Rejection;
pub use address::{IpPolicy, Network};
pub use capture::{CaptureField, CaptureRule};
pub use config::Config;
pub use keys::{KeyError, KeyStore, generate_key};
pub use metrics::{EdgeMetrics, Exposition, Monitor};
pub use privacy::policy::PrivacyPolicy;
pub use proxies::ProxyWatch;
pub use rules::{Firewall, FirewallReport, RuleError, RuleHit, RuleMetrics};
pub use sample::ClickShare;
pub use secrets::QueryName;
pub use server::{Error, run};
pub use tls::{CertificateError, EdgeTls};
