//! The cells of a table or a view of a SQLite file. SQLite lets any cell hold any value, whatever
//! its column declares, so they come in as text. A DuckDB that is opened for this one copy reads
//! them.

use duckdb::Connection;

use crate::config::External;
use crate::db::database;
use crate::error::Error;
use crate::external::cells::guess::CellPlan;
use crate::external::cells::raw::{RawTable, TypedFile};
use crate::query::worker::wire::Opening;
use crate::sql::{Ident, Literal, joined};

/// Gathers the table's cells, and gives them types.
pub(crate) fn typed(
    connection: &Connection,
    opening: &Opening,
    external: &External,
    load: &str,
) -> Result<TypedFile, Error> {
    let source = attach(opening, external, load)?;
    let columns = columns(&source, &external.table)?;
    if columns.is_empty() {
        let why = format!("it has no table {}", external.table);
        return Err(Error::Invalid(why));
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
    let mut raw = RawTable::new(connection, &names)?;
    let mut statement = source.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cells = (0..names.len()).map(|place| row.get(place));
        let cells: Vec<Option<String>> = cells.collect::<Result<_, _>>()?;
        raw.push(cells.iter().map(Option::as_deref))?;
    }
    let plans: Vec<CellPlan> = columns.into_iter().map(|(_, plan)| plan).collect();
    raw.finish(external, &plans)
}

fn attach(opening: &Opening, external: &External, load: &str) -> Result<Connection, Error> {
    let connection = database::source(opening.memory_bytes, &opening.spill)?;
    connection.execute_batch(load)?;
    let path = Literal(&external.path);
    // The extension would make a file that is not there.
    if !std::path::Path::new(&external.path).is_file() {
        return Err(Error::Invalid("there is no such file".to_owned()));
    }
    // The extension closes the file with each transaction, also between a statement's two steps.
    let attach = format!("ATTACH {path} AS source (TYPE sqlite, READ_ONLY); BEGIN TRANSACTION");
    connection.execute_batch(&attach)?;
    Ok(connection)
}

/// A table's columns, and what each declares.
fn columns(source: &Connection, table: &str) -> Result<Vec<(String, CellPlan)>, duckdb::Error> {
    let pragma = format!("PRAGMA table_info({})", Ident(table));
    let sql = format!(
        "SELECT name, \"type\" FROM sqlite_query('source', {})",
        Literal(pragma)
    );
    let mut statement = source.prepare(&sql)?;
    let columns = statement.query_map([], |row| {
        let declared: Option<String> = row.get(1)?;
        Ok((row.get(0)?, plan(&declared.unwrap_or_default())))
    })?;
    columns.collect()
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
