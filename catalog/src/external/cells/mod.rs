//! Files of cells: CSV, JSON and SQLite. A worker reads a file, and it is copied into the catalog
//! when it has changed: its cells come in as text, and a column gets a type only if every cell,
//! written from that type, is the same text again.

mod csv;
mod dialect;
pub(crate) mod file;
mod guess;
mod json;
pub(crate) mod raw;
pub(crate) mod sqlite;
mod text;
pub(crate) mod text_file;

pub(crate) use guess::typed;
pub(crate) use text::encoding;
