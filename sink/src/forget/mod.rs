//! Erasure: what somebody asked to be forgotten, as those see it who read records and rows.

pub(crate) mod keys;
pub(crate) mod records;
mod request;
pub(crate) mod rule;
mod texts;

#[cfg(test)]
mod tests;
