//! How a record becomes a row. No clock, no chance and no state decides it.

mod address;
pub(crate) mod agent;
pub(crate) mod channel;
pub(crate) mod crawlers;
pub(crate) mod defect;
pub(crate) mod field_key;
pub(crate) mod format;
pub(crate) mod hints;
pub(crate) mod mapping;
mod moment;
pub(crate) mod native;
pub(crate) mod places;
mod properties;
pub(crate) mod transform;
mod value;
