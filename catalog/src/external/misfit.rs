//! Values that the type of their column does not hold: they are NULL, counted, and shown.

use duckdb::Connection;
use serde::{Deserialize, Serialize};

/// A count of a column's values that its type does not hold.
#[derive(Serialize, Deserialize)]
pub(crate) struct MisfitCount {
    column: String,
    /// The type, in DuckDB's words.
    kind: String,
    /// SQL of the count and an example.
    sql: String,
}

impl MisfitCount {
    /// Of `rows`, SQL of a relation, those are counted in which `text`, SQL of a value as text, is
    /// something and `kept`, SQL of the same value in its type, is NULL.
    pub(crate) fn new(column: &str, kind: &str, (text, kept): (&str, &str), rows: &str) -> Self {
        Self {
            column: column.to_owned(),
            kind: kind.to_owned(),
            sql: format!(
                "SELECT count(*)::UBIGINT, coalesce(min({text}), '') FROM {rows}
                 WHERE {text} IS NOT NULL AND {text} <> '' AND {kept} IS NULL"
            ),
        }
    }

    /// What is to be said of the column; `None` if its type holds all values.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn told(&self, connection: &Connection) -> Result<Option<String>, duckdb::Error> {
        let Self { column, kind, sql } = self;
        let counted = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (count, example): (u64, String) = counted?;
        Ok((count > 0).then(|| {
            format!(
                "column {column}: {count} cells are NULL because they are no {kind}, such as {example:?}"
            )
        }))
    }
}
