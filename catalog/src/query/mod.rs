//! Free SQL: one statement that reads, in a sandbox, within limits.

pub(crate) mod bind;
pub mod csv;
pub(crate) mod database;
pub(crate) mod formats;
pub(crate) mod functions;
pub(crate) mod live;
pub(crate) mod log;
mod moment;
pub(crate) mod rows;
pub(crate) mod sandbox;
pub(crate) mod snapshot;
pub(crate) mod tokens;
pub(crate) mod tree;
pub(crate) mod views;
pub(crate) mod worker;
