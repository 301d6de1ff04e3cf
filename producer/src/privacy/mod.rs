//! What is kept of clicks whose visitors do not want to be followed.

pub(crate) mod consent;
pub(crate) mod policy;
pub(crate) mod salts;
