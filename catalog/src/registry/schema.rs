//! The catalog's file: its tables, and what happens if it cannot be used as it is.

use std::path::{Path, PathBuf};

use duckdb::Connection;
use sink::Column;

use crate::config::Config;
use crate::db::access::LakeAccess;
use crate::db::database::{digest, limits, ready};
use crate::error::{Error, Trouble, sentence};
use crate::names::CATALOG_TABLES;
use crate::registry::objects;
use crate::rollup::layers::{Layers, RETURNS, ROLLUP};
use crate::sql::Ident;
use crate::tables::table::Table;

/// The version of what the tables mean. A file of another version is built anew, and so is one
/// whose tables have other columns; see [`definition`].
const SCHEMA_VERSION: u32 = 15;

/// The tables beside `objects` and the rollups' layers. All of them are a fold of the lake, except
/// the last four.
///
/// - `partitions` says how far a partition is registered, and the hour of its last object.
/// - `gaps` are the losses that the ledger accepted, `covered` what became of the ranges that its
///   swaps cover. `meta.swaps` and `replays.swaps` count the swaps that the tables show.
/// - `objects.folded` is true if an object's rows are in the rollups, and `settled` is how many
///   rows of a fresh layer the last fold left.
/// - `replay` is a replay's name, and empty for the live lake. `replays` says what each replay is
///   of. `shown` has the live objects.
/// - The last four are the external tables' columns, objects (with the reason if one is not shown)
///   and runs, and the data sets' runs.
const TABLES: &str = r#"
CREATE TABLE meta (
    version INTEGER, definition VARCHAR, lake VARCHAR, lake_id VARCHAR, topic VARCHAR, revision BIGINT,
    swaps BIGINT, rewrites BIGINT);
CREATE TABLE partitions (
    replay VARCHAR, partition INTEGER, registered_end BIGINT, hour BIGINT,
    PRIMARY KEY (replay, partition));
CREATE TABLE gaps (
    partition INTEGER, "first" BIGINT, "end" BIGINT, PRIMARY KEY (partition, "first"));
CREATE TABLE covered (
    replay VARCHAR, partition INTEGER, "first" BIGINT, "end" BIGINT, "rows" BIGINT, dead_letters BIGINT,
    duplicates BIGINT, differing BIGINT, dropped BIGINT, absent BIGINT, erased BIGINT,
    expired BIGINT, mended BIGINT, PRIMARY KEY (replay, partition, "first"));
CREATE TABLE replays (
    replay VARCHAR, partition INTEGER, "first" BIGINT, "end" BIGINT, configuration VARCHAR,
    begun_at TIMESTAMP WITH TIME ZONE, swaps BIGINT, PRIMARY KEY (replay, partition));
CREATE TABLE visits (
    kind VARCHAR, key UHUGEINT, hour TIMESTAMP WITH TIME ZONE, previous TIMESTAMP WITH TIME ZONE);
CREATE TABLE settled (name VARCHAR PRIMARY KEY, "rows" BIGINT);
CREATE TABLE products (
    product_id VARCHAR PRIMARY KEY, name VARCHAR, named_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE crawls (
    number BIGINT PRIMARY KEY, started_at TIMESTAMP WITH TIME ZONE, took_ms BIGINT,
    "full" BOOLEAN, "found" BIGINT, registered BIGINT, held BIGINT, refused BIGINT,
    "foreign" BIGINT, detail VARCHAR);
CREATE TABLE external_tables (name VARCHAR PRIMARY KEY, columns VARCHAR, reason VARCHAR);
CREATE TABLE external_objects (
    name VARCHAR, path VARCHAR, bytes BIGINT, modified TIMESTAMP WITH TIME ZONE, "rows" BIGINT,
    columns VARCHAR, reason VARCHAR, left_out BOOLEAN, PRIMARY KEY (name, path));
CREATE TABLE external_runs (
    name VARCHAR, started_at TIMESTAMP WITH TIME ZONE, took_ms BIGINT, "found" BIGINT,
    adopted BIGINT, "rows" BIGINT, quarantined BIGINT, gone BIGINT,
    left_out BIGINT, detail VARCHAR);
CREATE TABLE dataset_runs (
    name VARCHAR, number BIGINT, started_at TIMESTAMP WITH TIME ZONE, took_ms BIGINT,
    "rows" BIGINT, error VARCHAR, PRIMARY KEY (name, number));
"#;

/// The view of the objects that the tables of the live lake show.
const SHOWN_VIEW: &str = r#"
CREATE VIEW shown AS
    SELECT path, partition, "first", "end", "rows", dead_letters, duplicates, differing, dropped,
        absent, letters, occurred_least, occurred_greatest, current, folded
    FROM objects WHERE replay = '';
"#;

/// The columns of the rollups' layers.
const LAYER_COLUMNS: [(Layers, &str); 2] = [
    (
        ROLLUP,
        "dimension VARCHAR, grain VARCHAR, moment TIMESTAMP WITH TIME ZONE, value VARCHAR,
            action VARCHAR, clicks BIGINT, quantity DOUBLE, worth DOUBLE",
    ),
    (
        RETURNS,
        "kind VARCHAR, grain VARCHAR, moment TIMESTAMP WITH TIME ZONE,
            previous TIMESTAMP WITH TIME ZONE, number BIGINT",
    ),
];

/// Opens the file for the lake at `lake`. A damaged file, or one of another version or place, is
/// moved aside, and an empty one takes its place.
pub(crate) fn open(
    config: &Config,
    access: &LakeAccess,
    lake: &str,
    published: &str,
) -> Result<Connection, Error> {
    let path = config.path.as_path();
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::Unavailable(format!("{} cannot be made: {error}", folder.display()))
        })?;
    }
    let tried = connect(config).and_then(|connection| {
        let why = unfit(&connection, lake)?;
        Ok((connection, why))
    });
    let (connection, why) = match tried {
        Ok((connection, None)) => return ready(connection, access),
        Ok((connection, Some(why))) => (Some(connection), why),
        Err(error) => match Trouble::from(&error) {
            Trouble::Locked => {
                return Err(Error::InUse {
                    path: path.to_owned(),
                    published: published.to_owned(),
                });
            }
            // The file may be sound, so it stays.
            Trouble::Denied | Trouble::Full => {
                return Err(Error::Unavailable(format!(
                    "{}; set catalog.path to a file on a disk that this user can write",
                    sentence(&error)
                )));
            }
            Trouble::Memory => {
                return Err(Error::Unavailable(format!(
                    "{}; raise catalog.memory",
                    sentence(&error)
                )));
            }
            _ => (None, sentence(&error)),
        },
    };
    // This releases the lock before the file is moved.
    drop(connection);
    tracing::warn!(
        catalog = %path.display(), reason = why,
        "the catalog's file cannot be used; it is moved aside and built anew from the lake"
    );
    move_aside(path)?;
    let connection = connect(config)?;
    if let Some(why) = unfit(&connection, lake)? {
        return Err(Error::Unavailable(why));
    }
    ready(connection, access)
}

fn connect(config: &Config) -> Result<Connection, duckdb::Error> {
    Connection::open_with_flags(&config.path, limits(config.memory, config.threads)?)
}

/// Makes the tables in an empty file, and reads all blocks of a full one. Returns why the file
/// cannot be used; `None` if it can.
fn unfit(connection: &Connection, lake: &str) -> Result<Option<String>, duckdb::Error> {
    connection.execute_batch("SET TimeZone = 'UTC'")?;
    let tables: u64 = connection.query_row(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'meta'",
        [],
        |row| row.get(0),
    )?;
    if tables == 0 {
        create(connection, lake)?;
        return Ok(None);
    }
    let version: u32 = connection.query_row("SELECT version FROM meta", [], |row| row.get(0))?;
    if version != SCHEMA_VERSION {
        return Ok(Some(format!(
            "it is of version {version}, this program writes {SCHEMA_VERSION}"
        )));
    }
    let sql = "SELECT definition, lake FROM meta";
    let (made, theirs): (String, String) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if made != definition() {
        return Ok(Some("its tables have other columns".to_owned()));
    }
    if theirs != lake {
        return Ok(Some(format!("it is of the lake at {theirs}")));
    }
    for table in CATALOG_TABLES {
        digest(connection, table)?;
        read_indexes(connection, table)?;
    }
    Ok(None)
}

/// Looks up every key of a table in its indexes. DuckDB reads an index's blocks only when it needs
/// them, which would be in the middle of a crawl. Nothing is inserted.
fn read_indexes(connection: &Connection, table: &str) -> Result<(), duckdb::Error> {
    let mut statement = connection.prepare(
        "SELECT list_aggregate(list_transform(constraint_column_names,
            lambda name: '\"' || replace(name, '\"', '\"\"') || '\"'), 'string_agg', ', '),
            list_aggregate(list_transform(constraint_column_names,
            lambda name: '\"' || replace(name, '\"', '\"\"') || '\" IS NOT NULL'), 'string_agg', ' AND ')
         FROM duckdb_constraints()
         WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE') AND table_name = ?
            AND database_name = current_database()",
    )?;
    let keys = statement.query_map([table], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let table = Ident(table);
    // A key of which a part is NULL is in no index.
    for (key, whole) in keys.collect::<Result<Vec<_>, _>>()? {
        let insert = format!(
            "INSERT INTO {table} FROM {table} WHERE {whole} ON CONFLICT ({key}) DO NOTHING"
        );
        connection.execute(&insert, [])?;
    }
    Ok(())
}

fn create(connection: &Connection, lake: &str) -> Result<(), duckdb::Error> {
    connection.execute_batch(&definition())?;
    connection.execute(
        "INSERT INTO meta VALUES (?, ?, ?, NULL, NULL, 0, 0, 0)",
        duckdb::params![SCHEMA_VERSION, definition(), lake],
    )?;
    Ok(())
}

/// SQL that makes all tables and views. It names the columns of the lake's tables too, since data
/// sets are made of them.
fn definition() -> String {
    let layers = LAYER_COLUMNS.map(|(layers, columns)| layers.tables(columns));
    let objects = objects::create_table();
    let [clicks, letters] = Table::ALL.map(|table| {
        let typed = |column: &Column| (column.name, column.kind.sql());
        let columns: Vec<_> = table.columns().iter().map(typed).collect();
        format!("-- {columns:?}\n")
    });
    [
        TABLES,
        &objects,
        SHOWN_VIEW,
        &layers.concat(),
        "\n",
        &clicks,
        &letters,
    ]
    .concat()
}

/// Empties every table: the lake is another one, or another topic's.
pub(crate) fn wipe(connection: &Connection) -> Result<(), duckdb::Error> {
    for table in CATALOG_TABLES {
        if table != "meta" {
            connection.execute_batch(&format!("DELETE FROM {}", Ident(table)))?;
        }
    }
    connection.execute_batch(
        "UPDATE meta SET lake_id = NULL, topic = NULL, revision = revision + 1,
            swaps = 0, rewrites = 0",
    )
}

/// The file beside the catalog's whose name goes on with that ending: `.wal` is DuckDB's log, and what
/// ends with `.tmp` are its folders for what memory cannot hold.
#[must_use]
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Moves the file, and DuckDB's log beside it, to `….damaged`; an older one is overwritten.
fn move_aside(path: &Path) -> Result<(), Error> {
    let moved = std::fs::rename(path, beside(path, ".damaged"));
    let log = std::fs::remove_file(beside(path, ".wal"));
    for result in [moved, log] {
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Unavailable(format!(
                    "{} cannot be moved aside: {error}",
                    path.display()
                )));
            }
            _ => {}
        }
    }
    Ok(())
}
