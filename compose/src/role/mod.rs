//! What serves until a signal: `up` runs every stage, a role runs its own (the dashboard's are
//! dashboard, crawler and tail). `prepare`, `health` and a single crawl end by themselves.

pub(crate) mod compactor;
pub(crate) mod crawl;
pub(crate) mod dashboard;
mod demo;
mod enrichment;
pub(crate) mod health;
mod listener;
pub(crate) mod log;
pub(crate) mod prepare;
pub(crate) mod producer;
mod rules;
mod signals;
mod supervisor;
mod tail;
mod telemetry;
pub(crate) mod transformer;
pub(crate) mod up;

use clap::ValueEnum;

/// What serves in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Producer,
    Transformer,
    Crawl,
    Dashboard,
    Compactor,
}
