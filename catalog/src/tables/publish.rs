//! The published copy: a small read-only DuckDB file that anyone can attach.

use bytes::Bytes;
use duckdb::{Connection, params};
use sink::Location;

use crate::catalog::Catalog;
use crate::db::access as remote;
use crate::db::access::Access;
use crate::db::engine::{Mode, PATIENCE, Session};
use crate::error::Error;
use crate::tables::view::View;

/// The copy's place in the lake.
pub const PUBLISHED: &str = "published/clickweir.duckdb";

impl Catalog {
    /// Writes the published copy: the catalog's views over explicit lists of absolute names,
    /// and a table `objects` of what `clicks` shows. `base` takes the place of the lake's own
    /// absolute prefix, for readers who have it mounted elsewhere. The previous copy stays
    /// valid until the new one is whole.
    ///
    /// # Errors
    /// The lake's and the database's.
    pub async fn publish(&self, base: Option<&str>) -> Result<(), Error> {
        let inner = &self.inner;
        let copied = inner.engine.run(Mode::Read, PATIENCE, Copied::read).await?;
        let access = remote::settings(&inner.config, inner.lake.location(), &inner.s3)?;
        let here = inner.lake.location().clone();
        let base = base.map(|base| Location::Folder(base.trim_end_matches('/').into()));
        // One publication at a time: they share the file's name.
        let _turn = inner.publishing.lock().await;
        let mut path = inner.config.path.clone().into_os_string();
        path.push(".publishing");
        let writing = move || {
            let path = std::path::PathBuf::from(path);
            let failed = |error: std::io::Error| {
                Error::Unavailable(format!("{} cannot be used: {error}", path.display()))
            };
            if path.exists() {
                std::fs::remove_file(&path).map_err(failed)?;
            }
            write(
                &path,
                &copied,
                &access,
                &here,
                base.as_ref().unwrap_or(&here),
            )?;
            let bytes = std::fs::read(&path).map_err(failed)?;
            std::fs::remove_file(&path).map_err(failed)?;
            Ok::<_, Error>(Bytes::from(bytes))
        };
        let bytes = tokio::task::spawn_blocking(writing)
            .await
            .expect("writing the copy does not panic")?;
        Ok(inner.lake.replace(PUBLISHED, bytes).await?)
    }
}

/// What is copied, of one snapshot.
struct Copied {
    views: Vec<View>,
    /// Path, partition, and first, end, rows and bytes.
    objects: Vec<(String, u32, [u64; 4])>,
}

impl Copied {
    fn read(session: &mut Session) -> Result<Self, Error> {
        let mut statement = session.connection.prepare(
            "SELECT path, shown.partition, shown.\"first\", shown.\"end\", shown.\"rows\", bytes
             FROM shown JOIN objects USING (path) ORDER BY 2, 3",
        )?;
        let objects = statement.query_map([], |row| {
            let numbers = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((row.get(0)?, row.get(1)?, numbers))
        })?;
        Ok(Self {
            views: session.views()?,
            objects: objects.collect::<Result<_, _>>()?,
        })
    }
}

/// Writes the copy's file. What its views name is bound when they are read, so a `base`
/// that is not reachable from here does no harm.
fn write(
    path: &std::path::Path,
    copied: &Copied,
    access: &Access,
    here: &Location,
    base: &Location,
) -> Result<(), Error> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&access.reach)?;
    let spare = connection.try_clone()?;
    connection.execute_batch("SET TimeZone = 'UTC'; BEGIN TRANSACTION")?;
    for view in &copied.views {
        if let Some(excuse) = view.excuse(&spare, "", here) {
            connection.execute_batch(&excuse)?;
            continue;
        }
        connection.execute_batch(&view.create("", here))?;
        connection.execute_batch(&view.objects("", base))?;
    }
    connection.execute_batch(
        "CREATE TABLE objects (
            path VARCHAR, partition UINTEGER, first UBIGINT, \"end\" UBIGINT, \"rows\" UBIGINT,
            bytes UBIGINT)",
    )?;
    let mut appender = connection.appender("objects")?;
    for (path, partition, [first, end, rows, bytes]) in &copied.objects {
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
    connection.execute_batch("COMMIT; CHECKPOINT")?;
    Ok(())
}
