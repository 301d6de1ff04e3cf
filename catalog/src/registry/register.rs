//! The transaction that registers objects: their list, the partitions' ends, the rollup and the
//! run, all or nothing.

use duckdb::{Connection, params};
use sink::{Ledger, Location, Partition, ReplayName};
use tokio::time::Instant;

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::runs::{Run, insert_run};
use crate::registry::state::{Discovered, RegisteredEnd};
use crate::registry::{backlog, objects as table};
use crate::rollup::fold;
use crate::tables::piece::Piece;

/// What one transaction registers.
pub(crate) struct Registration {
    /// The replay that the objects are of. `None` for the live lake.
    pub(crate) replay: Option<ReplayName>,
    pub(crate) ledger: Ledger,
    pub(crate) objects: Vec<Discovered>,
    /// The partitions whose registered end a gap has moved.
    pub(crate) moved: Vec<(Partition, RegisteredEnd)>,
    pub(crate) location: Location,
    /// How many rows are folded at once. More are left to the backlog.
    pub(crate) fold_rows: u64,
    /// The run's row, in the run's last transaction, and when the run began. `None` before it, and
    /// for a replay.
    pub(crate) run: Option<(Run, Instant)>,
}

/// Registers objects and their run.
pub(crate) fn register(session: &mut Session, registration: &Registration) -> Result<(), Error> {
    let connection = &session.connection;
    let Registration {
        replay,
        ledger,
        objects,
        fold_rows,
        ..
    } = registration;
    move_ends(connection, "", &registration.moved)?;
    for ((partition, first), gap) in &ledger.gaps {
        connection.execute(
            "INSERT OR IGNORE INTO gaps VALUES (?, ?, ?)",
            params![partition.0, first.0, gap.end.0],
        )?;
    }
    let rows = objects.iter().map(|object| object.footer.counts.rows).sum();
    // The rollups are of the live rows.
    let fold_now = replay.is_some() || backlog::is_next(connection, rows, *fold_rows)?;
    if !objects.is_empty() {
        table::insert(connection, replay.as_ref(), objects, fold_now)?;
        connection.execute(
            "UPDATE meta SET lake_id = ?, topic = ?, revision = revision + 1",
            params![ledger.lake.to_string(), ledger.topic.to_string()],
        )?;
    }
    if fold_now && replay.is_none() {
        let pieces: Vec<Piece> = objects.iter().filter_map(piece).collect();
        fold::add(connection, &pieces, &registration.location, *fold_rows)?;
        fold::settle(connection, false)?;
    }
    match &registration.run {
        // Folding is most of the time that a crawl takes.
        Some((run, began)) => insert_run(connection, &run.ended_after(began.elapsed())),
        None => Ok(()),
    }
}

/// Moves the registered ends of partitions of a replay, or of the live lake if its name is empty.
pub(crate) fn move_ends(
    connection: &Connection,
    replay: &str,
    moved: &[(Partition, RegisteredEnd)],
) -> Result<(), Error> {
    for (partition, registered) in moved {
        connection.execute(
            "INSERT INTO partitions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
             SET registered_end = excluded.registered_end, hour = excluded.hour",
            params![replay, partition.0, registered.end.0, registered.hour.0],
        )?;
    }
    Ok(())
}

/// All of an object. `None` if it has no rows.
fn piece(object: &Discovered) -> Option<Piece> {
    let rows = object.footer.counts.rows;
    (rows > 0).then(|| Piece {
        path: object.name.to_string(),
        current: object.current,
        rows,
    })
}

/// Lists a replay, whose ledger this is.
pub(crate) fn insert_replay(
    session: &mut Session,
    name: &ReplayName,
    ledger: &Ledger,
) -> Result<(), Error> {
    let replay = ledger.replay.as_ref();
    let configuration = replay.map(|replay| &replay.configuration);
    let begun_at = replay.map(|replay| replay.begun_at.micros());
    for (partition, (first, end)) in ledger.ranges() {
        session.connection.execute(
            "INSERT OR IGNORE INTO replays VALUES (?, ?, ?, ?, ?, make_timestamptz(?), 0)",
            params![
                name.as_str(),
                partition.0,
                first.0,
                end.0,
                configuration,
                begun_at
            ],
        )?;
    }
    // Each replay has views, so they are bound anew.
    let next = "UPDATE meta SET revision = revision + 1";
    Ok(session.connection.execute_batch(next)?)
}

/// Deletes a replay from the tables.
pub(crate) fn delete_replay(session: &mut Session, name: &ReplayName) -> Result<(), Error> {
    for table in ["objects", "partitions", "covered", "replays"] {
        let delete = format!("DELETE FROM {table} WHERE replay = ?");
        session.connection.execute(&delete, [name.as_str()])?;
    }
    let next = "UPDATE meta SET revision = revision + 1";
    Ok(session.connection.execute_batch(next)?)
}
