//! The served dashboard over a small real lake.

mod access;
pub(crate) mod fixture;
mod limits;
mod pages;
mod programs;
