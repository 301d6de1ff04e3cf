//! Which pieces the catalog lists.

use crate::db::engine::Session;
use crate::error::Error;
use crate::sql::Literal;
use crate::tables::piece::Piece;
use crate::tables::table::Table;

/// The objects of a lake that an SQL condition holds for. The live lake's name is empty.
pub(crate) fn pieces(
    session: &Session,
    table: Table,
    lake: &str,
    condition: &str,
) -> Result<Vec<Piece>, Error> {
    // Dead letters are few: DuckDB looks their columns up in each object.
    let (path, current, counted) = match table {
        Table::Clicks => ("path", "current", "\"rows\""),
        Table::Letters => ("letters", "false", "dead_letters"),
    };
    let mut statement = session.connection.prepare(&format!(
        r#"SELECT {path}, {current}, {counted} FROM objects
           WHERE replay = {} AND {counted} > 0 AND ({condition})
           ORDER BY partition, "first", path"#,
        Literal(lake)
    ))?;
    let pieces = statement.query_map([], |row| {
        Ok(Piece {
            path: row.get(0)?,
            current: row.get(1)?,
            rows: row.get(2)?,
        })
    })?;
    Ok(pieces.collect::<Result<_, _>>()?)
}
