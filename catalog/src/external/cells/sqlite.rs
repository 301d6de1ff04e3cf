//! The cells of a table or a view of a SQLite file. SQLite lets any cell hold any value, whatever
//! its column declares, so they come in as text. A DuckDB that is opened for this one copy reads
//! them.

use duckdb::Connection;

use crate::config::{Config, External};
use crate::db::access::{SQLITE, load};
use crate::db::database;
use crate::external::cells::guess::CellPlan;
use crate::external::cells::raw::{CellsError, RawTable, TypedFile};
use crate::sql::{Ident, Literal, joined};

/// Copies the table into the catalog.
pub(super) fn copy(
    catalog: &Connection,
    config: &Config,
    external: &External,
) -> Result<TypedFile, CellsError> {
    let source = attach(config, external)?;
    let columns = columns(&source, &external.table)?;
    if columns.is_empty() {
        let why = format!("it has no table {}", external.table);
        return Err(CellsError::File(why));
    }
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let cells = columns.iter().map(|(name, plan)| {
        let name = Ident(name);
        match plan {
            CellPlan::Hex => format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END AS {name}"),
            // Bytes that are no text have none.
            _ => format!(
                "CASE WHEN typeof({name}) <> 'blob' THEN CAST({name} AS TEXT) END AS {name}"
            ),
        }
    });
    let select = format!(
        "SELECT {} FROM {}",
        joined(cells, ", "),
        Ident(&external.table)
    );
    let sql = format!("FROM sqlite_query('source', {})", Literal(select));
    let mut raw = RawTable::new(catalog, &names)?;
    let of_file = |error: duckdb::Error| CellsError::of_file(&error);
    let mut statement = source.prepare(&sql).map_err(of_file)?;
    let mut rows = statement.query([]).map_err(of_file)?;
    while let Some(row) = rows.next().map_err(of_file)? {
        let cells = (0..names.len()).map(|place| row.get(place));
        let cells: Vec<Option<String>> = cells.collect::<Result<_, _>>().map_err(of_file)?;
        raw.push(cells.iter().map(Option::as_deref))?;
    }
    let plans: Vec<CellPlan> = columns.into_iter().map(|(_, plan)| plan).collect();
    raw.finish(external, &plans)
}

fn attach(config: &Config, external: &External) -> Result<Connection, CellsError> {
    let limits = database::limits(config.query_memory, 1)?;
    let connection = Connection::open_in_memory_with_flags(limits)?;
    connection.execute_batch(&load(SQLITE, &config.extensions)?)?;
    let path = Literal(&external.path);
    // The extension would make a file that is not there.
    if !std::path::Path::new(&external.path).is_file() {
        return Err(CellsError::File("there is no such file".to_owned()));
    }
    // The extension closes the file with each transaction, also between a statement's two steps.
    let attach = format!("ATTACH {path} AS source (TYPE sqlite, READ_ONLY); BEGIN TRANSACTION");
    connection
        .execute_batch(&attach)
        .map_err(|error| CellsError::of_file(&error))?;
    Ok(connection)
}

/// A table's columns, and what each declares.
fn columns(source: &Connection, table: &str) -> Result<Vec<(String, CellPlan)>, CellsError> {
    let pragma = format!("PRAGMA table_info({})", Ident(table));
    let sql = format!(
        "SELECT name, \"type\" FROM sqlite_query('source', {})",
        Literal(pragma)
    );
    let read = || {
        let mut statement = source.prepare(&sql)?;
        let columns = statement.query_map([], |row| {
            let declared: Option<String> = row.get(1)?;
            Ok((row.get(0)?, plan(&declared.unwrap_or_default())))
        })?;
        columns.collect::<Result<_, duckdb::Error>>()
    };
    read().map_err(|error| CellsError::of_file(&error))
}

/// The type of a column by what it declares, as SQLite itself reads it. A number of any kind, and a
/// computed column, which declares nothing, are what their values are.
fn plan(declared: &str) -> CellPlan {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    let typed = |kind: &str| CellPlan::Typed(kind.to_owned());
    if has("INT") || has("BOOL") {
        typed("BIGINT")
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        typed("VARCHAR")
    } else if has("BLOB") {
        CellPlan::Hex
    } else if has("TIMESTAMP") || has("DATETIME") {
        typed("TIMESTAMP")
    } else if has("DATE") {
        typed("DATE")
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        typed("DOUBLE")
    } else {
        CellPlan::Guessed { numbers: true }
    }
}
