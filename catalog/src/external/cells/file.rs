//! Copies a file of cells into the catalog when it has changed.

use std::fs;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use duckdb::{Connection, OptionalExt};
use parking_lot::Mutex;

use crate::config::{External, Form};
use crate::db::access::{SQLITE, load};
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::adoption::Adoption;
use crate::external::listing::{Stamp, list};
use crate::external::objects::{ForeignFile, TreeTable, forget_all, keep_table, remember, stamps};
use crate::external::run::{AdoptionRun, spoiled};
use crate::external::survey::UNREAD;
use crate::query::worker::talk::ByteSource;
use crate::query::worker::wire::ForeignSource;
use crate::sql::Ident;

/// A file's stamp, with the keys that decide how it is read.
pub(crate) type FileVersion = (Stamp, String);

/// The version of a local file now. `None` if there is no such file, or if it is in a bucket.
pub(crate) fn version(external: &External) -> Option<FileVersion> {
    let found = fs::metadata(&external.path).ok()?;
    let since = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let micros = i64::try_from(since.as_micros()).ok()?;
    Some(((found.len(), micros), external.keys()))
}

/// What the catalog has of a file.
enum FileState {
    /// There is no file, and why.
    Missing(String),
    /// The catalog has this version: so many rows, and whether it is quarantined.
    Known(u64, bool),
    /// It is new or has changed. The flag is true if the run before could not read it to its end.
    Changed(Stamp, bool),
}

/// Copies the file by a worker, unless the catalog has this version of it. A file that cannot be
/// read has no table, and the run says why.
///
/// # Errors
/// The catalog's database's, those of the file's store, and that no worker could be had.
pub(crate) async fn copy_file(run: &AdoptionRun) -> Result<Adoption, Error> {
    let external = Arc::clone(&run.external);
    let state = run
        .look(move |session| file_state(session, &external))
        .await?;
    let mut result = run.result();
    let external = Arc::clone(&run.external);
    let (stamp, again) = match state {
        FileState::Changed(stamp, again) => (stamp, again),
        FileState::Known(rows, refused) => {
            (result.adopted, result.rows) = (u64::from(!refused), rows);
            result.quarantined = u64::from(refused);
            return Ok(result);
        }
        FileState::Missing(why) => {
            let missing = move |session: &Session| {
                result.gone = lose(&session.connection, &external, None, &why)?;
                result.detail = why;
                Ok(result)
            };
            return run.finish(missing).await;
        }
    };
    let unsent = Arc::new(Mutex::new(None));
    let (source, file) = source(run, stamp, &unsent)?;
    let start = run.start;
    let mut copied = result.clone();
    copied.found = 1;
    let known = move |catalog: &Session, rows, notes: Vec<String>| {
        let connection = &catalog.connection;
        forget_all(connection, &external.name)?;
        keep(connection, &external, stamp, rows, None)?;
        keep_table(connection, &external.name, &TreeTable::default())?;
        (copied.adopted, copied.rows) = (1, rows);
        copied.detail = notes.join("\n");
        Ok((start.keep(catalog, copied)?, true))
    };
    let error = match run.copy(source, file, known).await {
        Ok(copied) => return Ok(copied),
        Err(error) => error,
    };
    let external = Arc::clone(&run.external);
    let unsent = unsent.lock().take();
    if let Some(why) = unsent
        .as_ref()
        .filter(|_| external.path.starts_with("s3://"))
    {
        // The store may come back: what was copied stays.
        let path = &external.path;
        return Err(Error::Unavailable(format!("{path} cannot be read: {why}")));
    }
    let spoiled = spoiled(error)?;
    result.found = u64::from(!again);
    let stamp = match spoiled.again || unsent.is_some() {
        true => UNREAD,
        false => stamp,
    };
    run.finish(move |session| {
        let why = format!("{}: {}", external.path, spoiled.why);
        lose(&session.connection, &external, Some(stamp), &why)?;
        result.quarantined = 1;
        result.detail = why;
        Ok(result)
    })
    .await
}

/// What a worker reads. Of a text it is sent the bytes; why they cannot be had is left in `unsent`.
fn source(
    run: &AdoptionRun,
    stamp: Stamp,
    unsent: &Arc<Mutex<Option<String>>>,
) -> Result<(ForeignSource, Option<ByteSource>), Error> {
    let external = External::clone(&run.external);
    if external.form() == Form::Sqlite {
        let load = load(SQLITE, &run.config.extensions)?;
        return Ok((ForeignSource::Sqlite { external, load }, None));
    }
    let (reach, path) = (Arc::clone(&run.reach), external.path.clone());
    let unsent = Arc::clone(unsent);
    let file: ByteSource = Box::new(move |range| {
        let read = reach.read(&path, range);
        read.inspect_err(|why| *unsent.lock() = Some(why.clone()))
    });
    let bytes = stamp.0;
    Ok((ForeignSource::Text { external, bytes }, Some(file)))
}

fn file_state(session: &Session, external: &External) -> Result<FileState, Error> {
    let stamp = match stamp(session, external) {
        Ok(stamp) => stamp,
        Err(why) => return Ok(FileState::Missing(why)),
    };
    let (connection, name) = (&session.connection, &external.name);
    let keys = external.keys();
    let known = "SELECT \"rows\", reason IS NOT NULL FROM external_objects
         WHERE name = ? AND bytes = ? AND epoch_us(modified) = ? AND columns = ?";
    let known: Option<(u64, bool)> = connection
        .query_row(
            known,
            duckdb::params![name, stamp.0, stamp.1, keys],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    if let Some((rows, refused)) = known {
        return Ok(FileState::Known(rows, refused));
    }
    let again = stamps(connection, name)?.get(&external.path) == Some(&UNREAD);
    Ok(FileState::Changed(stamp, again))
}

/// The stamp of the file now. The error says why there is none.
fn stamp(session: &Session, external: &External) -> Result<Stamp, String> {
    let path = &external.path;
    if let Some((stamp, _)) = version(external) {
        return Ok(stamp);
    }
    let missing = || format!("there is no file {path}");
    if !path.starts_with("s3://") {
        return Err(missing());
    }
    let spare = session
        .connection
        .try_clone()
        .map_err(|error| error.to_string())?;
    let listing = list(&spare, path, true)?;
    listing.files.get(path).copied().ok_or_else(missing)
}

/// Drops the table of a file that cannot be read. Returns how many tables were dropped.
fn lose(
    connection: &Connection,
    external: &External,
    stamp: Option<Stamp>,
    why: &str,
) -> Result<u64, Error> {
    let name = &external.name;
    let sql = "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?";
    let tables: u64 = connection.query_row(sql, [name], |row| row.get(0))?;
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", Ident(name)))?;
    forget_all(connection, name)?;
    if let Some(stamp) = stamp {
        keep(connection, external, stamp, 0, Some(why.to_owned()))?;
    }
    let refused = TreeTable {
        columns: Vec::new(),
        refused: Some(why.to_owned()),
    };
    keep_table(connection, name, &refused)?;
    Ok(tables)
}

fn keep(
    connection: &Connection,
    external: &External,
    stamp: Stamp,
    rows: u64,
    reason: Option<String>,
) -> Result<(), Error> {
    let file = ForeignFile {
        path: external.path.clone(),
        stamp,
        rows,
        columns: Vec::new(),
        reason,
        left_out: false,
    };
    remember(connection, &external.name, &file)?;
    let sql = "UPDATE external_objects SET columns = ? WHERE name = ?";
    connection.execute(sql, [&external.keys(), &external.name])?;
    Ok(())
}
