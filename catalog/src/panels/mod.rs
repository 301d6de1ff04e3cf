//! What the dashboard asks about the lake. Each panel is a function of a snapshot.
//!
//! - `totals`: the totals of a range.
//! - `series`: numbers along a range, in steps.
//! - `breakdown`: clicks by the values of one dimension.
//! - `funnel`: how many visitors took one step after another.
//! - `online`: how many visitors are online, with those of the tail.
//! - `accounting`: what became of every offset, and how far each partition is registered.
//! - `rates`: how fast each partition grows.
//! - `letters`: the dead letters by reason, with samples.
//! - `diff`: a replay compared with the live rows.
//!
//! Two serve the others: `filter` says which clicks count, and `source` whether a number comes from
//! the rollup or from rows.

pub(crate) mod accounting;
pub(crate) mod breakdown;
pub(crate) mod diff;
pub(crate) mod filter;
pub(crate) mod funnel;
pub(crate) mod letters;
pub(crate) mod online;
pub(crate) mod rates;
pub(crate) mod series;
pub(crate) mod source;
pub(crate) mod totals;
