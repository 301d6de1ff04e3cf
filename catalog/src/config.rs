//! `[catalog]`: where the database is, how often the lake is crawled, and what a query may
//! take.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::dataset::Dataset;
use crate::external::External;

/// The keys of `[catalog]`; the defaults and their reasons stand in `compose/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database's file. One process owns it.
    pub path: PathBuf,
    /// How often the lake's newest hours are crawled.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How often the whole lake is.
    #[serde(with = "humantime_serde")]
    pub full_every: Duration,
    /// What crawls and panels may hold in memory; beyond that DuckDB spills beside its file, at
    /// most four times as much.
    pub memory: ByteSize,
    /// What the tail may hold in memory: the rows that the lake does not have yet.
    pub tail_memory: ByteSize,
    /// How many rows are folded into the rollups at once: what is read of them is held in memory
    /// meanwhile.
    pub fold_rows: u64,
    /// DuckDB's threads: as many for crawls and panels, and as many for free SQL.
    pub threads: u32,
    /// What all free SQL together may hold in memory, in a database of its own; beyond that it
    /// spills beside the file, at most four times as much.
    pub query_memory: ByteSize,
    /// How long one query may run.
    #[serde(with = "humantime_serde")]
    pub query_timeout: Duration,
    /// How many rows one query may answer; the rest is cut, and the answer says so.
    pub query_rows: usize,
    /// How often the published copy is renewed.
    #[serde(with = "humantime_serde")]
    pub publish_every: Duration,
    /// The folder or file of DuckDB's `httpfs` extension, for a lake in a bucket.
    pub httpfs: PathBuf,
    /// The external tables; sections of their own.
    #[serde(skip)]
    pub externals: Vec<External>,
    /// The data sets; sections of their own.
    #[serde(skip)]
    pub datasets: Vec<Dataset>,
}
