//! Crawls a tree of foreign Parquet files: files that are new or have changed are read whole,
//! deleted ones are forgotten, in one transaction a run.

use std::collections::BTreeMap;

use duckdb::{Connection, OptionalExt, params};

use crate::config::{Changes, External};
use crate::db::engine::Session;
use crate::error::{Error, Trouble, sentence};
use crate::external::adoption::Adoption;
use crate::external::column::{FileColumn, holds};
use crate::sql::{Glob, Ident, Literal, failing, file, joined, list};

/// A file's size in bytes, and when it was written, in microseconds. If they differ from those
/// before, the file has changed.
type Stamp = (u64, i64);

/// A file that was read.
struct ForeignFile {
    path: String,
    stamp: Stamp,
    rows: u64,
    columns: Vec<FileColumn>,
    /// Why the table does not show it. `None` if it does.
    reason: Option<String>,
}

/// How many lines a run's detail has at most.
const MAX_DETAIL_LINES: usize = 20;

/// One run. It writes what is known of the files afterwards; the caller keeps the run.
pub(super) fn crawl(
    session: &Session,
    spare: &Connection,
    external: &External,
) -> Result<Adoption, Error> {
    let connection = &session.connection;
    let name = &external.name;
    let mut run = Adoption {
        name: name.clone(),
        ..Adoption::default()
    };
    let mut lines = Vec::new();
    match files(spare, external) {
        Ok(present) => adopt_files(connection, spare, external, present, &mut run, &mut lines)?,
        Err(why) => lines.push(why),
    }
    (run.adopted, run.rows, run.quarantined) = connection.query_row(
        "SELECT (count(*) FILTER (reason IS NULL))::UBIGINT,
            coalesce(sum(\"rows\") FILTER (reason IS NULL), 0)::UBIGINT,
            (count(*) FILTER (reason IS NOT NULL))::UBIGINT
         FROM external_objects WHERE name = ?",
        [name],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let more = lines.len().saturating_sub(MAX_DETAIL_LINES);
    lines.truncate(MAX_DETAIL_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    run.detail = lines.join("\n");
    Ok(run)
}

/// Forgets deleted files, and adopts or quarantines new and changed ones.
fn adopt_files(
    connection: &Connection,
    spare: &Connection,
    external: &External,
    present: BTreeMap<String, Stamp>,
    run: &mut Adoption,
    lines: &mut Vec<String>,
) -> Result<(), Error> {
    let name = &external.name;
    let known = known(connection, name)?;
    for path in known.keys().filter(|path| !present.contains_key(*path)) {
        forget(connection, name, path)?;
        run.gone += 1;
    }
    let mut columns = columns(connection, name)?;
    let first = columns.is_empty();
    for (path, stamp) in present {
        if known.get(&path) == Some(&stamp) {
            continue;
        }
        run.found += 1;
        let mut file = read(spare, path, stamp);
        if file.reason.is_none() {
            file.reason = admit(&mut columns, &file, external, first, lines);
        }
        if let Some(reason) = &file.reason {
            lines.push(format!("quarantined {}: {reason}", file.path));
        }
        remember(connection, name, &file)?;
    }
    let json = serde_json::to_string(&columns).expect("columns are texts");
    connection.execute(
        "INSERT OR REPLACE INTO external_tables VALUES (?, ?)",
        params![name, json],
    )?;
    Ok(())
}

/// The tree's files now. The error says why they cannot be listed.
fn files(spare: &Connection, external: &External) -> Result<BTreeMap<String, Stamp>, String> {
    let root = external.path.trim_end_matches('/');
    let pattern = match external.is_file() {
        true => Glob(root).to_string(),
        false => format!("{}/**/*.parquet", Glob(root)),
    };
    let sql = format!(
        "SELECT filename, size, coalesce(epoch_us(last_modified), 0) FROM read_blob({})",
        Literal(pattern)
    );
    let missing = || format!("there are no Parquet files at {root}");
    let listed = || {
        let mut statement = spare.prepare(&sql)?;
        let files = statement.query_map([], |row| {
            let size: i64 = row.get(1)?;
            Ok((row.get(0)?, (size.unsigned_abs(), row.get(2)?)))
        })?;
        files.collect::<Result<BTreeMap<String, Stamp>, _>>()
    };
    let mut files = listed().map_err(|error| match Trouble::from(&error) {
        Trouble::Missing => missing(),
        _ => format!("{root} cannot be listed: {}", sentence(&error)),
    })?;
    // Names that begin with _ or a dot are of unfinished files, or writers' own.
    files.retain(|path, _| {
        let below = path.strip_prefix(root).unwrap_or(path);
        !below.split('/').any(|part| part.starts_with(['_', '.']))
    });
    if files.is_empty() {
        return Err(missing());
    }
    Ok(files)
}

/// Reads a file whole: its footer may be sound and its rows damaged.
fn read(spare: &Connection, path: String, stamp: Stamp) -> ForeignFile {
    let content = || -> Result<(Vec<FileColumn>, u64), duckdb::Error> {
        let from = scan(std::slice::from_ref(&path));
        let mut statement = spare.prepare(&format!(
            "SELECT column_name, column_type FROM (DESCRIBE FROM {from})"
        ))?;
        let columns = statement.query_map([], |row| {
            Ok(FileColumn {
                name: row.get(0)?,
                kind: row.get(1)?,
            })
        })?;
        let columns = columns.collect::<Result<_, _>>()?;
        let sql = format!("SELECT count(*)::UBIGINT, bit_xor(hash(t)) FROM {from} t");
        let rows = spare.query_row(&sql, [], |row| row.get(0))?;
        Ok((columns, rows))
    };
    let (columns, rows, reason) = match content() {
        Ok((columns, rows)) => (columns, rows, None),
        Err(error) => (Vec::new(), 0, Some(sentence(&error))),
    };
    ForeignFile {
        path,
        stamp,
        rows,
        columns,
        reason,
    }
}

/// Adds a file's columns to the table's, as `changes` says. Returns why the file cannot be shown;
/// `None` if it can.
fn admit(
    columns: &mut Vec<FileColumn>,
    file: &ForeignFile,
    external: &External,
    first: bool,
    lines: &mut Vec<String>,
) -> Option<String> {
    let mut next = columns.clone();
    let mut news = Vec::new();
    for column in &file.columns {
        let FileColumn { name, kind } = column;
        match next.iter_mut().find(|known| known.name == *name) {
            Some(known) if holds(&known.kind, kind) => {}
            Some(known) if external.changes == Changes::Add && holds(kind, &known.kind) => {
                news.push(format!(
                    "column {name} becomes {kind}, it was {}",
                    known.kind
                ));
                known.kind.clone_from(kind);
            }
            Some(known) => {
                return Some(format!(
                    "its column {name} is {kind}, the table's is {}",
                    known.kind
                ));
            }
            None if first || external.changes == Changes::Add => {
                if !first {
                    news.push(format!("new column {name} {kind}, since {}", file.path));
                }
                next.push(column.clone());
            }
            None if external.changes == Changes::Log => {
                news.push(format!("column {name} {kind} of {} is left out", file.path));
            }
            None => {}
        }
    }
    *columns = next;
    lines.extend(news);
    None
}

/// SQL that reads Parquet files, with the columns that their folders' names give.
fn scan(paths: &[String]) -> String {
    format!(
        "read_parquet({}, hive_partitioning = true)",
        list(paths.iter().map(|path| file(path)))
    )
}

/// SQL of a tree's table. Files with the same columns are read together; a column that they lack
/// is NULL.
pub(super) fn select(session: &Session, name: &str) -> Result<String, Error> {
    let columns = columns(&session.connection, name)?;
    let mut statement = session.connection.prepare(
        "SELECT columns, path FROM external_objects
         WHERE name = ? AND reason IS NULL ORDER BY columns, path",
    )?;
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rows = statement.query([name])?;
    while let Some(row) = rows.next()? {
        groups.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    if groups.is_empty() {
        return Ok(failing(&format!(
            "external table {name} shows no object: see external_runs"
        )));
    }
    let selects = groups.into_iter().map(|(json, paths)| {
        let theirs = parsed(&json)?;
        let listed = columns.iter().map(|FileColumn { name, kind }| {
            let column = Ident(name);
            match theirs.iter().any(|column| column.name == *name) {
                true => format!("{column}::{kind} AS {column}"),
                false => format!("NULL::{kind} AS {column}"),
            }
        });
        Ok(format!(
            "SELECT {} FROM {}",
            joined(listed, ", "),
            scan(&paths)
        ))
    });
    Ok(selects
        .collect::<Result<Vec<_>, Error>>()?
        .join(" UNION ALL "))
}

fn known(connection: &Connection, name: &str) -> Result<BTreeMap<String, Stamp>, Error> {
    let mut statement = connection
        .prepare("SELECT path, bytes, epoch_us(modified) FROM external_objects WHERE name = ?")?;
    let files = statement.query_map([name], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(files.collect::<Result<_, _>>()?)
}

fn columns(connection: &Connection, name: &str) -> Result<Vec<FileColumn>, Error> {
    let sql = "SELECT columns FROM external_tables WHERE name = ?";
    let json: Option<String> = connection
        .query_row(sql, [name], |row| row.get(0))
        .optional()?;
    json.as_deref().map_or_else(|| Ok(Vec::new()), parsed)
}

fn parsed(json: &str) -> Result<Vec<FileColumn>, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::Unavailable(format!("its columns cannot be read: {error}")))
}

fn forget(connection: &Connection, name: &str, path: &str) -> Result<(), Error> {
    let sql = "DELETE FROM external_objects WHERE name = ? AND path = ?";
    connection.execute(sql, [name, path])?;
    Ok(())
}

fn remember(connection: &Connection, name: &str, file: &ForeignFile) -> Result<(), Error> {
    let json = serde_json::to_string(&file.columns).expect("columns are texts");
    let (bytes, modified) = file.stamp;
    connection.execute(
        "INSERT OR REPLACE INTO external_objects VALUES (?, ?, ?, make_timestamptz(?), ?, ?, ?)",
        params![
            name,
            file.path,
            bytes,
            modified,
            file.rows,
            json,
            file.reason
        ],
    )?;
    Ok(())
}
