//! What programs ask for.

pub(crate) mod certificate;
pub(crate) mod command;
pub(crate) mod health;
pub(crate) mod iceberg;
pub(crate) mod index;
pub(crate) mod live;
pub(crate) mod panels;
pub(crate) mod query;
