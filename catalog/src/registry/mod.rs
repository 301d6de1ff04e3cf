//! The registry: the fold of the lake's objects and ledger in the catalog's tables.

pub(crate) mod backlog;
pub(crate) mod crawl;
pub(crate) mod discover;
pub(crate) mod fold;
pub(crate) mod listing;
pub(crate) mod load;
pub(crate) mod objects;
pub(crate) mod register;
pub(crate) mod replays;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod swaps;
pub(crate) mod sweep;
pub(crate) mod writer;
