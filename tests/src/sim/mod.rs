//! A seeded simulation: a shop, its topic, its workers and its lake in one thread and in virtual
//! time, with faults; and an auditor that knows what the lake should hold.
//!
//! The edge's `accept`, the transformer's loop, batch, seal, commit, tips, hand-over, ledger,
//! compaction and crawl are real. The topic ([`brokers`], which passes the topic's own suite), the store
//! ([`store`], which passes the object store's) and the catalog's tables are models. Every choice
//! comes from one [`Dice`], so a seed replays exactly.
//!
//! Nothing here is a part of the product: faults, kills and planted bugs are decorators of the
//! components that the product takes as parameters.

pub mod actors;
pub mod brokers;
pub mod client;
pub mod dice;
pub mod forgetter;
mod group;
pub mod makers;
mod member;
pub mod oracle;
mod pipe;
pub mod process;
mod reading;
pub mod replayer;
pub mod shelf;
pub mod shop;
pub mod store;
pub mod worker;
pub mod world;

pub use dice::{Bug, Dice, Fault};
pub use process::{Link, Process};
pub use world::{Report, play};
