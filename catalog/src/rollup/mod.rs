//! Sums by time and dimension, added up as objects are registered.

pub(crate) mod dimension;
pub(crate) mod fold;
pub(crate) mod grain;
pub(crate) mod layers;
pub(crate) mod measures;
pub(crate) mod uniques;
