//! Erasure: what somebody asked to be forgotten, as those see it who read records and rows.

pub(crate) mod certificate;
pub(crate) mod erase;
mod erasure_rule;
pub(crate) mod keys;
mod proof;
mod purge;
pub(crate) mod records;
mod request;
pub(crate) mod rule;
pub(crate) mod scan;
pub(crate) mod sign;
mod texts;

#[cfg(test)]
pub(crate) mod tests;
