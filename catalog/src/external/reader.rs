//! The worker's side of external tables: it takes foreign files apart, which may end it, and sends
//! what it finds.

use std::io::{self, Read};
use std::sync::Arc;

use duckdb::Connection;

use crate::config::Form;
use crate::error::{Error, Trouble};
use crate::external::cells::raw::TypedFile;
use crate::external::cells::{sqlite, text_file};
use crate::external::fit::FileColumn;
use crate::external::kind::Kind;
use crate::external::kind::probe::Probes;
use crate::external::scan::scan;
use crate::external::server;
use crate::query::worker::answer::kept;
use crate::query::worker::remote::{Link, asked};
use crate::query::worker::wire::{ForeignSource, Opening, WorkerReport, send};
use crate::sql::joined;

/// Reads for the process at the other end of a link.
pub(crate) struct ForeignReader<'w> {
    pub(crate) connection: &'w Connection,
    pub(crate) link: &'w Link,
    pub(crate) opening: &'w Opening,
}

impl ForeignReader<'_> {
    /// Reads, and sends what is found.
    ///
    /// # Errors
    /// [`Error::Invalid`] says what is wrong with what was read, [`Error::TooLarge`] that it takes
    /// more than there is.
    pub(crate) fn read(&self, source: ForeignSource) -> Result<(), Error> {
        self.answer(source).map_err(|error| match error {
            // Nothing here is the catalog's, so what fails is what was read.
            Error::Unavailable(why) => match Trouble::of(&why) {
                Trouble::Memory | Trouble::Full => {
                    Error::too_large(why, "split it, or raise catalog.query_memory")
                }
                _ => Error::Invalid(why),
            },
            other => other,
        })
    }

    fn answer(&self, source: ForeignSource) -> Result<(), Error> {
        match source {
            ForeignSource::Parquet { path } => {
                let (columns, rows) = contents(self.connection, &path)?;
                self.tell(&WorkerReport::File { columns, rows })
            }
            ForeignSource::Misfits(counts) => {
                let lines = counts
                    .iter()
                    .map(|count| count.told(self.connection))
                    .collect::<Result<Vec<_>, _>>()?;
                let lines = lines.into_iter().flatten().collect();
                self.tell(&WorkerReport::Notes(lines))
            }
            ForeignSource::Text { external, bytes } => {
                let open = || -> Box<dyn Read> {
                    Box::new(SentFile {
                        link: Arc::clone(self.link),
                        at: 0,
                        bytes,
                    })
                };
                let typed = match external.form() {
                    Form::Csv => text_file::csv(self.connection, &external, &open)?,
                    _ => text_file::json(self.connection, &external, &open)?,
                };
                self.keep(self.connection, typed)
            }
            ForeignSource::Sqlite { external, load } => {
                let typed = sqlite::typed(self.connection, self.opening, &external, &load)?;
                self.keep(self.connection, typed)
            }
            ForeignSource::Postgres {
                external,
                password,
                load,
            } => {
                let source = server::attach(self.opening, &external, &password, &load)?;
                self.keep(&source, server::typed_table(&source, &external)?)
            }
        }
    }

    /// Sends what becomes a table of the catalog.
    fn keep(&self, connection: &Connection, typed: TypedFile) -> Result<(), Error> {
        self.tell(&WorkerReport::Notes(typed.notes))?;
        kept(connection, self.link, &typed.select).map(drop)
    }

    fn tell(&self, report: &WorkerReport) -> Result<(), Error> {
        send(&mut self.link.lock(), report, &[])
            .map_err(|error| Error::Unavailable(format!("nobody waits: {error}")))
    }
}

/// A file whose bytes the other process sends.
struct SentFile {
    link: Link,
    at: u64,
    bytes: u64,
}

impl Read for SentFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (into.len() as u64).min(self.bytes - self.at);
        if count == 0 {
            return Ok(0);
        }
        let report = WorkerReport::FetchBytes { at: self.at, count };
        let (sent, _) = asked(&self.link, &report).map_err(io::Error::other)?;
        let count = sent.len().min(into.len());
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into[..count].copy_from_slice(&sent[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

/// A file's columns with what its values are, and how many rows it has. It is read whole: its footer
/// may be sound and its rows damaged.
fn contents(connection: &Connection, path: &str) -> Result<(Vec<FileColumn>, u64), duckdb::Error> {
    let from = scan(&[path.to_owned()], false);
    let mut statement = connection.prepare(&format!(
        "SELECT column_name, column_type FROM (DESCRIBE FROM {from})"
    ))?;
    let columns = statement.query_map([], |row| {
        let kind: String = row.get(1)?;
        Ok((row.get(0)?, Kind::parse(&kind)))
    })?;
    let columns: Vec<(String, Kind)> = columns.collect::<Result<_, _>>()?;
    let mut probes = Probes::default();
    for (name, kind) in &columns {
        probes.ask(name, kind);
    }
    let asked: Vec<String> = probes.select().collect();
    // The hash reads every value.
    let sql = format!(
        "SELECT count(*)::UBIGINT, bit_xor(hash(t)), {} FROM {from} t",
        joined(&asked, ", ")
    );
    let (rows, answers) = connection.query_row(&sql, [], |row| {
        let answers = (2..2 + asked.len()).map(|place| row.get::<_, bool>(place));
        Ok((row.get(0)?, answers.collect::<Result<Vec<bool>, _>>()?))
    })?;
    let mut answers = answers.into_iter();
    let told = columns.into_iter().map(|(name, kind)| FileColumn {
        kind: Probes::told(&kind, &mut answers),
        name,
    });
    Ok((told.collect(), rows))
}
