//! What people see of the lake: pages, SQL and a JSON API, served over HTTP.
//!
//! `/` is the dashboard and `/sql` free SQL; both are whole with scripts switched off, and a
//! script only draws the chart and fetches the panels again. `/api` gives the same numbers as
//! JSON and CSV, `/command` runs what a shell asks of this process.
//!
//! This crate knows neither the topic nor the object store: it reads the catalog, and what
//! needs the other two is handed in as functions ([`Sources`]). It draws no conclusion of its
//! own from a click; what is counted, the catalog counts.
//!
//! Invariants:
//! - What a client sent is escaped on a page, inside a script's data and in a CSV.
//! - No page needs anything from another host, and none runs an inline script or style.
//! - A listener on a loopback address answers only requests that name this machine; a command
//!   runs only for the holder of the owner's token.
//! - The accounting lays two independent measures side by side: offsets, and the footers.

mod api;
mod assets;
mod axis;
mod balance;
mod command;
mod config;
mod datasets;
mod figures;
#[cfg(test)]
mod fixture;
mod guard;
mod health;
mod page;
mod panels;
mod reply;
mod selection;
mod server;
mod sheet;
mod site;
mod sql;

pub use command::{Command, CommandError, Commands, Span, Watermarks};
pub use config::Config;
pub use server::{Error, run};
pub use site::Sources;
