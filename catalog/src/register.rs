//! The transaction that registers objects: their list, the marks, the rollup and the run,
//! all or nothing.

use duckdb::{Connection, params};
use sink::{Hour, Ledger, Location, ObjectName, Offset, Partition, ReplayName, Timestamp};

use crate::accounting::Run;
use crate::engine::Session;
use crate::holdings::place;
use crate::marks::{Mark, Marks, Seen};
use crate::views::Piece;
use crate::{Error, backlog, rollup, schema};

/// How many runs that registered nothing are kept.
const QUIET_RUNS: u64 = 1_000;

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

/// Reads what earlier runs registered of a replay, or (none) of the live lake.
pub(crate) fn load(session: &mut Session, replay: Option<&ReplayName>) -> Result<Marks, Error> {
    let connection = &session.connection;
    let (replay, folder) = place(replay);
    let (topic, promotions): (_, String) =
        connection.query_row("SELECT topic, promotions FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut marks = Marks {
        topic,
        promotions: serde_json::from_str(&promotions).map_err(|error| {
            Error::Unavailable(format!("its promotions cannot be read: {error}"))
        })?,
        ..Marks::default()
    };
    let mut statement = connection
        .prepare("SELECT partition, registered_end, hour FROM partitions WHERE replay = ?")?;
    let mut rows = statement.query([&replay])?;
    while let Some(row) = rows.next()? {
        let mark = Mark {
            end: Offset(row.get(1)?),
            hour: Hour(row.get(2)?),
        };
        marks.ends.insert(Partition(row.get(0)?), mark);
    }
    let mut statement =
        connection.prepare("SELECT DISTINCT replay, epoch_us(begun_at) FROM replays")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let begun_at = Timestamp::from_micros(row.get(1)?);
        marks.listed.insert(ReplayName::parse(&name)?, begun_at);
    }
    // A replay's name is safe in SQL.
    for path in session.paths(&format!(
        "SELECT path FROM objects WHERE replay = '{replay}'"
    ))? {
        let name = path.strip_prefix(&folder).and_then(ObjectName::parse);
        let name = name.ok_or_else(|| {
            Error::Unavailable(format!("it lists {path}, which is no object's name"))
        })?;
        marks.known.insert(name);
    }
    Ok(marks)
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

fn insert_run(connection: &Connection, run: &Run) -> Result<(), Error> {
    let number: u64 = connection.query_row(
        "SELECT coalesce(max(number) + 1, 0) FROM crawls",
        [],
        |row| row.get(0),
    )?;
    connection.execute(
        "INSERT INTO crawls VALUES (?, make_timestamptz(?), ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            number,
            run.started_at.micros(),
            run.took_ms,
            run.full,
            run.found,
            run.registered,
            run.held,
            run.refused,
            run.foreign,
            run.detail
        ],
    )?;
    if number.is_multiple_of(100) {
        connection.execute(
            "DELETE FROM crawls WHERE registered = 0 AND number + ? < ?",
            params![QUIET_RUNS, number],
        )?;
    }
    Ok(())
}
