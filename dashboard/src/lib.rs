//! What people see of the lake: pages, SQL and a JSON API, served over HTTP.
//!
//! `/` is the dashboard, `/funnel` shows who goes from one step to the next, `/sql` runs SQL,
//! `/datasets` shows the tables that the configuration adds, and `/pipeline` what became of every
//! record. All pages are complete without scripts. A script only draws the charts and fetches
//! the panels again. `/api` lists the same numbers as JSON and CSV, and `/command` runs what a
//! shell asks of this process.
//!
//! A request goes from `http` (is it let in, what are its parameters) through `select` (which
//! range, filters and step) to the catalog, and back through `view` (tables, charts, sentences)
//! into a `page` or the `api`.
//!
//! This crate knows neither the topic nor the object store. It reads the catalog, and gets
//! everything that needs the other two as functions ([`Sources`]). It does not interpret clicks:
//! the catalog counts, the dashboard shows.
//!
//! Invariants:
//! - What a client sent is escaped on a page, inside a script's data and in a CSV.
//! - No page needs anything from another host, and none runs an inline script or style.
//! - A listener on a loopback address answers only requests that name this machine. Any other
//!   listener answers only requests with the token. A command needs the owner's token.
//! - The accounting compares two independent measures: the offsets, and the objects' footers.

mod api;
mod command;
mod config;
mod disk;
mod firewall;
mod gauges;
mod http;
mod metrics;
mod page;
mod select;
mod server;
mod site;
#[cfg(test)]
mod tests;
mod view;

pub use command::{CommandError, CommandFn, Commands, Span, WatermarksFn};
pub use config::Config;
pub use disk::{DiskUse, Disks, ObjectState, ObjectStates};
pub use firewall::{EdgeHit, EdgeRules, EdgeWarningFn, RuleActivity, RuleCount};
pub use metrics::Exposition;
pub use server::{Error, run};
pub use site::{Site, Sources};
