//! The backlog: objects that are registered and not folded into the rollups yet.
//!
//! A crawl that finds few rows folds them in its own transaction. It only registers more, so that
//! all of a lake can be queried within seconds. Panels read the rows of the backlog until it is
//! folded, one slice at a time.

use duckdb::Connection;

use crate::error::Error;
use crate::tables::piece::{Piece, fitting};

/// How many objects are folded at once, at most: one statement of SQL lists them.
const MAX_SLICE_OBJECTS: usize = 10_000;
/// The condition of objects in the backlog.
const UNFOLDED: &str = "replay = '' AND NOT folded";

/// Returns true if so many new rows may be folded as they are registered: they are few, and the
/// backlog is empty.
pub(crate) fn is_next(connection: &Connection, rows: u64, fold_rows: u64) -> Result<bool, Error> {
    Ok(rows <= fold_rows && len(connection)? == 0)
}

/// How many objects are in the backlog.
pub(crate) fn len(connection: &Connection) -> Result<u64, Error> {
    let sql = format!("SELECT count(*)::UBIGINT FROM objects WHERE {UNFOLDED}");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

/// The objects that are folded next: those that were appended first, since they share hours and
/// visitors, and of each partition the first, so that no object behind a damaged one is folded.
pub(crate) fn next_slice(connection: &Connection, fold_rows: u64) -> Result<Vec<Piece>, Error> {
    let mut statement = connection.prepare(&format!(
        "SELECT path, current, \"rows\" FROM objects WHERE {UNFOLDED}
         ORDER BY max(appended_at) OVER (PARTITION BY partition ORDER BY \"first\"), partition,
            \"first\" LIMIT {MAX_SLICE_OBJECTS}"
    ))?;
    let pieces = statement.query_map([], |row| {
        Ok(Piece {
            path: row.get(0)?,
            current: row.get(1)?,
            rows: row.get(2)?,
        })
    })?;
    let mut pieces: Vec<Piece> = pieces.collect::<Result<_, _>>()?;
    pieces.truncate(fitting(&pieces, fold_rows, |piece| piece.rows));
    Ok(pieces)
}
