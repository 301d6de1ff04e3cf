//! What a process does until a signal comes: `up` runs every stage, a role runs one.

pub(crate) mod crawl;
pub(crate) mod dashboard;
mod demo;
pub(crate) mod health;
mod listener;
pub(crate) mod log;
pub(crate) mod prepare;
pub(crate) mod producer;
mod signals;
mod supervisor;
mod tail;
mod telemetry;
pub(crate) mod transformer;
pub(crate) mod up;
