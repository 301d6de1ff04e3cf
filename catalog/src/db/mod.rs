//! DuckDB: its connections, what they may reach, and how rows go from one database to another.
//! Nothing here knows clicks.

pub(crate) mod access;
pub(crate) mod columns;
pub(crate) mod copy;
pub(crate) mod database;
pub(crate) mod engine;
pub(crate) mod table_function;
