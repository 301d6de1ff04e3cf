//! What an external table reads: a tree of adopted Parquet files, one file of another format, or
//! the copy of a server's table.

use duckdb::Connection;

use crate::config::{Config, External, Form};
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::scan;
use crate::sql::{Ident, Literal, failing, file};

/// SQL of the table.
pub(crate) fn select(external: &External, session: &Session) -> Result<String, Error> {
    let path = &external.path;
    Ok(match external.form() {
        Form::Tree => scan::select(session, &external.name)?,
        Form::Csv => format!("FROM read_csv({})", file(path)),
        Form::Json => format!("FROM read_json({})", file(path)),
        Form::Sqlite => format!(
            "FROM sqlite_scan({}, {})",
            Literal(path),
            Literal(&external.table)
        ),
        Form::Postgres => failing(&format!(
            "external table {} was not copied yet: see external_runs",
            external.name
        )),
    })
}

/// Deletes what is kept of external tables that the configuration no longer has, or has in another
/// form.
pub(crate) fn prune(connection: &Connection, config: &Config) -> Result<(), duckdb::Error> {
    let mut statement = connection.prepare("SELECT name FROM external_tables")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names.collect::<Result<Vec<_>, _>>()? {
        let sql = "SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = ?";
        let copied: bool = connection.query_row(sql, [&name], |row| row.get(0))?;
        let same = |one: &External| one.name == name && (one.form() == Form::Postgres) == copied;
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
