//! The objects of the lake: what they hold, what they are called, how they are written and read.

pub(crate) mod batch;
pub(crate) mod columns;
pub(crate) mod contents;
pub(crate) mod decode;
pub(crate) mod fetched;
pub(crate) mod footer;
pub(crate) mod identity;
pub(crate) mod letters;
pub(crate) mod names;
pub(crate) mod pending_rows;
pub(crate) mod proven;
pub(crate) mod read;
pub(crate) mod sort;
pub(crate) mod swapped;
pub(crate) mod thrift;
