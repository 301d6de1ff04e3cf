//! What people see of the lake: pages, SQL and a JSON API, served over HTTP.
//!
//! `/` is the dashboard, `/funnel` who goes from one step to the next, `/sql` free SQL,
//! `/datasets` the tables that the configuration adds, `/pipeline` what became of every record;
//! all are whole with scripts switched off, and a
//! script only draws the charts and fetches the panels again. `/api` gives the same numbers as
//! JSON and CSV, `/command` runs what a shell asks of this process.
//!
//! This crate knows neither the topic nor the object store: it reads the catalog, and what
//! needs the other two is handed in as functions ([`Sources`]). It draws no conclusion of its
//! own from a click; what is counted, the catalog counts.
//!
//! Invariants:
//! - What a client sent is escaped on a page, inside a script's data and in a CSV.
//! - No page needs anything from another host, and none runs an inline script or style.
//! - A listener on a loopback address answers only requests that name this machine, any other
//!   only those that bear the token; a command runs only for the holder of the owner's token.
//! - The accounting lays two independent measures side by side: offsets, and the footers.

mod api;
mod command;
mod config;
mod http;
mod page;
mod select;
mod server;
mod site;
#[cfg(test)]
mod tests;
mod view;

pub use command::{Command, CommandError, Commands, Span, Watermarks};
pub use config::Config;
pub use server::{Error, run};
pub use site::Sources;
