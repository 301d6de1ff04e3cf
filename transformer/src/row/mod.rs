//! How a record becomes a row. No clock, no chance and no state decides it.

mod address;
pub(crate) mod agent;
pub(crate) mod crawlers;
pub(crate) mod defect;
pub(crate) mod format;
mod hints;
mod moment;
pub(crate) mod native;
mod properties;
pub(crate) mod transform;
mod value;
