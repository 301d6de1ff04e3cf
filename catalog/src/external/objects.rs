//! What the catalog keeps of a tree: its table's columns, and each file with its own.

use std::collections::BTreeMap;

use duckdb::{Connection, OptionalExt, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::external::fit::{FileColumn, TableColumn};
use crate::external::listing::Stamp;

/// A file that was looked at.
#[derive(Debug, Clone)]
pub(super) struct ForeignFile {
    pub(super) path: String,
    pub(super) stamp: Stamp,
    pub(super) rows: u64,
    /// None if it is damaged or no Parquet file.
    pub(super) columns: Vec<FileColumn>,
    /// Why the table does not show it. `None` if it does.
    pub(super) reason: Option<String>,
    /// True if it does not claim to be a Parquet file, so that nobody misses it.
    pub(super) left_out: bool,
}

/// A tree's table. Without columns nothing was shown yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TreeTable {
    pub(super) columns: Vec<TableColumn>,
    /// Why the tree is not read at all. `None` if it is.
    pub(super) refused: Option<String>,
}

/// The table of that name.
pub(super) fn table(connection: &Connection, name: &str) -> Result<TreeTable, Error> {
    let sql = "SELECT columns, reason FROM external_tables WHERE name = ?";
    let known = connection
        .query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((columns, refused)): Option<(String, Option<String>)> = known else {
        return Ok(TreeTable::default());
    };
    let columns = parsed(&columns)?;
    Ok(TreeTable { columns, refused })
}

/// Writes what is known of a table.
pub(super) fn keep_table(
    connection: &Connection,
    name: &str,
    table: &TreeTable,
) -> Result<(), Error> {
    connection.execute(
        "INSERT OR REPLACE INTO external_tables VALUES (?, ?, ?)",
        params![name, json(&table.columns), table.refused],
    )?;
    Ok(())
}

/// The stamps of all files that are known, by path.
pub(super) fn stamps(
    connection: &Connection,
    name: &str,
) -> Result<BTreeMap<String, Stamp>, Error> {
    let mut statement = connection
        .prepare("SELECT path, bytes, epoch_us(modified) FROM external_objects WHERE name = ?")?;
    let files = statement.query_map([name], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// A sound file: its path, its columns as JSON, and why the table does not show it.
pub(super) type SoundFile = (String, String, Option<String>);

/// The files that could be read, by path.
pub(super) fn sound_files(connection: &Connection, name: &str) -> Result<Vec<SoundFile>, Error> {
    let mut statement = connection.prepare(
        "SELECT path, columns, reason FROM external_objects
         WHERE name = ? AND columns <> '[]' ORDER BY path",
    )?;
    let files = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// Columns that were kept as JSON.
pub(super) fn parsed<T: DeserializeOwned>(json: &str) -> Result<Vec<T>, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::Unavailable(format!("its columns cannot be read: {error}")))
}

fn json<T: Serialize>(columns: &[T]) -> String {
    serde_json::to_string(columns).expect("columns are texts and flags")
}

/// Forgets a file.
pub(super) fn forget(connection: &Connection, name: &str, path: &str) -> Result<(), Error> {
    let sql = "DELETE FROM external_objects WHERE name = ? AND path = ?";
    connection.execute(sql, [name, path])?;
    Ok(())
}

/// Forgets all files, and returns how many there were.
pub(super) fn forget_all(connection: &Connection, name: &str) -> Result<u64, Error> {
    let sql = "DELETE FROM external_objects WHERE name = ?";
    Ok(connection.execute(sql, [name])? as u64)
}

/// Writes what is known of a file.
pub(super) fn remember(
    connection: &Connection,
    name: &str,
    file: &ForeignFile,
) -> Result<(), Error> {
    let (bytes, modified) = file.stamp;
    connection.execute(
        "INSERT OR REPLACE INTO external_objects
         VALUES (?, ?, ?, make_timestamptz(?), ?, ?, ?, ?)",
        params![
            name,
            file.path,
            bytes,
            modified,
            file.rows,
            json(&file.columns),
            file.reason,
            file.left_out
        ],
    )?;
    Ok(())
}

/// Writes why the table does not show a file; `None` if it does.
pub(super) fn set_reason(
    connection: &Connection,
    name: &str,
    path: &str,
    reason: Option<&str>,
) -> Result<(), Error> {
    let sql = "UPDATE external_objects SET reason = ? WHERE name = ? AND path = ?";
    connection.execute(sql, params![reason, name, path])?;
    Ok(())
}

/// The files that are left out: how many, and one of them.
pub(super) fn left_out(
    connection: &Connection,
    name: &str,
) -> Result<(u64, Option<String>), Error> {
    let sql = "SELECT count(*)::UBIGINT, min(path) FROM external_objects
         WHERE name = ? AND left_out";
    Ok(connection.query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
