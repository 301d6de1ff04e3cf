//! Copies a file of cells into the catalog when it has changed.

use std::fs;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use duckdb::{Connection, OptionalExt};

use crate::config::{Config, External, Form};
use crate::db::engine::Session;
use crate::error::Error;
use crate::external::adoption::Adoption;
use crate::external::cells::dialect::CsvFile;
use crate::external::cells::guess::CellPlan;
use crate::external::cells::json::{self, JsonColumn, JsonColumns};
use crate::external::cells::raw::{CellsError, RawTable, TypedFile};
use crate::external::cells::{sqlite, text};
use crate::external::listing::{Stamp, list};
use crate::external::objects::{ForeignFile, TreeTable, forget_all, keep_table, remember};
use crate::external::reach::Reach;
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

/// Copies the file, unless the catalog has this version of it. A file that cannot be read has no
/// table, and the run says why.
pub(crate) fn copy_file(
    session: &Session,
    config: &Arc<Config>,
    external: &External,
    reach: &Reach,
) -> Result<Adoption, Error> {
    let (connection, name) = (&session.connection, &external.name);
    let mut run = Adoption {
        name: name.clone(),
        ..Adoption::default()
    };
    let stamp = match stamp(session, external) {
        Ok(stamp) => stamp,
        Err(why) => {
            run.gone = lose(connection, external, None, &why)?;
            run.detail = why;
            return Ok(run);
        }
    };
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
        (run.adopted, run.rows) = (u64::from(!refused), rows);
        run.quarantined = u64::from(refused);
        return Ok(run);
    }
    run.found = 1;
    let copied = match external.form() {
        Form::Csv => csv(connection, external, reach, stamp.0),
        Form::Json => json(connection, external, reach, stamp.0),
        Form::Sqlite => sqlite::copy(connection, config, external),
        Form::Tree | Form::Postgres => unreachable!("these are read in another way"),
    };
    match copied {
        Ok(TypedFile { rows, notes }) => {
            forget_all(connection, name)?;
            keep(connection, external, stamp, rows, None)?;
            keep_table(connection, name, &TreeTable::default())?;
            (run.adopted, run.rows) = (1, rows);
            run.detail = notes.join("\n");
        }
        Err(CellsError::File(why)) => {
            let why = format!("{}: {why}", external.path);
            lose(connection, external, Some(stamp), &why)?;
            run.quarantined = 1;
            run.detail = why;
        }
        Err(CellsError::Database(error)) => return Err(error),
    }
    Ok(run)
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

fn csv(
    connection: &Connection,
    external: &External,
    reach: &Reach,
    bytes: u64,
) -> Result<TypedFile, CellsError> {
    let file = CsvFile {
        reach,
        external,
        bytes,
    };
    let dialect = file.dialect()?;
    let mut records = file.rows(&dialect)?;
    let mut raw = RawTable::new(connection, &dialect.names)?;
    while let Some((_, record)) = records.next_record()? {
        raw.push(record.iter().map(Option::as_deref))?;
    }
    let plans = vec![CellPlan::Guessed { numbers: false }; dialect.names.len()];
    let mut typed = raw.finish(external, &plans)?;
    typed.notes.splice(0..0, dialect.notes);
    Ok(typed)
}

fn json(
    connection: &Connection,
    external: &External,
    reach: &Reach,
    bytes: u64,
) -> Result<TypedFile, CellsError> {
    let open = || text::open(reach, external, bytes);
    let mut columns = JsonColumns::default();
    json::rows(open()?, &mut |row| columns.add(&row))?;
    if columns.columns.is_empty() {
        return Err(CellsError::File("its objects have no keys".to_owned()));
    }
    let names: Vec<String> = columns.columns.iter().map(|one| one.name.clone()).collect();
    let mut raw = RawTable::new(connection, &names)?;
    let mut failed = None;
    let read = json::rows(open()?, &mut |row| {
        let cells = columns.cells(row)?;
        let pushed = raw.push(cells.iter().map(Option::as_deref));
        pushed.map_err(|error| {
            let why = error.to_string();
            failed = Some(error);
            why
        })
    });
    if let Some(error) = failed {
        return Err(CellsError::Database(error));
    }
    read?;
    let plans: Vec<CellPlan> = columns.columns.iter().map(JsonColumn::plan).collect();
    raw.finish(external, &plans)
}
