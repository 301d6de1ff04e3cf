//! Which objects are shown.

use crate::db::engine::Session;
use crate::error::Error;
use crate::tables::piece::Piece;
use crate::tables::table::Table;

impl Session {
    /// What `shown` lists of a table and an SQL condition holds for.
    pub(crate) fn pieces(&self, table: Table, condition: &str) -> Result<Vec<Piece>, Error> {
        self.listed(table, "shown", condition)
    }

    /// The objects of a lake, empty for the live one, for which an SQL condition holds.
    pub(crate) fn pieces_of(
        &self,
        table: Table,
        replay: &str,
        condition: &str,
    ) -> Result<Vec<Piece>, Error> {
        let objects = format!("(SELECT *, false AS cut FROM objects WHERE replay = '{replay}')");
        self.listed(table, &objects, condition)
    }

    fn listed(&self, table: Table, from: &str, condition: &str) -> Result<Vec<Piece>, Error> {
        // Dead letters are few: their columns are looked up in each object.
        let (path, current, counted) = match table {
            Table::Clicks => ("path", "current", "\"rows\""),
            Table::Letters => ("letters", "false", "dead_letters"),
        };
        let mut statement = self.connection.prepare(&format!(
            r#"SELECT {path}, {current}, cut, replay, partition, "first", "end", {counted} FROM {from}
               WHERE {counted} > 0 AND ({condition}) ORDER BY replay, partition, "first""#
        ))?;
        let pieces = statement.query_map([], |row| {
            let (path, current, rows) = (row.get(0)?, row.get(1)?, row.get(7)?);
            Ok(if row.get(2)? {
                let range = (row.get(5)?, row.get(6)?);
                Piece::cut(path, current, rows, row.get(3)?, row.get(4)?, range)
            } else {
                Piece::whole(path, current, rows)
            })
        })?;
        Ok(pieces.collect::<Result<_, _>>()?)
    }
}
