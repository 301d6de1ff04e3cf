//! The backlog, folded a slice at a time.

use std::collections::BTreeMap;

use duckdb::{Connection, params};
use sink::{ObjectName, Partition};

use crate::catalog::{Catalog, Inner};
use crate::db::engine::{Mode, PATIENCE, Session};
use crate::error::Error;
use crate::registry::backlog::{slice, waiting};
use crate::registry::load::load;
use crate::registry::state::{CHANGED, Marks};
use crate::rollup::fold as rollup;
use crate::sql::quoted;

impl Catalog {
    /// Folds a slice of the backlog, in one transaction: `fold_rows` rows, or an object. How many
    /// objects are left. An object of it that is damaged is taken out of the tables again, with
    /// those behind it in its partition.
    ///
    /// # Errors
    /// The lake's and the database's; then nothing was folded.
    pub async fn fold(&self) -> Result<u64, Error> {
        let inner = &self.inner;
        let mut slot = inner.marks.lock().await;
        let (location, most) = (inner.lake.location().clone(), inner.config.fold_rows);
        let fold = move |session: &mut Session| {
            let connection = &session.connection;
            let slice = slice(connection, most)?;
            if !slice.is_empty() {
                rollup::add(connection, &slice, &location, most)?;
                let paths: Vec<String> = slice.iter().map(|piece| quoted(&piece.path)).collect();
                connection.execute_batch(&format!(
                    "UPDATE objects SET folded = true
                     FROM (SELECT unnest([{}]) AS path) AS slice WHERE objects.path = slice.path",
                    paths.join(", ")
                ))?;
            }
            let left = waiting(connection)?;
            rollup::settle(connection, left > 0)?;
            Ok(left)
        };
        let folded = inner.engine.run(Mode::Write, PATIENCE, fold).await;
        match folded {
            Err(error) if !inner.expel_damaged(&mut slot).await? => Err(error),
            Err(_) => self.backlog().await,
            folded => folded,
        }
    }

    /// How many objects are in the backlog.
    ///
    /// # Errors
    /// The database's.
    pub async fn backlog(&self) -> Result<u64, Error> {
        self.read(|session| waiting(&session.connection)).await
    }
}

impl Inner {
    /// Takes the damaged ones of the next slice out of the tables, and what is behind them.
    /// Whether there was any.
    async fn expel_damaged(&self, slot: &mut Option<Marks>) -> Result<bool, Error> {
        let most = self.config.fold_rows;
        let next = move |session: &mut Session| slice(&session.connection, most);
        let next = self.engine.run(Mode::Read, PATIENCE, next).await?;
        let mut damaged: BTreeMap<Partition, (ObjectName, String)> = BTreeMap::new();
        for name in next
            .iter()
            .filter_map(|piece| ObjectName::parse(&piece.path))
        {
            let why = match self.lake.intact(name.path().as_ref()).await {
                Ok(true) => continue,
                Ok(false) => CHANGED.to_owned(),
                Err(sink::Error::Damaged { detail, .. }) => detail,
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(object = %name, why, "it is taken out of the tables, with what is behind it");
            // With the first one goes what is behind it.
            damaged.entry(name.partition).or_insert((name, why));
        }
        if damaged.is_empty() {
            return Ok(false);
        }
        let mut refused = slot.take().map(|marks| marks.refused).unwrap_or_default();
        let expel = move |session: &mut Session| {
            for (name, why) in damaged.into_values() {
                let bytes = expel(&session.connection, &name)?;
                refused.insert(name, (bytes, why));
            }
            let mut marks = load(session, None)?;
            marks.refused = refused;
            Ok(marks)
        };
        *slot = Some(self.engine.run(Mode::Write, PATIENCE, expel).await?);
        Ok(true)
    }
}

/// Takes an object of the backlog and what is behind it in its partition out of the tables. Its
/// size in bytes.
fn expel(connection: &Connection, name: &ObjectName) -> Result<u64, Error> {
    let (partition, first) = (name.partition.0, name.first.0);
    let bytes = connection.query_row(
        "SELECT bytes FROM objects WHERE path = ?",
        [name.to_string()],
        |row| row.get(0),
    )?;
    connection.execute(
        "DELETE FROM objects WHERE replay = '' AND partition = ? AND \"first\" >= ?",
        params![partition, first],
    )?;
    let before: Option<String> = connection.query_row(
        "SELECT max_by(path, \"first\") FROM objects WHERE replay = '' AND partition = ?",
        [partition],
        |row| row.get(0),
    )?;
    match before.as_deref().and_then(ObjectName::parse) {
        Some(before) => connection.execute(
            "UPDATE partitions SET registered_end = ?, hour = ?
             WHERE replay = '' AND partition = ?",
            params![first, before.hour.0, partition],
        )?,
        None => connection.execute(
            "DELETE FROM partitions WHERE replay = '' AND partition = ?",
            [partition],
        )?,
    };
    connection.execute_batch("UPDATE meta SET revision = revision + 1")?;
    Ok(bytes)
}
