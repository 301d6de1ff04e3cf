//! Columns, and how their values go from one database to another.

use duckdb::Connection;

use crate::db::table_function::FUNCTION;
use crate::sql::{named, quoted};

/// A column: its name, quoted, and its type in DuckDB's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
}

impl Column {
    /// Whether its values go from one database to another as they are. The others go as text.
    fn is_plain(&self) -> bool {
        const PLAIN: [&str; 16] = [
            "BOOLEAN",
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "UTINYINT",
            "USMALLINT",
            "UINTEGER",
            "UBIGINT",
            "FLOAT",
            "DOUBLE",
            "VARCHAR",
            "BLOB",
            "DATE",
            "TIMESTAMP",
            "TIMESTAMP WITH TIME ZONE",
        ];
        let kind = self.kind.as_str();
        PLAIN.contains(&kind) || (kind.starts_with("DECIMAL(") && kind.ends_with(')'))
    }

    /// SQL of its values as they are sent.
    pub(crate) fn sent(&self) -> String {
        let Self { name, .. } = self;
        match self.is_plain() {
            true => name.clone(),
            false => format!("{name}::VARCHAR AS {name}"),
        }
    }

    /// SQL of its values as they were before they were sent.
    pub(crate) fn received(&self) -> String {
        let Self { name, kind } = self;
        match self.is_plain() {
            true => name.clone(),
            false => format!("{name}::{kind} AS {name}"),
        }
    }
}

/// SQL that shows what is lent under a name, with the types that it had there.
pub(crate) fn received(name: &str, columns: &[Column]) -> String {
    let columns: Vec<String> = columns.iter().map(Column::received).collect();
    format!(
        "SELECT {} FROM {FUNCTION}({})",
        columns.join(", "),
        quoted(name)
    )
}

/// The columns of a table, or of a statement in brackets.
pub(crate) fn columns(connection: &Connection, of: &str) -> Result<Vec<Column>, duckdb::Error> {
    let sql = format!("SELECT column_name, column_type FROM (DESCRIBE FROM {of})");
    let mut statement = connection.prepare(&sql)?;
    let columns = statement.query_map([], |row| {
        let name: String = row.get(0)?;
        Ok(Column {
            name: named(&name),
            kind: row.get(1)?,
        })
    })?;
    columns.collect()
}
