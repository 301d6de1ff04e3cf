//! The topic: clicks wait here, in order per visitor, until the lake has them.
//!
//! [`open()`] gives a [`Topic`] from its URL: `file:FOLDER` is [`embedded`], for one machine, and
//! `kafka://HOST:PORT/TOPIC` is [`kafka`], for a Kafka or Redpanda cluster. A topic gives one
//! [`Writer`], which appends drafts and answers when they are durable, and [`Reader`]s, each a
//! member of a consumer group. What is in it is a [`Record`] at a [`Partition`] and [`Offset`],
//! and its value is an [`Envelope`] around the client's own JSON.
//!
//! [`conformance`] is the suite that both backends pass. [`clock`] is the only wall clock of the
//! workspace. This is not a client library: it has only what the edge and the consumers share,
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
pub mod event_id;
pub mod kafka;
pub mod log;
mod open;
mod positions;
pub mod record;

pub use backoff::Backoff;
pub use config::{Config, Open, RecordFormat};
pub use envelope::Envelope;
pub use event_id::{MAX_ID_BYTES, id_key, id_text, uuid_bytes, uuid_text};
pub use log::{
    AppendError, Delivery, Event, Identity, Placed, ReadError, Reader, Revocation, Topic,
    Watermarks, Writer,
};
pub use open::open;
pub use positions::ReadPositions;
pub use record::{Draft, Offset, Partition, Record, RecordHeader, Timestamp, Unit};
