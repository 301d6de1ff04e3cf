//! The pages.

mod controls;
pub(crate) mod counting;
pub(crate) mod datasets;
pub(crate) mod funnel;
mod hint;
pub(crate) mod overview;
pub(crate) mod pipeline;
pub(crate) mod sql;
