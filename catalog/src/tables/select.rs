//! Which pieces the catalog lists.

use sink::Offset;

use crate::db::engine::Session;
use crate::error::Error;
use crate::sql::{Literal, OffsetRange};
use crate::tables::piece::Piece;
use crate::tables::table::Table;

/// The pieces that a table shows and that an SQL condition holds for.
pub(crate) fn pieces(
    session: &Session,
    table: Table,
    condition: &str,
) -> Result<Vec<Piece>, Error> {
    listed(session, table, "shown", condition)
}

/// The objects of a lake that an SQL condition holds for. The live lake's name is empty.
pub(crate) fn objects(
    session: &Session,
    table: Table,
    lake: &str,
    condition: &str,
) -> Result<Vec<Piece>, Error> {
    let lake = Literal(lake);
    let objects = format!("(SELECT *, false AS cut FROM objects WHERE replay = {lake})");
    listed(session, table, &objects, condition)
}

fn listed(
    session: &Session,
    table: Table,
    from: &str,
    condition: &str,
) -> Result<Vec<Piece>, Error> {
    // Dead letters are few: DuckDB looks their columns up in each object.
    let (path, current, counted) = match table {
        Table::Clicks => ("path", "current", "\"rows\""),
        Table::Letters => ("letters", "false", "dead_letters"),
    };
    let mut statement = session.connection.prepare(&format!(
        r#"SELECT {path}, {current}, cut, replay, partition, "first", "end", {counted} FROM {from}
           WHERE {counted} > 0 AND ({condition}) ORDER BY replay, partition, "first""#
    ))?;
    let pieces = statement.query_map([], |row| {
        let (path, current, rows) = (row.get(0)?, row.get(1)?, row.get(7)?);
        if !row.get(2)? {
            return Ok(Piece::whole(path, current, rows));
        }
        let range = OffsetRange {
            partition: row.get(4)?,
            first: Offset(row.get(5)?),
            end: Offset(row.get(6)?),
        };
        Ok(Piece::cut(path, current, rows, row.get(3)?, range))
    })?;
    Ok(pieces.collect::<Result<_, _>>()?)
}
