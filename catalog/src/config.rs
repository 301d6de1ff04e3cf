//! `[catalog]`, `[[external]]` and `[[dataset]]`: where the database is, what it may take, and
//! which tables it has beside the lake's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The keys of `[catalog]`. The defaults and their reasons are in `compose/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database's file. One process owns it.
    pub path: PathBuf,
    /// How often the lake's newest hours are crawled.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How often the whole lake is crawled.
    #[serde(with = "humantime_serde")]
    pub full_every: Duration,
    /// The memory for crawls and panels. Beyond it DuckDB spills to a folder beside its file, at
    /// most four times as much.
    pub memory: ByteSize,
    /// The memory for the tail: the rows that the lake does not have yet.
    pub tail_memory: ByteSize,
    /// How many rows are folded into the rollups at once. A fold holds their columns in memory.
    pub fold_rows: u64,
    /// DuckDB's threads: as many for crawls and panels, and as many for each query.
    pub threads: u32,
    /// The memory for one query, in a process of its own; all together may take twice as much.
    /// Beyond it DuckDB spills to a folder beside the file, at most four times as much.
    pub query_memory: ByteSize,
    /// How long one query may run.
    #[serde(with = "humantime_serde")]
    pub query_timeout: Duration,
    /// How many rows an answer has at most. The rest is cut, and the answer says so.
    pub query_rows: usize,
    /// How often the published copy is renewed.
    #[serde(with = "humantime_serde")]
    pub publish_every: Duration,
    /// Whether those who load an Iceberg table get the S3 server and its keys with it.
    pub iceberg_keys: bool,
    /// The folder of DuckDB's extensions (`httpfs` for buckets, `sqlite_scanner`,
    /// `postgres_scanner`), each in a file `NAME.duckdb_extension`.
    pub extensions: PathBuf,
    /// The `[[external]]` tables, which are sections of their own.
    #[serde(skip)]
    pub externals: Vec<External>,
    /// The `[[dataset]]` tables, which are sections of their own.
    #[serde(skip)]
    pub datasets: Vec<Dataset>,
    /// How a process for free SQL is started. `None` if threads of this process run it, which a
    /// statement can end.
    #[serde(skip)]
    pub worker: Option<WorkerCommand>,
}

/// How a process for free SQL is started: a program that calls [`crate::serve_statements`] with its
/// standard output as the socket, and ends when its standard input does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The only variables of its environment, by which its libraries are found.
    pub variables: Vec<(OsString, OsString)>,
}

/// An `[[external]]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct External {
    /// Its name in SQL.
    pub name: String,
    /// A folder of Parquet files or `s3://BUCKET/PREFIX` in the lake's own store; or one file,
    /// `*.parquet`, `*.csv`, `*.tsv`, `*.json`, `*.ndjson` (each also `.gz`), `*.sqlite`, `*.db`.
    pub path: String,
    /// A PostgreSQL server instead of a path, as libpq takes it: `host=… dbname=… user=…`.
    pub postgres: String,
    /// The password of that user. It is written nowhere.
    #[serde(skip_serializing)]
    pub password: SecretString,
    /// The table of a SQLite file or of a server; a server's may have its schema before it.
    pub table: String,
    /// What happens to columns that the first crawl did not see.
    pub changes: Changes,
    /// How often a folder is crawled, a server's table copied, or a file looked at.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// The format of a file whose name does not say it: `csv`, `json`, `sqlite` or `parquet`.
    pub format: String,
    /// The types of columns, by their names: what is said here is not guessed.
    pub types: BTreeMap<String, String>,
    /// The letter between a CSV file's cells. Empty if the file shows it.
    pub delimiter: String,
    /// The letter around a CSV file's cells, `"` if it is empty; `none` if there is none.
    pub quote: String,
    /// Whether a CSV file begins with its columns' names. `None` if the file shows it.
    pub header: Option<bool>,
    /// A text file's encoding. Empty if a mark at its begin says it, or if it is UTF-8.
    pub encoding: String,
    /// The decimal point of a CSV file's numbers, `.` or `,`.
    pub decimal: String,
    /// Words for NULL in a CSV file.
    pub null: Vec<String>,
    /// How many lines of a CSV file come before its header.
    pub skip: u64,
}

impl Default for External {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: String::new(),
            postgres: String::new(),
            password: SecretString::default(),
            table: String::new(),
            changes: Changes::Add,
            every: Duration::from_secs(60),
            format: String::new(),
            types: BTreeMap::new(),
            delimiter: String::new(),
            quote: String::new(),
            header: None,
            encoding: String::new(),
            decimal: ".".to_owned(),
            null: Vec::new(),
            skip: 0,
        }
    }
}

/// What happens to columns that the first crawl did not see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Changes {
    /// The table gets them, and the crawl's history says so.
    #[default]
    Add,
    /// They are left out, and the crawl's history says so.
    Log,
    /// They are left out.
    Ignore,
}

/// How an external table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Tree,
    Csv,
    Json,
    Sqlite,
    Postgres,
}

impl External {
    /// How it is read, which its path's ending says.
    pub(crate) fn form(&self) -> Form {
        if !self.postgres.is_empty() {
            return Form::Postgres;
        }
        let path = self.path.to_ascii_lowercase();
        let path = path.strip_suffix(".gz").unwrap_or(&path);
        let ends = |with: &str| path.ends_with(with);
        match self.format.as_str() {
            "csv" => return Form::Csv,
            "json" => return Form::Json,
            "sqlite" => return Form::Sqlite,
            "parquet" => return Form::Tree,
            _ => {}
        }
        if ends(".csv") || ends(".tsv") || ends(".txt") {
            Form::Csv
        } else if ends(".json") || ends(".ndjson") || ends(".jsonl") {
            Form::Json
        } else if ends(".sqlite") || ends(".sqlite3") || ends(".db") {
            Form::Sqlite
        } else {
            Form::Tree
        }
    }

    /// Checks that its keys go together.
    ///
    /// # Errors
    /// [`Error::Invalid`], which says why they do not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (name, form) = (&self.name, self.form());
        let invalid = |why: &str| Err(Error::Invalid(format!("external {name:?}: {why}")));
        if self.path.is_empty() == self.postgres.is_empty() {
            return invalid("write either `path` or `postgres`");
        }
        if self.postgres.contains("password") {
            // An error of the server quotes this text.
            return invalid("the password is a key of its own, `password`");
        }
        if matches!(form, Form::Sqlite | Form::Postgres) == self.table.is_empty() {
            return invalid(
                "`table` names one of the tables of a SQLite file or a server, and of nothing else",
            );
        }
        self.check_cells()
    }

    /// Checks the keys of files of cells.
    fn check_cells(&self) -> Result<(), Error> {
        let (name, form) = (&self.name, self.form());
        let invalid = |why: String| Err(Error::Invalid(format!("external {name:?}: {why}")));
        let formats = ["", "csv", "json", "sqlite", "parquet"];
        if !formats.contains(&self.format.as_str()) {
            let format = &self.format;
            return invalid(format!(
                "`format` is {format:?}: write csv, json, sqlite or parquet"
            ));
        }
        let default = Self::default();
        let is_plain = self.delimiter.is_empty()
            && self.quote.is_empty()
            && self.header.is_none()
            && self.decimal == default.decimal
            && self.null.is_empty()
            && self.skip == 0;
        if form != Form::Csv && !is_plain {
            return invalid(
                "`delimiter`, `quote`, `header`, `decimal`, `null` and `skip` are keys of CSV files"
                    .to_owned(),
            );
        }
        if !matches!(form, Form::Csv | Form::Json) && !self.encoding.is_empty() {
            return invalid("`encoding` is a key of CSV and JSON files".to_owned());
        }
        if ![".", ","].contains(&self.decimal.as_str()) {
            let decimal = &self.decimal;
            return invalid(format!("`decimal` is {decimal:?}: write \".\" or \",\""));
        }
        Ok(())
    }

    /// The keys that decide what a copy of its file holds.
    pub(crate) fn keys(&self) -> String {
        format!(
            "{:?}",
            (
                (&self.path, &self.table, &self.format, &self.types),
                (&self.delimiter, &self.quote, self.header, &self.encoding),
                (&self.decimal, &self.null, self.skip),
            )
        )
    }

    /// Returns true if the catalog holds a copy of it: of all but Parquet, which is read where it
    /// is.
    pub(crate) fn is_copied(&self) -> bool {
        self.form() != Form::Tree
    }

    /// Returns true if its path names one file, and never a folder.
    pub(crate) fn is_file(&self) -> bool {
        self.form() != Form::Tree
    }
}

/// A `[[dataset]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its table's name.
    pub name: String,
    /// One statement that reads. It may read the lake's tables, external tables and the data sets
    /// before it.
    pub sql: String,
    /// How often its table is made. `None` if it is made after each crawl that registers
    /// something.
    #[serde(default, with = "humantime_serde::option")]
    pub every: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_how_a_table_is_read() {
        let form = |path: &str| {
            let external = External {
                name: "t".into(),
                path: path.into(),
                ..External::default()
            };
            (external.form(), external.is_file())
        };
        assert_eq!(form("/a/b"), (Form::Tree, false));
        assert_eq!(form("s3://b/c"), (Form::Tree, false));
        // Spark calls folders so, too.
        assert_eq!(form("/a/b.parquet"), (Form::Tree, false));
        assert_eq!(form("/a/B.CSV"), (Form::Csv, true));
        assert_eq!(form("/a/stock.txt"), (Form::Csv, true));
        assert_eq!(form("/a/B.Json.GZ"), (Form::Json, true));
        assert_eq!(form("/a/b.csv.gz"), (Form::Csv, true));
        assert_eq!(form("/a/b.ndjson"), (Form::Json, true));
        assert_eq!(form("/a/b.db"), (Form::Sqlite, true));
    }
}
