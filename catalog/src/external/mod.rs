//! External tables: files and tables of servers, read beside the lake's tables.

pub(crate) mod adopt;
pub(crate) mod adoption;
mod cells;
mod fit;
mod folder;
pub(crate) mod keeper;
mod kind;
mod listing;
mod objects;
pub(crate) mod postgres;
mod reach;
mod scan;
pub(crate) mod source;
pub(crate) mod tree;
