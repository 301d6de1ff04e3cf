//! The consumer group: records become rows or dead letters, and the loop that reads is the
//! loop that commits.
//!
//! Start at [`run`], one member of the group: it asks the lake where each partition continues,
//! fills batches, seals them and commits them. [`transform`] is pure: a record and an
//! [`Enrichment`] give a row or a [`Defect`].
//!
//! Three others read the topic outside the group. A [`replay`] reads a range again, into a lake of
//! its own. The [`tail`] reads on where the catalog ends, so that `clicks_live` shows a click
//! before the lake has it. The [`deep`] audit compares each record with the lake.
//!
//! The files, from the ground up: `row/` makes rows; `window` finds duplicates; `partition` is one
//! partition up to the sealed batch, for worker, tail and replay alike; `resume` finds positions.
//!
//! `plain/` reads a topic that others write: its records become envelopes before anything else sees
//! them.
//!
//! This crate knows nothing of Parquet, of the store's API or of serving HTTP: those are `sink`'s
//! and `compose`'s.
//!
//! Invariants:
//! - 3: a batch begins where the lake's answer to the one before ended.
//! - 5: no clock and no chance decides a row; a duplicate is judged by the topic alone.
//! - 9: a click's JSON is parsed once, borrowed from the record.
//! - 10: batches have one budget. If the open ones fill it, the largest is sealed; if open and
//!   sealed ones hold twice as much, reading pauses.

mod config;
pub mod deep;
mod enrichment;
mod error;
mod partition;
mod plain;
pub mod replay;
mod resume;
mod row;
mod status;
pub mod tail;
mod window;
mod worker;

pub use config::Config;
pub use enrichment::{EnrichConfig, Enrichment, EnrichmentFeed, EnrichmentParts};
pub use error::Error;
pub use plain::{PlainRule, PlainTopic};
pub use row::defect::Defect;
pub use row::format::mapping_tables;
pub use row::mapping::{MappingError, MappingFile};
pub use row::native::FIELDS;
pub use row::places::{PlaceError, PlaceFile};
pub use row::transform::transform;
pub use status::{PartitionStatus, Status, Stopped};
pub use worker::{Components, run};
