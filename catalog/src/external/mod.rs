//! External tables: files and tables of servers, read beside the lake's tables.
//!
//! What is in a foreign file is read by a worker, which it may end ([`reader`]). This process lists
//! trees, looks at the ends of Parquet files within bounds ([`survey`]), hands on bytes, and writes
//! the catalog.

mod adopt;
pub(crate) mod adoption;
mod cells;
pub(crate) mod fit;
mod folder;
pub(crate) mod keeper;
mod kind;
mod listing;
pub(crate) mod misfit;
mod objects;
mod postgres;
mod reach;
pub(crate) mod reader;
mod run;
mod scan;
mod server;
pub(crate) mod source;
mod survey;
mod tree;
