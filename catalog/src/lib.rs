//! The catalog of a lake: the crawler and the query engine, a fold of the lake's objects and ledger
//! in DuckDB.
//!
//! [`Catalog`] has a method for each thing that the crate does. [`Catalog::crawl`] registers what
//! the lake committed and folds it into the rollups; [`Catalog::fold`] folds the backlog of a large
//! crawl; [`schedule::run`] does both on time. Panels ([`Catalog::totals`] and its neighbours) take a
//! [`Filter`]. [`Catalog::ask`] runs free SQL in a sandbox. A [`Tail`] holds the rows that the lake
//! does not have yet. An [`External`] table is a file or a table of a server, and a [`Dataset`] is
//! named SQL that is kept as a table.
//!
//! This crate does not know brokers and does not serve HTTP. Its database belongs to one process and
//! holds nothing that the lake and the external tables do not: if it is deleted, it is built again.
//!
//! The folders depend on one another in this order: `sql`, `names`, `config`; `db`, which does not
//! know clicks; `tables`, the lake as SQL; `rollup`; `registry`, the fold of objects and ledger;
//! `tail`, then `panels`; `external` and `query`, which share the workers; then `dataset`, `catalog`,
//! `open`, `probe` and `schedule`. A folder's functions take a session and a location, and never
//! name [`Catalog`].
//!
//! Invariants (ARCHITECTURE.md has their numbers):
//! - 6: the catalog is a fold of the lake's objects and ledger; a crawl is one transaction, and the
//!   same crawl again changes nothing.
//! - 7: readers bind explicit lists of objects from one snapshot, and no pattern.
//! - 8: the partition path is the hour of arrival; people ask by `occurred_at`.
//! - An object is registered only if its range begins at its partition's end.

mod catalog;
mod config;
mod dataset;
mod db;
mod error;
mod external;
mod forget;
mod iceberg;
mod metrics;
mod names;
mod open;
mod panels;
mod probe;
mod publisher;
mod query;
mod registry;
mod rollup;
pub mod schedule;
mod sql;
mod tables;
mod tail;

pub use catalog::Catalog;
pub use config::{Changes, Config, Dataset, External, WorkerCommand};
pub use dataset::{DatasetRun, DatasetState};
pub use db::access::shipped_folders;
pub use error::Error;
pub use external::adoption::{Adoption, Quarantined};
pub use iceberg::IcebergTable;
pub use panels::accounting::{Accounting, Freshness, OffsetAccount};
pub use panels::breakdown::{Breakdown, Slice};
pub use panels::diff::{Diff, Difference, TableDiff};
pub use panels::filter::Filter;
pub use panels::funnel::{MAX_STEPS as MAX_FUNNEL_STEPS, Reached};
pub use panels::letters::{Letter, Letters};
pub use panels::rates::Rate;
pub use panels::series::{Bucket, Metric, Point, Step};
pub use panels::totals::Totals;
pub use query::csv;
pub use query::log::Caller;
pub use query::rows::Rows;
pub use query::worker::serve::serve_statements;
pub use registry::crawl::Crawl;
pub use registry::discover::{Crawler, NewObjects};
pub use registry::listing::{HeldEvent, Object};
pub use registry::runs::Run;
pub use registry::schema::beside;
pub use rollup::dimension::{Dimension, short_value};
pub use sink::clock::SharedClock;
pub use sink::{Identity, Offset, Partition, PendingRows, Timestamp, Unit};
pub use tables::publish::PUBLISHED;
pub use tail::feed::{Arrival, ArrivalBatch, ArrivalFeed};
pub use tail::memory::Tail;

#[cfg(test)]
mod tests;
