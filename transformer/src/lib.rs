//! The consumer group: records become rows or dead letters, and the loop that reads is the
//! loop that commits.
//!
//! [`transform`] is pure: a record and an [`Enrichment`] give a row or a [`Defect`]. [`run`]
//! is one member of the group: it asks the lake where each partition continues, feeds
//! batches, seals and commits them. A [`replay`] does the same outside the group, with a
//! stretch of the topic and a lake of its own. The [`tail`] reads on where the catalog ends, for
//! those who show clicks before the lake has them. The [`deep`] audit reads topic and lake
//! against each other.
//!
//! It knows nothing of Parquet, of the store's API or of serving HTTP; those are `sink`'s and
//! `compose`'s.
//!
//! Invariants (the numbers are DESIGN's):
//! - 3: a batch begins where the lake's answer to the one before ended.
//! - 5: no clock and no chance decides a row; a duplicate is judged by the topic alone.
//! - 9: a click's JSON is parsed once, borrowed from the record.
//! - 10: open and sealed batches share one budget; at twice the budget reading pauses.

mod config;
pub mod deep;
mod error;
mod partition;
pub mod replay;
mod resume;
mod row;
mod status;
pub mod tail;
mod window;
mod worker;

pub use config::Config;
pub use error::Error;
pub use row::transform::{Defect, Enrichment, event_id, transform};
pub use status::{PartitionStatus, Status};
pub use worker::{Components, run};
