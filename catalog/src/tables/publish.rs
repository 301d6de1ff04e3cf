//! The published copy: a small read-only DuckDB file that anyone can attach, also as a DuckLake.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use duckdb::{Connection, params};
use sink::Location;

use crate::config::Config;
use crate::db::access::LakeAccess;
use crate::db::engine::Session;
use crate::error::Error;
use crate::iceberg::IcebergPublisher;
use crate::tables::ducklake;
use crate::tables::published::{LetterSizes, PublishedTables};
use crate::tables::view::View;

/// The copy's path in the lake.
pub const PUBLISHED: &str = "published/clickweir.duckdb";

/// What a process remembers of its publications.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    pub(crate) sizes: LetterSizes,
    pub(crate) iceberg: IcebergPublisher,
}

/// The content of the copy, from one snapshot.
pub(crate) struct Publication {
    /// The lake's identity; `None` if the catalog knows no object of it.
    pub(crate) lake_id: Option<String>,
    views: Vec<View>,
    pub(crate) tables: PublishedTables,
    /// Path and partition; first, end, rows and bytes. An object of a swap holds rows of several
    /// partitions, and has none of the first three.
    objects: Vec<(String, Option<u32>, [Option<u64>; 4])>,
}

impl Publication {
    /// Reads what is to be published.
    pub(crate) fn read(session: &Session, sizes: &LetterSizes) -> Result<Self, Error> {
        let mut statement = session.connection.prepare(
            "SELECT path, partition, \"first\", \"end\", \"rows\", bytes FROM objects
             WHERE replay = '' AND (partition IS NOT NULL OR \"rows\" > 0) ORDER BY 2, 3, 1",
        )?;
        let lake_id = session
            .connection
            .query_row("SELECT lake_id FROM meta", [], |row| row.get(0))?;
        let objects = statement.query_map([], |row| {
            let numbers = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((row.get(0)?, row.get(1)?, numbers))
        })?;
        Ok(Self {
            lake_id,
            views: View::all(session)?,
            tables: PublishedTables::read(session, sizes)?,
            objects: objects.collect::<Result<_, _>>()?,
        })
    }

    /// The copy's bytes, written to a file beside the catalog's. `base` takes the place of the
    /// lake's own absolute prefix. One call at a time: they share the file.
    pub(crate) fn write(
        &self,
        config: &Config,
        access: &LakeAccess,
        lake: &Location,
        base: &Location,
    ) -> Result<Bytes, Error> {
        let mut path = config.path.clone().into_os_string();
        path.push(".publishing");
        let path = PathBuf::from(path);
        let failed = |error: std::io::Error| {
            Error::Unavailable(format!("{} cannot be used: {error}", path.display()))
        };
        if path.exists() {
            std::fs::remove_file(&path).map_err(failed)?;
        }
        self.write_file(&path, access, lake, base)?;
        let bytes = std::fs::read(&path).map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(Bytes::from(bytes))
    }

    /// Writes the file. Its views are bound when they are read, so `base` need not be reachable
    /// from here.
    fn write_file(
        &self,
        path: &Path,
        access: &LakeAccess,
        lake: &Location,
        base: &Location,
    ) -> Result<(), Error> {
        let connection = Connection::open(path)?;
        connection.execute_batch(&access.open)?;
        let spare = connection.try_clone()?;
        connection.execute_batch("SET TimeZone = 'UTC'; BEGIN TRANSACTION")?;
        for view in &self.views {
            if let Some(unreadable) = view.unreadable_view(&spare, "", lake) {
                connection.execute_batch(&unreadable)?;
                continue;
            }
            connection.execute_batch(&view.create("", lake))?;
            connection.execute_batch(&view.list_objects("", base))?;
        }
        connection.execute_batch(
            "CREATE TABLE objects (
                path VARCHAR, partition INTEGER, first BIGINT, \"end\" BIGINT, \"rows\" BIGINT,
                bytes BIGINT)",
        )?;
        let mut appender = connection.appender("objects")?;
        for (path, partition, [first, end, rows, bytes]) in &self.objects {
            appender.append_row(params![
                base.absolute(path),
                partition,
                first,
                end,
                rows,
                bytes
            ])?;
        }
        appender.flush()?;
        drop(appender);
        ducklake::write(&connection, &self.tables.tables, base)?;
        connection.execute_batch("COMMIT; CHECKPOINT")?;
        Ok(())
    }
}
