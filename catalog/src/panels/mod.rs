//! What the dashboard asks about the lake. Each panel is a function of a snapshot.

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
