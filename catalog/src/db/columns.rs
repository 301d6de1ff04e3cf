//! The columns of tables, and how their values go from one database to another.

use duckdb::Connection;

use crate::db::engine::Session;
use crate::error::Error;
use crate::sql::{Ident, joined};

/// A column of a table in DuckDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlColumn {
    pub(crate) name: Ident<String>,
    /// Its type in DuckDB's words.
    pub(crate) kind: String,
}

/// The types whose values Arrow carries unchanged. Values of other types are sent as text.
const ARROW_TYPES: [&str; 16] = [
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

impl SqlColumn {
    fn is_arrow(&self) -> bool {
        let kind = self.kind.as_str();
        ARROW_TYPES.contains(&kind) || (kind.starts_with("DECIMAL(") && kind.ends_with(')'))
    }

    /// SQL of its values as they are sent.
    pub(crate) fn sent(&self) -> String {
        let Self { name, .. } = self;
        match self.is_arrow() {
            true => name.to_string(),
            false => format!("{name}::VARCHAR AS {name}"),
        }
    }

    /// SQL of its values with the type that they had before they were sent.
    pub(crate) fn received(&self) -> String {
        let Self { name, kind } = self;
        match self.is_arrow() {
            true => name.to_string(),
            false => format!("{name}::{kind} AS {name}"),
        }
    }
}

/// SQL that selects these columns of a table function with the types that they had.
pub(crate) fn received(from: &str, columns: &[SqlColumn]) -> String {
    let columns = joined(columns.iter().map(SqlColumn::received), ", ");
    format!("SELECT {columns} FROM {from}")
}

/// The columns of a table, or of a statement in brackets.
pub(crate) fn columns(connection: &Connection, of: &str) -> Result<Vec<SqlColumn>, duckdb::Error> {
    let sql = format!("SELECT column_name, column_type FROM (DESCRIBE FROM {of})");
    let mut statement = connection.prepare(&sql)?;
    let columns = statement.query_map([], |row| {
        Ok(SqlColumn {
            name: Ident(row.get(0)?),
            kind: row.get(1)?,
        })
    })?;
    columns.collect()
}

/// A table of the catalog's own database.
pub(crate) struct CatalogTable {
    pub(crate) name: String,
    /// About how many rows it has.
    pub(crate) rows: u64,
    pub(crate) columns: Vec<SqlColumn>,
}

/// The catalog's tables that `wanted` returns true for.
pub(crate) fn tables(
    session: &Session,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<CatalogTable>, Error> {
    let mut statement = session.connection.prepare(
        "SELECT table_name, estimated_size::UBIGINT FROM duckdb_tables()
         WHERE database_name = current_database() AND NOT temporary ORDER BY table_oid",
    )?;
    let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tables: Vec<(String, u64)> = tables.collect::<Result<_, _>>()?;
    let tables = tables.into_iter().filter(|(name, _)| wanted(name));
    tables
        .map(|(name, rows)| {
            let columns = columns(&session.connection, &Ident(&name).to_string())?;
            Ok(CatalogTable {
                name,
                rows,
                columns,
            })
        })
        .collect()
}
