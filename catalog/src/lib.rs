//! The crawler and the query engine: a fold of the lake's objects and ledger in DuckDB.
//!
//! [`Catalog::crawl`] registers what the lake committed, and adds it to the rollups, or leaves
//! much of it to [`Catalog::fold`]; [`schedule::run`] does both on time. [`Catalog::ask`] is free SQL in a sandbox, in a DuckDB of
//! its own; the panels ([`Catalog::totals`] and its neighbours) take a [`Filter`] and read only
//! the objects that it can concern. [`Catalog::publish`] writes a small copy for notebooks.
//! Replays are registered beside the live lake, each a table of its own; [`Catalog::diff`]
//! compares one with the live rows, and what the ledger promotes is shown in their place.
//! A [`Tail`] that somebody feeds holds what the lake lacks yet; `clicks_live` is both. An
//! [`External`] table is what others keep in files, a [`Dataset`] named SQL that is kept as a
//! table.
//!
//! This crate knows no brokers and serves no HTTP. Its database is private to one process
//! and holds nothing that the lake and those files do not: delete it, and it is built again.
//!
//! Invariants (the numbers are DESIGN's):
//! - 6: the catalog is a fold of the lake's objects and ledger; a crawl is one
//!   transaction, and the same crawl again changes nothing.
//! - 7: readers bind explicit lists of objects, taken in one snapshot; nothing globs.
//! - 8: the partition path is the hour of arrival; what people ask by is `occurred_at`.
//! - An object is registered only where its range begins at its partition's end.

mod catalog;
mod config;
mod dataset;
mod db;
mod error;
mod external;
mod names;
mod open;
mod panels;
mod query;
mod registry;
mod rollup;
pub mod schedule;
mod sql;
mod tables;
mod tail;

pub use catalog::Catalog;
pub use config::{Changes, Config, Dataset, External};
pub use dataset::{DatasetRun, DatasetState};
pub use error::Error;
pub use external::adopt::{Adoption, Quarantined};
pub use panels::accounting::{Account, Accounting, Freshness};
pub use panels::breakdown::{Breakdown, Slice};
pub use panels::diff::{Compared, Diff, Difference};
pub use panels::filter::Filter;
pub use panels::funnel::{MOST_STEPS, Reached};
pub use panels::letters::{Letter, Letters};
pub use panels::rates::Rate;
pub use panels::series::{Bucket, Metric, Point, Step};
pub use panels::totals::Totals;
pub use query::csv;
pub use query::log::Asker;
pub use query::rows::Rows;
pub use registry::crawl::Crawl;
pub use registry::discover::{Crawler, Found};
pub use registry::listing::Object;
pub use registry::runs::Run;
pub use rollup::dimension::Dimension;
pub use sink::clock::SharedClock;
pub use sink::{Identity, Offset, Partition, PendingRows, Timestamp};
pub use tables::publish::PUBLISHED;
pub use tail::feed::{Arrival, Arrivals, Arrived};
pub use tail::memory::Tail;

#[cfg(test)]
mod tests;
