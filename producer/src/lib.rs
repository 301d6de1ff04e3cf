//! The edge: HTTP in, topic out; and what feeds it, an import and simulated visitors.
//!
//! [`Edge::accept`] is the way of every click: the body is inflated, sniffed, split
//! into clicks and checked for well-formedness; the id and the visitor are found; and
//! an envelope is spliced around the client's untouched bytes. [`run`] serves that
//! over HTTP, with the demo shop; [`import`] sends files the same way; [`visitors`]
//! walk through the shop for the demo.
//!
//! It does not decide what a click means (the transformer does, so that a mistake
//! there can be mended and replayed), and it knows neither the lake nor `DuckDB`.
//!
//! Invariants:
//! - 2xx means durable: an answer waits for the topic's delivery.
//! - What a client sent is in the topic byte for byte, or it was refused in words.
//! - Everything is bounded: bodies, inflated bodies, clicks, depth, bytes held,
//!   accounts. A full edge answers 503 with `Retry-After`.
//! - No tree is built of a body, and nesting is bounded before anything descends.

mod accept;
mod address;
mod config;
mod http;
pub mod import;
mod server;
mod shop;
#[cfg(test)]
mod testing;
pub mod visitors;

pub use accept::edge::{Accepted, Edge, EdgeFacts, Refused};
pub use accept::rejection::Rejection;
pub use address::{IpPolicy, Network};
pub use config::Config;
pub use server::{Error, run};
