//! External tables: files and tables of servers, read beside the lake's tables.

pub(crate) mod adopt;
pub(crate) mod adoption;
pub(crate) mod column;
pub(crate) mod postgres;
pub(crate) mod source;
pub(crate) mod tree;
