//! The transaction that registers objects: their list, the marks, the rollup and the run,
//! all or nothing.

use duckdb::{Connection, params};
use sink::{Ledger, Location, Offset, Partition, ReplayName};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::runs::{Run, insert_run};
use crate::registry::state::{Seen, place};
use crate::registry::{backlog, schema};
use crate::rollup::fold as rollup;
use crate::tables::piece::Piece;

/// What is registered at once: a run's objects, or as many of them as are folded together.
pub(crate) struct Batch {
    /// The replay whose objects they are; none for the live lake.
    pub(crate) replay: Option<ReplayName>,
    pub(crate) ledger: Ledger,
    pub(crate) objects: Vec<Seen>,
    /// Partitions whose registered end an accepted loss has moved, and to where.
    pub(crate) moved: Vec<(Partition, Offset)>,
    pub(crate) location: Location,
    /// How many rows are folded at once; where there are more, they are left to the backlog.
    pub(crate) most: u64,
    /// The run's row, with the last of what it registers; a replay's has none.
    pub(crate) run: Option<Run>,
}

/// Forgets everything.
pub(crate) fn empty(session: &mut Session) -> Result<(), Error> {
    Ok(schema::wipe(&session.connection)?)
}

/// Registers a run's objects and the run.
pub(crate) fn register(session: &mut Session, batch: &Batch) -> Result<(), Error> {
    let connection = &session.connection;
    for (partition, end) in &batch.moved {
        connection.execute(
            "UPDATE partitions SET registered_end = ? WHERE partition = ? AND replay = ''",
            params![end.0, partition.0],
        )?;
    }
    for ((partition, first), gap) in &batch.ledger.gaps {
        connection.execute(
            "INSERT OR IGNORE INTO gaps VALUES (?, ?, ?)",
            params![partition.0, first.0, gap.end.0],
        )?;
    }
    let rows = batch
        .objects
        .iter()
        .map(|seen| seen.footer.counts.rows)
        .sum();
    // Of a replay, what is promoted is folded.
    let at_once = batch.replay.is_some() || backlog::is_next(connection, rows, batch.most)?;
    if !batch.objects.is_empty() {
        insert_objects(connection, batch.replay.as_ref(), &batch.objects, at_once)?;
        connection.execute(
            "UPDATE meta SET topic = ?, revision = revision + 1",
            params![batch.ledger.topic.to_string()],
        )?;
    }
    if at_once && batch.replay.is_none() {
        // No promotion reaches beyond what is registered, so what is new is shown as it is.
        let filled = batch
            .objects
            .iter()
            .filter(|seen| seen.footer.counts.rows > 0);
        let pieces: Vec<Piece> = filled
            .map(|seen| Piece::whole(seen.name.to_string(), seen.current, seen.footer.counts.rows))
            .collect();
        rollup::add(connection, &pieces, &batch.location, batch.most)?;
        rollup::settle(connection, false)?;
    }
    match &batch.run {
        Some(run) => insert_run(connection, run),
        None => Ok(()),
    }
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
            "INSERT OR IGNORE INTO replays VALUES (?, ?, ?, ?, ?, make_timestamptz(?))",
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
    // The views are those of all replays.
    let next = "UPDATE meta SET revision = revision + 1";
    Ok(session.connection.execute_batch(next)?)
}

/// Forgets a replay whose folder was deleted.
pub(crate) fn forget_replay(session: &mut Session, name: &ReplayName) -> Result<(), Error> {
    for table in ["objects", "partitions", "replays"] {
        let delete = format!("DELETE FROM {table} WHERE replay = ?");
        session.connection.execute(&delete, [name.as_str()])?;
    }
    let next = "UPDATE meta SET revision = revision + 1";
    Ok(session.connection.execute_batch(next)?)
}

fn insert_objects(
    connection: &Connection,
    replay: Option<&ReplayName>,
    objects: &[Seen],
    folded: bool,
) -> Result<(), Error> {
    let (replay, folder) = place(replay);
    connection.execute_batch(
        "CREATE OR REPLACE TEMP TABLE arrived (
            replay VARCHAR, path VARCHAR, partition UINTEGER, first UBIGINT, \"end\" UBIGINT, appended_at BIGINT,
            bytes UBIGINT, \"rows\" UBIGINT, dead_letters UBIGINT, duplicates UBIGINT,
            differing UBIGINT, dropped UBIGINT, absent UBIGINT, letters VARCHAR, least BIGINT,
            greatest BIGINT, window_cut BOOLEAN, configuration VARCHAR, current BOOLEAN,
            footer VARCHAR, folded BOOLEAN, hour BIGINT)",
    )?;
    let mut appender = connection.appender("arrived")?;
    for Seen {
        name,
        bytes,
        footer,
        current,
    } in objects
    {
        let counts = &footer.counts;
        let json = serde_json::to_string(footer).expect("a footer is plain text and numbers");
        appender.append_row(params![
            replay,
            format!("{folder}{name}"),
            footer.partition.0,
            footer.first.0,
            footer.end.0,
            footer.appended_at.micros(),
            bytes,
            counts.rows,
            counts.dead_letters,
            counts.duplicates,
            footer.differing,
            counts.dropped,
            counts.absent,
            footer
                .letters
                .as_ref()
                .map(|path| format!("{folder}{path}")),
            footer.occurred.map(|(least, _)| least.micros()),
            footer.occurred.map(|(_, greatest)| greatest.micros()),
            footer.window_cut,
            footer.configuration,
            current,
            json,
            folded || counts.rows == 0,
            name.hour.0,
        ])?;
    }
    appender.flush()?;
    drop(appender);
    connection.execute_batch(
        "INSERT INTO objects SELECT replay, path, partition, first, \"end\", make_timestamptz(appended_at),
            bytes, \"rows\", dead_letters, duplicates, differing, dropped, absent, letters,
            make_timestamptz(least), make_timestamptz(greatest), window_cut, configuration,
            current, footer, folded
         FROM arrived;
         INSERT INTO partitions
         SELECT replay, partition, max(\"end\"), arg_max(hour, first) FROM arrived GROUP BY ALL
         ON CONFLICT DO UPDATE SET registered_end = excluded.registered_end, hour = excluded.hour;
         DROP TABLE arrived;",
    )?;
    Ok(())
}
