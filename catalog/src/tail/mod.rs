//! The tail: rows that the topic has and the lake does not yet, kept in memory until a crawl
//! registers them.

pub(crate) mod feed;
pub(crate) mod memory;
pub(crate) mod partition;
pub(crate) mod snapshot;
