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

mod address;
mod body;
pub mod config;
mod door;
pub mod edge;
mod identity;
pub mod import;
pub mod metrics;
mod pixel;
mod rejection;
mod scan;
mod server;
mod shop;
mod split;
#[cfg(test)]
mod stand_in;
pub mod visitors;

pub use config::Config;
pub use edge::{Accepted, Edge, EdgeFacts, Refused};
pub use rejection::Rejection;
pub use server::{Error, run};
