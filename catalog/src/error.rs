//! What can go wrong with the catalog, by what the caller does about it.

use std::path::PathBuf;
use std::time::Duration;

/// An error of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The SQL is not of the kind that is allowed here: tell who asked.
    #[error("{0}")]
    Refused(String),
    /// The SQL or a parameter is wrong: tell who asked, in DuckDB's words.
    #[error("{0}")]
    Invalid(String),
    /// The query ran into its time limit.
    #[error("the query took longer than {} s (catalog.query_timeout): narrow its range", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The query or its answer needs more memory than it may take.
    #[error("{0}")]
    TooLarge(String),
    /// Another process has the catalog's file open.
    #[error(
        "{} belongs to another process: ask that one, or attach its published copy, {published}, or set catalog.path to a file of your own",
        path.display()
    )]
    InUse {
        /// The catalog's file.
        path: PathBuf,
        /// Where the owner's published copy is.
        published: String,
    },
    /// The lake's own trouble.
    #[error(transparent)]
    Lake(#[from] sink::Error),
    /// The database fails now (its disk, its extension); nothing was registered.
    #[error("the catalog's database fails: {0}")]
    Unavailable(String),
}

impl Error {
    /// What a statement of ours met: never the asker's fault.
    pub(crate) fn ours(error: &duckdb::Error) -> Self {
        Self::Unavailable(sentence(error))
    }
}

impl From<duckdb::Error> for Error {
    fn from(error: duckdb::Error) -> Self {
        Self::ours(&error)
    }
}

/// DuckDB's own sentence.
pub(crate) fn sentence(error: &duckdb::Error) -> String {
    match error {
        duckdb::Error::DuckDBFailure(_, Some(text)) => text.trim().to_owned(),
        other => other.to_string(),
    }
}
