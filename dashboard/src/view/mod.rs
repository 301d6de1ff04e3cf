//! How numbers are shown: tables, charts, bars and sentences.

pub(crate) mod balance;
pub(crate) mod cards;
pub(crate) mod datasets;
pub(crate) mod funnel;
pub(crate) mod grid;
pub(crate) mod human;
pub(crate) mod panels;
pub(crate) mod periods;
pub(crate) mod plot;
pub(crate) mod rates;
pub(crate) mod stacked;
