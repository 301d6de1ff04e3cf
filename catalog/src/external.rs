//! External tables: what others keep in files, read beside the lake's tables and joined with
//! them. A tree of Parquet objects (whoever wrote it, in whatever `key=value` folders) is
//! crawled: each object is read whole once, its columns become the table's, and one that cannot
//! be read, or does not fit, is quarantined with the reason. A file of CSV, JSON or SQLite is read
//! as it stands. A table of a PostgreSQL server is copied.

mod column;
mod postgres;
mod tree;

use std::time::Duration;

use duckdb::Connection;
use secrecy::SecretString;
use serde::Deserialize;

use crate::engine::Session;
use crate::live::{TAIL, VIEWS};
use crate::loans::named;
use crate::remote::quoted;
use crate::schema;
use crate::views::{Table, plain};
use crate::{Config, Error};

pub use self::tree::{Adoption, Quarantined};

/// An `[[external]]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// Its name in SQL.
    pub name: String,
    /// A folder of Parquet files or `s3://BUCKET/PREFIX` in the lake's own store; or one file,
    /// `*.parquet`, `*.csv`, `*.tsv`, `*.json`, `*.ndjson` (each also `.gz`), `*.sqlite`, `*.db`.
    #[serde(default)]
    pub path: String,
    /// Or a PostgreSQL server, as its own tools are told of it: `host=… dbname=… user=…`.
    #[serde(default)]
    pub postgres: String,
    /// The password of that user.
    #[serde(default)]
    pub password: SecretString,
    /// Of a SQLite file or a server: which of its tables; a server's may have its schema before it.
    #[serde(default)]
    pub table: String,
    /// What becomes of columns that the first crawl did not see.
    #[serde(default)]
    pub changes: Changes,
    /// How often a tree is crawled, and a server's table copied.
    #[serde(default = "minute", with = "humantime_serde")]
    pub every: Duration,
}

const fn minute() -> Duration {
    Duration::from_secs(60)
}

/// What becomes of columns that the first crawl did not see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Changes {
    /// They become the table's, and the crawl's history says so.
    #[default]
    Add,
    /// They are left out, and the crawl's history says so.
    Log,
    /// They are left out.
    Ignore,
}

/// How a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Tree,
    Csv,
    Json,
    Sqlite,
    Postgres,
}

impl External {
    /// How it is read, by its name.
    pub(crate) fn form(&self) -> Form {
        if !self.postgres.is_empty() {
            return Form::Postgres;
        }
        let path = self.path.strip_suffix(".gz").unwrap_or(&self.path);
        let ends = |with: &str| path.ends_with(with);
        if ends(".csv") || ends(".tsv") {
            Form::Csv
        } else if ends(".json") || ends(".ndjson") || ends(".jsonl") {
            Form::Json
        } else if ends(".sqlite") || ends(".sqlite3") || ends(".db") {
            Form::Sqlite
        } else {
            Form::Tree
        }
    }

    /// Whether it can be read as it is configured.
    ///
    /// # Errors
    /// [`Error::Invalid`], which says why not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (name, form) = (&self.name, self.form());
        let invalid = |why: &str| Err(Error::Invalid(format!("external {name:?}: {why}")));
        if self.path.is_empty() == self.postgres.is_empty() {
            return invalid("write either `path` or `postgres`");
        }
        if self.postgres.contains("password") {
            // What is wrong with a server is told with the words that name it.
            return invalid("the password is a key of its own, `password`");
        }
        if matches!(form, Form::Sqlite | Form::Postgres) == self.table.is_empty() {
            return invalid(
                "`table` names one of the tables of a SQLite file or a server, and of nothing else",
            );
        }
        Ok(())
    }

    /// Whether its path names one file.
    pub(crate) fn is_file(&self) -> bool {
        self.form() != Form::Tree || self.path.ends_with(".parquet")
    }

    /// The name of a server's table in SQL.
    fn qualified(&self) -> String {
        let (schema, table) = self
            .table
            .split_once('.')
            .unwrap_or(("public", &self.table));
        format!("{}.{}", named(schema), named(table))
    }

    /// SQL of the table.
    pub(crate) fn select(&self, session: &Session) -> Result<String, Error> {
        let file = quoted(&plain(&self.path));
        Ok(match self.form() {
            Form::Tree => tree::select(session, &self.name)?,
            Form::Csv => format!("FROM read_csv({file})"),
            Form::Json => format!("FROM read_json({file})"),
            Form::Sqlite => {
                let (path, table) = (quoted(&self.path), quoted(&self.table));
                format!("FROM sqlite_scan({path}, {table})")
            }
            Form::Postgres => nothing(&format!(
                "external table {} was not copied yet: see external_runs",
                self.name
            )),
        })
    }
}

/// SQL of a table that says why it has no rows when it is read.
fn nothing(why: &str) -> String {
    format!(
        "SELECT NULL AS nothing WHERE error({})::BOOLEAN",
        quoted(why)
    )
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

/// Whether a table of one's own may bear this name: a word of SQL that nothing else here has.
///
/// # Errors
/// [`Error::Invalid`], which says why not.
pub(crate) fn fit(kind: &str, name: &str) -> Result<(), Error> {
    let taken =
        |table: Table| name == table.name() || name.starts_with(&format!("{}_", table.name()));
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !word {
        return Err(Error::Invalid(format!(
            "{kind} {name:?}: a name is small letters, digits and _, and begins with a letter"
        )));
    }
    let own = schema::NAMES.contains(&name) || schema::VIEWS.contains(&name);
    let known = own || VIEWS.contains(&name) || name == TAIL;
    if known || taken(Table::Clicks) || taken(Table::Letters) {
        return Err(Error::Invalid(format!(
            "{kind} {name:?}: the catalog has a table of that name, take another"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_that_nothing_else_has() {
        for name in ["orders", "p2_x"] {
            assert!(fit("external", name).is_ok(), "{name}");
        }
        for name in [
            "",
            "2p",
            "Products",
            "a b",
            "x\"y",
            "clicks",
            "clicks_a",
            "objects",
            "tail",
            "totals_per_minute",
        ] {
            assert!(fit("external", name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_a_path_names() {
        let form = |path: &str| {
            let external = External {
                name: "t".into(),
                path: path.into(),
                postgres: String::new(),
                password: String::new().into(),
                table: String::new(),
                changes: Changes::Add,
                every: minute(),
            };
            (external.form(), external.is_file())
        };
        assert_eq!(form("/a/b"), (Form::Tree, false));
        assert_eq!(form("s3://b/c"), (Form::Tree, false));
        assert_eq!(form("/a/b.parquet"), (Form::Tree, true));
        assert_eq!(form("/a/b.csv.gz"), (Form::Csv, true));
        assert_eq!(form("/a/b.ndjson"), (Form::Json, true));
        assert_eq!(form("/a/b.db"), (Form::Sqlite, true));
    }
}
