//! People's SQL.

pub(crate) mod ask;
pub(crate) mod bind;
pub(crate) mod copy;
pub mod csv;
pub(crate) mod formats;
pub(crate) mod lake;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod rows;
pub(crate) mod sandbox;
pub(crate) mod snapshot;
pub(crate) mod views;
