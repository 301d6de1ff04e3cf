//! The probe: what the lake's client writes must be what DuckDB reads under the same name, here and
//! in a notebook. A name that both write differently would leave every row unread.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use duckdb::Connection;

use crate::catalog::Catalog;
use crate::db::access::LakeAccess;
use crate::db::engine::{Mode, STATEMENT_TIMEOUT, Session};
use crate::error::{Error, sentence};
use crate::sql::{Literal, file};

/// The number that the probe reads back.
const ANSWER: u64 = 42;

impl Catalog {
    /// Writes an object and a database into the lake, and reads both back through DuckDB, by the
    /// absolute names that the tables and the published copy use. `nonce` keeps two probes apart.
    /// Where nothing can be written nothing is probed: a crawl only reads.
    ///
    /// # Errors
    /// [`Error::Invalid`] if what was written cannot be read back.
    pub async fn probe(&self, nonce: &str) -> Result<(), Error> {
        let inner = &self.inner;
        let (object, copy) = (
            format!("_probe/{nonce}.parquet"),
            format!("_probe/{nonce}.duckdb"),
        );
        let parquet = self.make(make_object).await?;
        if let Err(error) = inner.lake.replace(&object, parquet).await {
            tracing::warn!(%error, "the lake cannot be probed: it cannot be written");
            return Ok(());
        }
        let read = self.read_back(&object, &copy).await;
        for path in [&object, &copy] {
            if let Err(error) = inner.lake.sweep(path).await {
                tracing::debug!(path, "a probe's object stays: {error}");
            }
        }
        read.map_err(|why| {
            Error::Invalid(format!(
                "what is written to the lake at {} cannot be read back by DuckDB: {why}; give \
                 lake.url a place of letters, digits and `-`, `_`, `.`, `/`",
                inner.lake.location()
            ))
        })
    }

    /// Reads the object as the tables do, and through a database in the lake as a notebook does.
    async fn read_back(&self, object: &str, copy: &str) -> Result<(), String> {
        let inner = &self.inner;
        let location = inner.lake.location();
        let (place, shop) = (location.absolute(object), location.absolute(copy));
        let sql = format!("SELECT answer FROM read_parquet({})", file(&place));
        let table = move |session: &mut Session| Ok(answer(&session.connection, &sql)?);
        let read = inner.engine.run(Mode::Read, STATEMENT_TIMEOUT, table).await;
        if said(read)? != ANSWER {
            return Err("it reads another object".to_owned());
        }
        let open = said(LakeAccess::new(&inner.config, location, &inner.s3))?.open;
        let access = open.clone();
        let database = move |scratch: &Path| make_copy(scratch, &access, &place);
        let database = said(self.make(database).await)?;
        said(inner.lake.replace(copy, database).await)?;
        let notebook = move || {
            let connection = Connection::open_in_memory()?;
            connection.execute_batch(&open)?;
            let attach = format!("ATTACH {} AS shop (READ_ONLY)", Literal(&shop));
            connection.execute_batch(&attach)?;
            answer(&connection, "SELECT answer FROM shop.probe()")
        };
        let read = tokio::task::spawn_blocking(notebook).await;
        let read = read.expect("reading a probe does not panic");
        match read.map_err(|error| sentence(&error))? {
            ANSWER => Ok(()),
            _ => Err("it reads another database".to_owned()),
        }
    }

    /// The bytes of a file that `write` makes beside the catalog's.
    async fn make(
        &self,
        write: impl FnOnce(&Path) -> Result<(), duckdb::Error> + Send + 'static,
    ) -> Result<Bytes, Error> {
        let mut scratch = self.inner.config.path.clone().into_os_string();
        scratch.push(".probing");
        let scratch = PathBuf::from(scratch);
        let made = tokio::task::spawn_blocking(move || {
            let unusable = |error: &std::io::Error| {
                Error::Unavailable(format!("{} cannot be used: {error}", scratch.display()))
            };
            let remove = || match std::fs::remove_file(&scratch) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(&error)),
                _ => Ok(()),
            };
            remove()?;
            let written = write(&scratch);
            let bytes = std::fs::read(&scratch);
            remove()?;
            written?;
            Ok(Bytes::from(bytes.map_err(|error| unusable(&error))?))
        });
        made.await.expect("making a probe does not panic")
    }
}

/// An object of one row.
fn make_object(scratch: &Path) -> Result<(), duckdb::Error> {
    let path = scratch.display().to_string();
    Connection::open_in_memory()?.execute_batch(&format!(
        "COPY (SELECT {ANSWER}::UBIGINT AS answer) TO {} (FORMAT parquet)",
        Literal(&path)
    ))
}

/// A database with a macro that reads the object at `place`.
fn make_copy(scratch: &Path, open: &str, place: &str) -> Result<(), duckdb::Error> {
    let connection = Connection::open(scratch)?;
    connection.execute_batch(open)?;
    connection.execute_batch(&format!(
        "CREATE MACRO probe() AS TABLE FROM read_parquet({}); CHECKPOINT",
        file(place)
    ))
}

fn answer(connection: &Connection, sql: &str) -> Result<u64, duckdb::Error> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// The result, with its error as a sentence.
fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
