//! `[catalog]`: where the database is, how often the lake is crawled, and what a query may
//! take.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use serde::Deserialize;

use crate::error::Error;
use crate::sql::named;

/// The keys of `[catalog]`; the defaults and their reasons stand in `compose/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database's file. One process owns it.
    pub path: PathBuf,
    /// How often the lake's newest hours are crawled.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How often the whole lake is.
    #[serde(with = "humantime_serde")]
    pub full_every: Duration,
    /// What crawls and panels may hold in memory; beyond that DuckDB spills beside its file, at
    /// most four times as much.
    pub memory: ByteSize,
    /// What the tail may hold in memory: the rows that the lake does not have yet.
    pub tail_memory: ByteSize,
    /// How many rows are folded into the rollups at once: what is read of them is held in memory
    /// meanwhile.
    pub fold_rows: u64,
    /// DuckDB's threads: as many for crawls and panels, and as many for free SQL.
    pub threads: u32,
    /// What all free SQL together may hold in memory, in a database of its own; beyond that it
    /// spills beside the file, at most four times as much.
    pub query_memory: ByteSize,
    /// How long one query may run.
    #[serde(with = "humantime_serde")]
    pub query_timeout: Duration,
    /// How many rows one query may answer; the rest is cut, and the answer says so.
    pub query_rows: usize,
    /// How often the published copy is renewed.
    #[serde(with = "humantime_serde")]
    pub publish_every: Duration,
    /// The folder or file of DuckDB's `httpfs` extension, for a lake in a bucket.
    pub httpfs: PathBuf,
    /// The external tables; sections of their own.
    #[serde(skip)]
    pub externals: Vec<External>,
    /// The data sets; sections of their own.
    #[serde(skip)]
    pub datasets: Vec<Dataset>,
}

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
    pub(crate) fn qualified(&self) -> String {
        let (schema, table) = self
            .table
            .split_once('.')
            .unwrap_or(("public", &self.table));
        format!("{}.{}", named(schema), named(table))
    }
}

/// A `[[dataset]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its table's name.
    pub name: String,
    /// One statement that reads; it may read the lake's tables, external ones and data sets that
    /// stand before it.
    pub sql: String,
    /// How often it is made; without it, after each crawl that registered something.
    #[serde(default, with = "humantime_serde::option")]
    pub every: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

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
