//! A tree of foreign Parquet objects, crawled: what is new or has changed is read whole, what
//! has gone is forgotten, in one transaction a run.

use std::collections::BTreeMap;

use duckdb::{Connection, OptionalExt, params};

use crate::config::{Changes, External};
use crate::db::engine::Session;
use crate::error::{Error, Trouble, sentence};
use crate::external::adopt::Adoption;
use crate::external::column::{Column, holds};
use crate::sql::{nothing, plain, quoted};

/// Size in bytes, and when it was written, in microseconds: what says that a file has changed.
type Stamp = (u64, i64);

/// What an object is, once read.
struct Object {
    path: String,
    stamp: Stamp,
    rows: u64,
    columns: Vec<Column>,
    reason: Option<String>,
}

/// How many lines a run's detail has at most.
const LINES: usize = 20;

/// One run: what is known afterwards is written, the run itself is not.
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
    let known = known(connection, name)?;
    match list(spare, external) {
        Ok(there) => {
            for path in known.keys().filter(|path| !there.contains_key(*path)) {
                forget(connection, name, path)?;
                run.gone += 1;
            }
            let mut columns = columns(connection, name)?;
            let first = columns.is_empty();
            for (path, stamp) in there {
                if known.get(&path) == Some(&stamp) {
                    continue;
                }
                run.found += 1;
                let mut object = examine(spare, path, stamp);
                if object.reason.is_none() {
                    object.reason = admit(&mut columns, &object, external, first, &mut lines);
                }
                if let Some(reason) = &object.reason {
                    lines.push(format!("quarantined {}: {reason}", object.path));
                }
                remember(connection, name, &object)?;
            }
            let json = serde_json::to_string(&columns).expect("columns are texts");
            connection.execute(
                "INSERT OR REPLACE INTO external_tables VALUES (?, ?)",
                params![name, json],
            )?;
        }
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
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    run.detail = lines.join("\n");
    Ok(run)
}

/// The tree's files now.
fn list(spare: &Connection, external: &External) -> Result<BTreeMap<String, Stamp>, String> {
    let root = external.path.trim_end_matches('/');
    let pattern = match external.is_file() {
        true => plain(root),
        false => format!("{}/**/*.parquet", plain(root)),
    };
    let sql = format!(
        "SELECT filename, size, coalesce(epoch_us(last_modified), 0) FROM read_blob({})",
        quoted(&pattern)
    );
    let nothing = || format!("there are no Parquet files at {root}");
    let read = || {
        let mut statement = spare.prepare(&sql)?;
        let files = statement.query_map([], |row| {
            let size: i64 = row.get(1)?;
            Ok((row.get(0)?, (size.unsigned_abs(), row.get(2)?)))
        })?;
        files.collect::<Result<BTreeMap<String, Stamp>, _>>()
    };
    let mut files = read().map_err(|error| match Trouble::from(&error) {
        Trouble::Missing => nothing(),
        _ => format!("{root} cannot be listed: {}", sentence(&error)),
    })?;
    // What writers have not finished, or keep for themselves, begins with _ or a dot.
    files.retain(|path, _| {
        let below = path.strip_prefix(root).unwrap_or(path);
        !below.split('/').any(|part| part.starts_with(['_', '.']))
    });
    if files.is_empty() {
        return Err(nothing());
    }
    Ok(files)
}

/// Reads an object whole: a sound end tells nothing of what lies before it.
fn examine(spare: &Connection, path: String, stamp: Stamp) -> Object {
    let read = || -> Result<(Vec<Column>, u64), duckdb::Error> {
        let from = scan(std::slice::from_ref(&path));
        let mut statement = spare.prepare(&format!(
            "SELECT column_name, column_type FROM (DESCRIBE FROM {from})"
        ))?;
        let columns = statement.query_map([], |row| {
            Ok(Column {
                name: row.get(0)?,
                kind: row.get(1)?,
            })
        })?;
        let columns = columns.collect::<Result<_, _>>()?;
        let sql = format!("SELECT count(*)::UBIGINT, bit_xor(hash(t)) FROM {from} t");
        let rows = spare.query_row(&sql, [], |row| row.get(0))?;
        Ok((columns, rows))
    };
    let (columns, rows, reason) = match read() {
        Ok((columns, rows)) => (columns, rows, None),
        Err(error) => (Vec::new(), 0, Some(sentence(&error))),
    };
    Object {
        path,
        stamp,
        rows,
        columns,
        reason,
    }
}

/// Adds what an object has to the table's columns, as the policy says; why it cannot be shown,
/// where it cannot.
fn admit(
    columns: &mut Vec<Column>,
    object: &Object,
    external: &External,
    first: bool,
    lines: &mut Vec<String>,
) -> Option<String> {
    let mut next = columns.clone();
    let mut said = Vec::new();
    for column in &object.columns {
        let Column { name, kind } = column;
        match next.iter_mut().find(|known| known.name == *name) {
            Some(known) if holds(&known.kind, kind) => {}
            Some(known) if external.changes == Changes::Add && holds(kind, &known.kind) => {
                said.push(format!(
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
                    said.push(format!("new column {name} {kind}, since {}", object.path));
                }
                next.push(column.clone());
            }
            None if external.changes == Changes::Log => {
                said.push(format!(
                    "column {name} {kind} of {} is left out",
                    object.path
                ));
            }
            None => {}
        }
    }
    *columns = next;
    lines.extend(said);
    None
}

/// SQL that reads Parquet files, with the columns that their folders' names say.
fn scan(paths: &[String]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| quoted(&plain(path))).collect();
    format!(
        "read_parquet([{}], hive_partitioning = true)",
        quoted.join(", ")
    )
}

/// SQL of a tree's table: objects with the same columns are read together, what one of them
/// lacks is NULL.
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
        return Ok(nothing(&format!(
            "external table {name} shows no object: see external_runs"
        )));
    }
    let selects = groups.into_iter().map(|(json, paths)| {
        let theirs = parsed(&json)?;
        let listed: Vec<String> = columns
            .iter()
            .map(|Column { name, kind }| {
                let quoted = format!("\"{}\"", name.replace('"', "\"\""));
                match theirs.iter().any(|column| column.name == *name) {
                    true => format!("{quoted}::{kind} AS {quoted}"),
                    false => format!("NULL::{kind} AS {quoted}"),
                }
            })
            .collect();
        Ok(format!(
            "SELECT {} FROM {}",
            listed.join(", "),
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
    let objects =
        statement.query_map([name], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(objects.collect::<Result<_, _>>()?)
}

fn columns(connection: &Connection, name: &str) -> Result<Vec<Column>, Error> {
    let sql = "SELECT columns FROM external_tables WHERE name = ?";
    let json: Option<String> = connection
        .query_row(sql, [name], |row| row.get(0))
        .optional()?;
    json.as_deref().map_or_else(|| Ok(Vec::new()), parsed)
}

fn parsed(json: &str) -> Result<Vec<Column>, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::Unavailable(format!("its columns cannot be read: {error}")))
}

fn forget(connection: &Connection, name: &str, path: &str) -> Result<(), Error> {
    let sql = "DELETE FROM external_objects WHERE name = ? AND path = ?";
    connection.execute(sql, [name, path])?;
    Ok(())
}

fn remember(connection: &Connection, name: &str, object: &Object) -> Result<(), Error> {
    let json = serde_json::to_string(&object.columns).expect("columns are texts");
    let (bytes, modified) = object.stamp;
    connection.execute(
        "INSERT OR REPLACE INTO external_objects VALUES (?, ?, ?, make_timestamptz(?), ?, ?, ?)",
        params![
            name,
            object.path,
            bytes,
            modified,
            object.rows,
            json,
            object.reason
        ],
    )?;
    Ok(())
}
