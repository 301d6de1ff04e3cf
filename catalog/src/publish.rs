//! The published copy: a small read-only DuckDB file that anyone can attach.

use bytes::Bytes;
use duckdb::{Connection, params};
use sink::Location;

use crate::remote::{self, Access};
use crate::views::{Lists, View};
use crate::{Catalog, Error, Object};

/// The copy's place in the lake.
pub const PUBLISHED: &str = "published/clickweir.duckdb";

impl Catalog {
    /// Writes the published copy: views `clicks` and `dead_letters` over explicit lists of
    /// absolute names, and a table `objects`. `base` takes the place of the lake's own
    /// absolute prefix, for readers who have it mounted elsewhere. The previous copy stays
    /// valid until the new one is whole.
    ///
    /// # Errors
    /// The lake's and the database's.
    pub async fn publish(&self, base: Option<&str>) -> Result<(), Error> {
        let inner = &self.inner;
        let objects = self.objects().await?;
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
                &objects,
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

/// Writes the copy's file. What its views name is bound when they are read, so a `base`
/// that is not reachable from here does no harm.
fn write(
    path: &std::path::Path,
    objects: &[Object],
    access: &Access,
    here: &Location,
    base: &Location,
) -> Result<(), Error> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&access.reach)?;
    connection.execute_batch("SET TimeZone = 'UTC'; BEGIN TRANSACTION")?;
    let filled = objects
        .iter()
        .filter(|object| object.footer.counts.rows > 0);
    let clicks = Lists::of(filled.map(|object| (object.name.to_string(), object.current)));
    let letters: Vec<String> = objects
        .iter()
        .filter_map(|object| object.footer.letters.clone())
        .collect();
    for view in [View::clicks(&clicks), View::letters(&letters)] {
        connection.execute_batch(&view.create("", here))?;
        connection.execute_batch(&view.objects("", base))?;
    }
    connection.execute_batch(
        "CREATE TABLE objects (
            path VARCHAR, partition UINTEGER, first UBIGINT, \"end\" UBIGINT, \"rows\" UBIGINT,
            bytes UBIGINT)",
    )?;
    let mut appender = connection.appender("objects")?;
    for Object {
        name,
        bytes,
        footer,
        ..
    } in objects
    {
        appender.append_row(params![
            base.absolute(&name.to_string()),
            footer.partition.0,
            footer.first.0,
            footer.end.0,
            footer.counts.rows,
            bytes,
        ])?;
    }
    appender.flush()?;
    drop(appender);
    connection.execute_batch("COMMIT; CHECKPOINT")?;
    Ok(())
}
