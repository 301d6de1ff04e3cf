//! Files of cells: CSV, JSON and SQLite. A file is copied into the catalog when it has changed: its
//! cells come in as text, and a column gets a type only if every cell, written from that type, is
//! the same text again.

mod csv;
mod dialect;
pub(crate) mod file;
mod guess;
mod json;
mod raw;
mod sqlite;
mod text;

pub(crate) use guess::typed;
pub(crate) use text::encoding;
