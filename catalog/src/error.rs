//! The catalog's errors, by what the caller does about them.

use std::path::PathBuf;
use std::time::Duration;

/// An error of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The statement is not of a kind that is allowed here. The caller may read why.
    #[error("{0}")]
    Refused(String),
    /// The SQL or a parameter is wrong. The caller may read why, in DuckDB's words.
    #[error("{0}")]
    Invalid(String),
    /// The query ran into its time limit.
    #[error("the query took longer than {} s (catalog.query_timeout): ask for a shorter range", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The query or its answer needs more memory than it may take.
    #[error("{what}: {remedy}")]
    TooLarge {
        /// What took how much.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// Every place for such work was taken for so long.
    #[error("all {places} places for work of this kind were taken for {} s: try again in a moment", waited.as_secs_f64())]
    Busy {
        /// How many there are.
        places: usize,
        /// How long was waited for one.
        waited: Duration,
    },
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
    /// The lake fails.
    #[error(transparent)]
    Lake(#[from] sink::Error),
    /// The database fails now (its disk, its extension). Nothing was registered.
    #[error("the catalog's database fails: {0}")]
    Unavailable(String),
}

impl Error {
    /// Returns an [`Error::TooLarge`].
    pub(crate) fn too_large(what: impl Into<String>, remedy: &str) -> Self {
        Self::TooLarge {
            what: what.into(),
            remedy: remedy.to_owned(),
        }
    }
}

impl Error {
    /// The error of a statement of the catalog's own, which is not the caller's fault.
    pub(crate) fn internal(error: &duckdb::Error) -> Self {
        Self::Unavailable(sentence(error))
    }
}

impl From<duckdb::Error> for Error {
    fn from(error: duckdb::Error) -> Self {
        Self::internal(&error)
    }
}

/// How many characters of a sentence are kept: some quote the whole value that they mean.
const MAX_SENTENCE_CHARS: usize = 2_000;

/// DuckDB's own sentence.
pub(crate) fn sentence(error: &duckdb::Error) -> String {
    let text = match error {
        duckdb::Error::DuckDBFailure(_, Some(text)) => text.trim().to_owned(),
        other => other.to_string(),
    };
    // An internal error ends with the library's calls, which are nobody's answer.
    let text = match text.split_once("\nStack Trace:") {
        Some((words, _)) => words.trim_end().to_owned(),
        None => text,
    };
    match text.char_indices().nth(MAX_SENTENCE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The version of DuckDB whose texts [`Trouble::of`] knows.
#[cfg(test)]
const VERSION: &str = "v1.5.5";

/// What DuckDB reports, by what the caller does about it. The library has no codes for these, so
/// this is the one place that reads its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another process has the file open.
    Locked,
    /// The system does not let a file be used: a permission, a disk that fails, a limit.
    Denied,
    /// The disk is full.
    Full,
    /// The file's content is damaged.
    Corrupt,
    /// No file matches a pattern.
    Missing,
    /// A file or an object is not there any more.
    Gone,
    /// A file, a server or the database itself fails in another way.
    Failing,
    /// The statement was interrupted.
    Interrupted,
    /// The statement needs more memory than it may take.
    Memory,
    /// The statement asks for what the settings forbid.
    Forbidden,
    /// Anything else: the statement itself is wrong.
    Other,
}

/// What the system says when it does not let a sound file be used.
const SYSTEM_REFUSALS: [&str; 8] = [
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "Too many open files",
    "Input/output error",
    "Is a directory",
    "Not a directory",
    "Stale file handle",
];

impl Trouble {
    /// Classifies a sentence of DuckDB. What a sentence quotes, such as a path, is not looked at.
    pub(crate) fn of(sentence: &str) -> Self {
        let line = sentence.lines().next().unwrap_or_default();
        let Some((kind, text)) = line.split_once(": ") else {
            return Self::Other;
        };
        // The system's own words come last, after the quoted path.
        let system = text.rsplit_once("\": ").map_or("", |(_, words)| words);
        // … and a server's after an address in single quotes.
        let server = text.rsplit_once('\'').map_or("", |(_, words)| words);
        match kind {
            "INTERRUPT Error" => Self::Interrupted,
            "Out of Memory Error" => Self::Memory,
            "Permission Error" => Self::Forbidden,
            "IO Error" if text.starts_with("Could not set lock on file") => Self::Locked,
            "IO Error" if text.starts_with("Corrupt ") => Self::Corrupt,
            "IO Error" if text.contains("not a valid DuckDB database file") => Self::Corrupt,
            "IO Error" if text.starts_with("No files found that match the pattern") => {
                Self::Missing
            }
            "IO Error"
                if SYSTEM_REFUSALS
                    .iter()
                    .any(|words| system.starts_with(words)) =>
            {
                Self::Denied
            }
            "IO Error" if system.starts_with("No space left on device") => Self::Full,
            "IO Error" if system.starts_with("No such file or directory") => Self::Gone,
            "HTTP Error" if server.contains("(HTTP 404") => Self::Gone,
            "IO Error" | "HTTP Error" | "FATAL Error" => Self::Failing,
            _ => Self::Other,
        }
    }
}

impl From<&duckdb::Error> for Trouble {
    fn from(error: &duckdb::Error) -> Self {
        Self::of(&sentence(error))
    }
}

/// The error of a caller's statement: who can mend it.
pub(crate) fn blame(error: &duckdb::Error, sql: &str, limit: Duration) -> Error {
    let text = sentence(error);
    let first = text.lines().next().unwrap_or(&text);
    match Trouble::of(&text) {
        Trouble::Interrupted => Error::TimedOut(limit),
        Trouble::Memory => {
            Error::too_large(first, "narrow the query, or raise catalog.query_memory")
        }
        Trouble::Forbidden => Error::Refused(format!(
            "{first}: only the lake's own objects and external tables can be read"
        )),
        Trouble::Other => Error::Invalid(text),
        // A file that the statement names itself, and not one of the lake's tables.
        _ if quotes_of(first).any(|quoted| sql.contains(quoted)) => Error::Invalid(text),
        // Its object was merged or erased longer ago than it may take.
        Trouble::Gone => Error::Unavailable(format!(
            "{first}; what the query began to read was replaced meanwhile: ask again, and run \
             `clickweir audit` if it stays so"
        )),
        Trouble::Locked
        | Trouble::Denied
        | Trouble::Full
        | Trouble::Corrupt
        | Trouble::Missing
        | Trouble::Failing => Error::Unavailable(text),
    }
}

/// What a sentence has in double quotes.
fn quotes_of(sentence: &str) -> impl Iterator<Item = &str> {
    let quoted = sentence.split('"').skip(1).step_by(2);
    quoted.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use duckdb::Connection;

    use super::*;

    #[test]
    fn attack_4_a_system_that_refuses_is_no_damage() {
        let check = |words: &str, expect: Trouble| {
            let sentence = format!("IO Error: Cannot open file \"/a/lock: b\": {words}");
            assert_eq!(Trouble::of(&sentence), expect, "{words}");
        };
        check("Read-only file system", Trouble::Denied);
        check("Too many open files", Trouble::Denied);
        check("Input/output error", Trouble::Denied);
        check("No space left on device", Trouble::Full);
        check("No such file or directory", Trouble::Gone);
    }

    #[test]
    fn the_texts_are_those_of_the_linked_version() {
        let database = Connection::open_in_memory().unwrap();
        let version: String = database
            .query_row("SELECT version()", [], |row| row.get(0))
            .unwrap();
        assert_eq!(
            version, VERSION,
            "look whether its texts are still those below"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let met = |sql: &str| {
            let error = database.execute_batch(sql).expect_err(sql);
            (Trouble::from(&error), sentence(&error))
        };
        let check = |sql: &str, expect: Trouble| {
            let (trouble, text) = met(sql);
            assert_eq!(trouble, expect, "{text}");
        };
        std::fs::write(
            path("text"),
            "no database, and longer than a header".repeat(500),
        )
        .unwrap();
        check(&format!("ATTACH '{}'", path("text")), Trouble::Corrupt);
        check(
            "COPY (FROM range(9)) TO '/dev/full' (FORMAT csv)",
            Trouble::Full,
        );
        check(
            &format!("FROM read_csv('{}')", path("*.csv")),
            Trouble::Missing,
        );
        check("FROM read_parquet('/none')", Trouble::Missing);
        check("FROM clicks", Trouble::Other);
        check(
            "SELECT error('IO Error: Could not set lock on file')",
            Trouble::Other,
        );
        check(
            "SET memory_limit = '1MB'; SELECT list(range) FROM range(1e8::BIGINT)",
            Trouble::Memory,
        );
        check(
            "SET enable_external_access = false; FROM read_csv('/a')",
            Trouble::Forbidden,
        );
    }

    #[test]
    fn a_sentence_that_quotes_a_large_value_is_cut() {
        let database = Connection::open_in_memory().unwrap();
        let sql = "SELECT repeat('é', 100000)::INTEGER";
        let text = sentence(&database.execute_batch(sql).expect_err(sql));
        assert_eq!(text.chars().count(), MAX_SENTENCE_CHARS + 1);
        assert!(text.starts_with("Conversion Error"), "{text}");
    }

    #[test]
    fn attack_17_a_file_that_the_statement_names_is_the_statements_fault() {
        let database = Connection::open_in_memory().unwrap();
        let check = |sql: &str, asked: &str, invalid: bool| {
            let error = database.execute_batch(sql).expect_err(sql);
            let error = blame(&error, asked, Duration::ZERO);
            assert_eq!(matches!(error, Error::Invalid(_)), invalid, "{error:?}");
        };
        let missing = "FROM read_parquet('/none/nothing*.parquet')";
        check(missing, missing, true);
        check(missing, "FROM clicks", false);
        let folder = "FROM read_parquet('/proc')";
        check(folder, folder, true);
    }

    #[test]
    fn a_sentence_is_told_by_its_kind_and_not_by_what_it_quotes() {
        let check = |text: &str, expect| assert_eq!(Trouble::of(text), expect, "{text}");
        check(
            "IO Error: Could not set lock on file \"/a\": Conflicting lock is held in /bin/x (PID 7)",
            Trouble::Locked,
        );
        check(
            "IO Error: Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3",
            Trouble::Corrupt,
        );
        check(
            "IO Error: Cannot open file \"/a\": Permission denied",
            Trouble::Denied,
        );
        check(
            "IO Error: Cannot open file \"/Permission denied\": No such file or directory",
            Trouble::Gone,
        );
        check(
            "IO Error: Could not write file \"/block\": No space left on device",
            Trouble::Full,
        );
        check(
            "HTTP Error: HTTP 503 at \"s3://b/Conflicting lock\"",
            Trouble::Failing,
        );
        check(
            "HTTP Error: HTTP GET error reading 's3://b/x' in region '' (HTTP 404 Not Found)",
            Trouble::Gone,
        );
        check(
            "HTTP Error: HTTP GET error reading 's3://b/(HTTP 404' in region '' (HTTP 503 Slow)",
            Trouble::Failing,
        );
        check(
            "FATAL Error: Failed: database has been invalidated",
            Trouble::Failing,
        );
        check("INTERRUPT Error: Interrupted!", Trouble::Interrupted);
        check("Binder Error: no function \"lock\"", Trouble::Other);
        check("", Trouble::Other);
    }
}
