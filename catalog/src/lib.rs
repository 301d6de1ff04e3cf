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

mod accounting;
mod arrivals;
mod asker;
mod backlog;
mod breakdown;
mod config;
mod copy;
mod crawl;
mod crawler;
pub mod csv;
mod dataset;
mod desk;
mod diff;
mod dimension;
mod engine;
mod error;
mod external;
mod filter;
mod formats;
mod funnel;
mod grain;
mod holdings;
mod layers;
mod lend;
mod letters;
mod live;
mod loans;
mod marks;
mod open;
mod panels;
mod promotions;
mod publish;
mod query;
mod rates;
mod register;
mod remote;
mod replays;
mod rollup;
mod rows;
mod sandbox;
pub mod schedule;
mod schema;
mod source;
mod sweep;
mod tail;
mod totals;
mod uniques;
mod views;

pub use accounting::{Account, Accounting, Freshness, Run};
pub use arrivals::{Arrival, Arrivals, Arrived};
pub use asker::Asker;
pub use breakdown::{Breakdown, Slice};
pub use config::Config;
pub use crawl::Crawl;
pub use crawler::{Crawler, Found};
pub use dataset::{Dataset, DatasetRun, DatasetState};
pub use diff::{Compared, Diff, Difference};
pub use dimension::Dimension;
pub use error::Error;
pub use external::{Adoption, Changes, External, Quarantined};
pub use filter::Filter;
pub use funnel::{MOST_STEPS, Reached};
pub use holdings::Object;
pub use letters::{Letter, Letters};
pub use open::Catalog;
pub use panels::{Bucket, Metric, Point, Step};
pub use publish::PUBLISHED;
pub use rates::Rate;
pub use rows::Rows;
pub use sink::clock::SharedClock;
pub use sink::{Identity, Offset, Partition, Stretch, Timestamp};
pub use tail::Tail;
pub use totals::Totals;

#[cfg(test)]
mod tests;
