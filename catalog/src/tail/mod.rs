//! Rows that the topic has and the lake does not yet.

pub(crate) mod feed;
pub(crate) mod memory;
pub(crate) mod partition;
pub(crate) mod snapshot;
