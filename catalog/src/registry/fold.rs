//! Folds the backlog, one slice at a time.

use std::collections::BTreeMap;

use duckdb::{Connection, params};
use sink::{Location, ObjectName, Partition};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::backlog;
use crate::registry::load::load;
use crate::registry::state::{CrawlState, HASH_MISMATCH};
use crate::registry::writer::RegistryWriter;
use crate::rollup::fold;
use crate::sql::{Literal, list};

impl RegistryWriter {
    /// Folds a slice of the backlog in one transaction: `fold_rows` rows, or one object. Returns
    /// how many objects are left. A damaged object is taken out of the tables again, with those
    /// behind it in its partition.
    pub(crate) async fn fold(&self) -> Result<u64, Error> {
        let mut slot = self.state.lock().await;
        let (location, fold_rows) = (self.lake.location().clone(), self.fold_rows);
        let work =
            move |session: &mut Session| fold_slice(&session.connection, &location, fold_rows);
        match self.write(work).await {
            Err(error) if !self.expel_damaged(&mut slot).await? => Err(error),
            Err(_) => self.read(|session| backlog::len(&session.connection)).await,
            folded => folded,
        }
    }

    /// Takes the damaged objects of the next slice out of the tables, with those behind them.
    /// Returns true if there was any.
    async fn expel_damaged(&self, slot: &mut Option<CrawlState>) -> Result<bool, Error> {
        let fold_rows = self.fold_rows;
        let next = move |session: &mut Session| backlog::next_slice(&session.connection, fold_rows);
        let next = self.read(next).await?;
        let mut damaged: BTreeMap<Partition, (ObjectName, String)> = BTreeMap::new();
        let names = next.iter();
        for name in names.filter_map(|piece| ObjectName::parse(&piece.path)) {
            let why = match self.lake.intact(name.path().as_ref()).await {
                Ok(true) => continue,
                Ok(false) => HASH_MISMATCH.to_owned(),
                Err(sink::Error::Damaged { detail, .. }) => detail,
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(object = %name, why, "it is taken out of the tables, with the objects behind it");
            damaged.entry(name.partition).or_insert((name, why));
        }
        if damaged.is_empty() {
            return Ok(false);
        }
        let known = slot.take();
        let mut refused = known.map(|state| state.refused).unwrap_or_default();
        let work = move |session: &mut Session| {
            for (name, why) in damaged.into_values() {
                let bytes = expel(&session.connection, &name)?;
                refused.insert(name, (bytes, why));
            }
            let mut state = load(session, None)?;
            state.refused = refused;
            Ok(state)
        };
        *slot = Some(self.write(work).await?);
        Ok(true)
    }
}

/// Folds the next slice, and returns how many objects are left.
fn fold_slice(connection: &Connection, location: &Location, fold_rows: u64) -> Result<u64, Error> {
    let slice = backlog::next_slice(connection, fold_rows)?;
    if !slice.is_empty() {
        fold::add(connection, &slice, location, fold_rows)?;
        let paths = list(slice.iter().map(|piece| Literal(&piece.path)));
        connection.execute_batch(&format!(
            "UPDATE objects SET folded = true
             FROM (SELECT unnest({paths}) AS path) AS slice WHERE objects.path = slice.path"
        ))?;
    }
    let left = backlog::len(connection)?;
    fold::settle(connection, left > 0)?;
    Ok(left)
}

/// Takes an object of the backlog out of the tables, with those behind it in its partition.
/// Returns its size in bytes.
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
