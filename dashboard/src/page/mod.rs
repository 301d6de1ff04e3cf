//! The pages.

pub(crate) mod controls;
pub(crate) mod datasets;
pub(crate) mod funnel;
pub(crate) mod overview;
pub(crate) mod pipeline;
pub(crate) mod sql;
