//! The backlog: objects that are registered and not folded into the rollups yet.
//!
//! A crawl that finds little folds it in its own transaction. What is more it only registers, so
//! that all of a lake can be asked within seconds: until it is folded, a slice at a time, panels
//! read its rows.

use duckdb::Connection;

use crate::error::Error;
use crate::tables::piece::{Piece, fitting};

/// How many objects are folded at once at most: one statement of SQL lists them.
const MOST: usize = 10_000;
/// SQL of what is in the backlog. A promotion folds what it shows itself.
const WAITING: &str = "replay = '' AND NOT folded";

/// Whether so many rows may be folded as they are registered: they are few, and nothing waits
/// that a partition has before them.
pub(crate) fn is_next(connection: &Connection, rows: u64, most: u64) -> Result<bool, Error> {
    Ok(rows <= most && waiting(connection)? == 0)
}

pub(crate) fn waiting(connection: &Connection) -> Result<u64, Error> {
    let sql = format!("SELECT count(*)::UBIGINT FROM objects WHERE {WAITING}");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

/// The objects that are folded next. They are those that were appended first, since their hours
/// and visitors lie together; of each partition the first, so that one that turns out damaged
/// has none behind it that is folded.
pub(crate) fn slice(connection: &Connection, most: u64) -> Result<Vec<Piece>, Error> {
    let mut statement = connection.prepare(&format!(
        "SELECT path, current, \"rows\" FROM objects WHERE {WAITING}
         ORDER BY max(appended_at) OVER (PARTITION BY partition ORDER BY \"first\"), partition,
            \"first\" LIMIT {MOST}"
    ))?;
    let pieces = statement.query_map([], |row| {
        Ok(Piece::whole(row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let mut pieces: Vec<Piece> = pieces.collect::<Result<_, _>>()?;
    pieces.truncate(fitting(&pieces, most, |piece| piece.rows));
    Ok(pieces)
}
