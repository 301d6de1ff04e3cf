//! The log at rest: clicks wait here, in order per visitor, until the lake has them.
//!
//! This crate is the record, the offset and the envelope; the traits [`Topic`],
//! [`Writer`] and [`Reader`]; and their two backends, [`kafka`] for a Kafka or
//! Redpanda cluster and [`embedded`] for one machine. [`conformance`] is the one
//! suite that both must pass. [`clock`] is the only wall clock of the workspace.
//!
//! It is not a client library: only what the edge and the consumers share is here,
//! and it knows nothing of rows, Parquet, DuckDB or HTTP.
//!
//! Invariants:
//! - An acknowledged draft is durable: `acks=all` on Kafka, a group-committed
//!   fsync on the embedded topic.
//! - Drafts of one key keep their order; an offset is never given twice.
//! - An assigned partition is silent until it is sought, and after a seek no record
//!   from before the seek is delivered.
//! - A revoke waits for its acknowledgement, within the backend's bound.

mod backoff;
mod blocking;
pub mod clock;
pub mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod envelope;
pub mod kafka;
pub mod log;
mod open;
pub mod record;

pub use backoff::Backoff;
pub use config::{Config, Open};
pub use envelope::Envelope;
pub use log::{
    AppendError, Delivery, Event, Identity, Placed, ReadError, Reader, Revocation, Topic,
    Watermarks, Writer,
};
pub use open::open;
pub use record::{Draft, Offset, Partition, Record, Timestamp, Unit};
