//! External tables: what others keep in files, read beside the lake's tables and joined with
//! them. A tree of Parquet objects (whoever wrote it, in whatever `key=value` folders) is
//! crawled: each object is read whole once, its columns become the table's, and one that cannot
//! be read, or does not fit, is quarantined with the reason. A file of CSV, JSON or SQLite is read
//! as it stands. A table of a PostgreSQL server is copied.

use duckdb::Connection;

use crate::config::{Config, External, Form};
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::tree;
use crate::sql::{named, nothing, plain, quoted};

/// SQL of the table.
pub(crate) fn select(external: &External, session: &Session) -> Result<String, Error> {
    let file = quoted(&plain(&external.path));
    Ok(match external.form() {
        Form::Tree => tree::select(session, &external.name)?,
        Form::Csv => format!("FROM read_csv({file})"),
        Form::Json => format!("FROM read_json({file})"),
        Form::Sqlite => {
            let (path, table) = (quoted(&external.path), quoted(&external.table));
            format!("FROM sqlite_scan({path}, {table})")
        }
        Form::Postgres => nothing(&format!(
            "external table {} was not copied yet: see external_runs",
            external.name
        )),
    })
}

/// Forgets what is kept of external tables that the configuration no longer has, or has otherwise.
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
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", named(&name)))?;
        }
        for table in ["external_tables", "external_objects"] {
            connection.execute(&format!("DELETE FROM {table} WHERE name = ?"), [&name])?;
        }
    }
    Ok(())
}
