//! What an external table reads: a tree of adopted Parquet files, or a copy of a file of another
//! format or of a server's table.

use std::fs;

use duckdb::Connection;
use sink::{UnfitParquet, check_parquet};

use crate::config::{Config, External, Form};
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::cells::{encoding, typed};
use crate::external::listing::is_parquet_name;
use crate::external::objects::table;
use crate::external::reach::Reach;
use crate::external::scan;
use crate::sql::{Ident, failing};

/// Checks what the keys of a table say of its content, and that its file is of a known format.
///
/// # Errors
/// [`Error::Invalid`], which says what to write.
pub(crate) fn check(external: &External) -> Result<(), Error> {
    let External { name, path, .. } = external;
    let invalid = |why: String| Error::Invalid(format!("external {name:?}: {why}"));
    for (column, kind) in &external.types {
        typed(kind).map_err(|why| invalid(format!("types.{column}: {why}")))?;
    }
    if !external.encoding.is_empty() {
        encoding(&external.encoding).map_err(invalid)?;
    }
    let unknown = external.form() == Form::Tree && !is_parquet_name(path);
    let Some(found) = fs::metadata(path)
        .ok()
        .filter(|found| unknown && found.is_file())
    else {
        return Ok(());
    };
    let read = |range| Reach::Folder.read(path, range);
    if check_parquet(found.len(), read) == Err(UnfitParquet::NoParquet) {
        let file = path.rsplit('/').next().unwrap_or(path);
        let ending = file
            .rsplit_once('.')
            .map_or("nothing", |(_, ending)| ending);
        return Err(invalid(format!(
            "{path} ends in {ending:?}, which is no known format: say its `format`, csv, json, sqlite or parquet"
        )));
    }
    Ok(())
}

/// SQL of the table, if the catalog holds no copy of it. Of a table that should be copied and cannot
/// be, it says why when it is read.
pub(crate) fn select(external: &External, session: &Session) -> Result<String, Error> {
    let name = &external.name;
    if !external.is_copied() {
        return scan::select(session, external);
    }
    let refused = table(&session.connection, name)?.refused;
    let why = refused.unwrap_or_else(|| "it was not copied yet: see external_runs".to_owned());
    Ok(failing(&format!("external table {name}: {why}")))
}

/// Deletes what is kept of external tables that the configuration no longer has, or has in another
/// form.
pub(crate) fn prune(connection: &Connection, config: &Config) -> Result<(), duckdb::Error> {
    let names = "SELECT name FROM external_tables UNION SELECT name FROM external_objects";
    let mut statement = connection.prepare(names)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names.collect::<Result<Vec<_>, _>>()? {
        let sql = "SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = ?";
        let copied: bool = connection.query_row(sql, [&name], |row| row.get(0))?;
        let same = |one: &External| one.name == name && one.is_copied() == copied;
        if config.externals.iter().any(same) {
            continue;
        }
        if config.datasets.iter().all(|dataset| dataset.name != name) {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", Ident(&name)))?;
        }
        for table in ["external_tables", "external_objects"] {
            connection.execute(&format!("DELETE FROM {table} WHERE name = ?"), [&name])?;
        }
    }
    Ok(())
}
