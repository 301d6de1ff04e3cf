//! Swaps: in one transaction the objects of the ledger's newest state take the place of those that
//! they replace, and the rollups stay right.
//!
//! In the table `objects` they have no partition: their rows are of several. The objects of dead
//! letters that a swap names are there as well, without rows.

use std::collections::{BTreeMap, BTreeSet};

use duckdb::{Connection, params};
use sink::{ColumnSet, Coverage, Lake, Ledger, Partition, ReplayName, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::register::move_ends;
use crate::registry::state::{CrawlState, RegisteredEnd, place};
use crate::registry::writer::RegistryWriter;
use crate::rollup::fold;
use crate::sql::Literal;

/// What one transaction makes the tables show.
struct ShownSwaps {
    /// The replay's name, and the prefix of its paths; both are empty for the live lake.
    replay: String,
    folder: String,
    ledger: Ledger,
    /// Whether the columns of a new object are exactly those that this program writes, by path.
    current: BTreeMap<String, bool>,
    /// The partitions whose registered end moves.
    moved: Vec<(Partition, RegisteredEnd)>,
    /// True if the rows after the swaps may be others than before.
    rewritten: bool,
}

impl RegistryWriter {
    /// Makes the tables of a replay, or of the live lake if it is `None`, show what the swaps of its
    /// ledger come to. Returns false if they do already.
    pub(crate) async fn show_swaps(
        &self,
        replay: Option<&ReplayName>,
        lake: &Lake,
        state: &mut CrawlState,
        ledger: &Ledger,
    ) -> Result<bool, Error> {
        let coverage = &ledger.coverage;
        if state.swaps == coverage.swaps() {
            return Ok(false);
        }
        let (replay, folder) = place(replay);
        let listed = format!(
            "SELECT path FROM objects WHERE replay = {} AND partition IS NULL",
            Literal(&replay)
        );
        let listed = self.read(move |session| session.texts(&listed)).await?;
        let listed: BTreeSet<String> = listed.into_iter().collect();
        let mut current = BTreeMap::new();
        for object in coverage.objects() {
            let path = object.path().to_string();
            if !listed.contains(&format!("{folder}{path}")) {
                let known = lake.columns_of(&path).await?;
                let known = known.ok_or_else(|| {
                    Error::Unavailable(format!(
                        "{path} is in the ledger and is not there; if that stays so, `clickweir \
                         repair` rebuilds it from the topic"
                    ))
                })?;
                current.insert(path, known == ColumnSet::Current);
            }
        }
        let moved = state.pass(ledger);
        let shown = ShownSwaps {
            replay,
            folder,
            ledger: ledger.clone(),
            current,
            moved,
            rewritten: state.rewrites != coverage.rewrites(),
        };
        self.write(move |session| show(session, &shown)).await?;
        state.belongs_to(ledger);
        state.swapped(coverage);
        Ok(true)
    }
}

/// The rows that leave the tables and those that come, before they do.
struct Exchange {
    /// Rows of what is replaced that the rollups have.
    folded: u64,
    /// Rows of what is replaced that they lack.
    unfolded: u64,
    added: u64,
}

fn show(session: &mut Session, shown: &ShownSwaps) -> Result<(), Error> {
    let connection = &session.connection;
    let coverage = &shown.ledger.coverage;
    let replay = Literal(&shown.replay);
    cover(connection, &shown.replay, coverage)?;
    list_counting(connection, shown)?;
    connection.execute_batch(&format!(
        r#"CREATE OR REPLACE TEMP TABLE replaced AS
           SELECT path, "rows", folded FROM objects WHERE replay = {replay} AND (
              EXISTS (FROM covered WHERE covered.replay = objects.replay
                 AND covered.partition = objects.partition
                 AND covered."first" <= objects."first" AND objects."first" < covered."end")
              OR (partition IS NULL AND path NOT IN (SELECT path FROM counting)));
           DELETE FROM counting WHERE path IN (SELECT path FROM objects)"#
    ))?;
    let exchange = connection.query_row(
        r#"SELECT coalesce(sum("rows") FILTER (folded), 0)::BIGINT,
              coalesce(sum("rows") FILTER (NOT folded), 0)::BIGINT,
              (SELECT coalesce(sum("rows"), 0)::BIGINT FROM counting) FROM replaced"#,
        [],
        |row| {
            Ok(Exchange {
                folded: row.get(0)?,
                unfolded: row.get(1)?,
                added: row.get(2)?,
            })
        },
    )?;
    // The rollups are of the live rows.
    let live = shown.replay.is_empty();
    let same = exchange.unfolded == 0 && exchange.folded == exchange.added && !shown.rewritten;
    connection.execute(
        r#"INSERT INTO objects BY NAME
           SELECT ? AS replay, path, make_timestamptz(appended_at) AS appended_at, bytes, "rows",
              dead_letters, 0 AS duplicates, 0 AS differing, 0 AS dropped, 0 AS absent, letters,
              make_timestamptz(occurred_least) AS occurred_least,
              make_timestamptz(occurred_greatest) AS occurred_greatest, false AS window_cut,
              '' AS configuration, current, ("rows" = 0 OR ?) AS folded FROM counting"#,
        params![shown.replay, same || !live],
    )?;
    connection.execute_batch(
        "DELETE FROM objects WHERE path IN (SELECT path FROM replaced);
         DROP TABLE replaced; DROP TABLE counting",
    )?;
    // The rollups have some of the new rows, or rows that are gone.
    if live && !same && exchange.folded > 0 {
        fold_anew(session)?;
    }
    let connection = &session.connection;
    move_ends(connection, &shown.replay, &shown.moved)?;
    if !live {
        let swaps = "UPDATE replays SET swaps = ? WHERE replay = ?";
        connection.execute(swaps, params![coverage.swaps(), shown.replay])?;
        let next = "UPDATE meta SET revision = revision + 1";
        return Ok(connection.execute_batch(next)?);
    }
    connection.execute(
        "UPDATE meta SET lake_id = ?, topic = ?, swaps = ?, rewrites = ?, revision = revision + 1",
        params![
            shown.ledger.lake.to_string(),
            shown.ledger.topic.to_string(),
            coverage.swaps(),
            coverage.rewrites()
        ],
    )?;
    Ok(())
}

/// Empties the rollups. The backlog fills them again, one slice at a time.
fn fold_anew(session: &Session) -> Result<(), Error> {
    fold::clear(&session.connection)?;
    let unfolded = "UPDATE objects SET folded = false WHERE replay = '' AND \"rows\" > 0";
    Ok(session.connection.execute_batch(unfolded)?)
}

/// Fills the table `covered` of a replay, or of the live lake if its name is empty.
fn cover(connection: &Connection, replay: &str, coverage: &Coverage) -> Result<(), Error> {
    connection.execute("DELETE FROM covered WHERE replay = ?", [replay])?;
    let mut appender = connection.appender("covered")?;
    for covered in coverage.ranges() {
        let (range, counts) = (&covered.range, &covered.range.counts);
        appender.append_row(params![
            replay,
            range.partition.0,
            range.first.0,
            range.end.0,
            counts.counts.rows,
            counts.counts.dead_letters,
            counts.counts.duplicates,
            counts.differing,
            counts.counts.dropped,
            counts.counts.absent,
            counts.erased,
            counts.expired,
            counts.mended,
        ])?;
    }
    appender.flush()?;
    Ok(())
}

/// Fills the table `counting` with the objects that count.
fn list_counting(connection: &Connection, shown: &ShownSwaps) -> Result<(), Error> {
    connection.execute_batch(
        "CREATE OR REPLACE TEMP TABLE counting (
            path VARCHAR, bytes BIGINT, \"rows\" BIGINT, dead_letters BIGINT, letters VARCHAR,
            appended_at BIGINT, occurred_least BIGINT, occurred_greatest BIGINT, current BOOLEAN)",
    )?;
    let coverage = &shown.ledger.coverage;
    let mut appender = connection.appender("counting")?;
    for object in coverage.objects() {
        let path = object.path().to_string();
        let current = shown.current.get(&path).copied().unwrap_or_default();
        let (least, greatest) = object.occurred.unzip();
        let letters: Option<&str> = None;
        appender.append_row(params![
            format!("{}{path}", shown.folder),
            object.bytes,
            object.rows,
            0_u64,
            letters,
            greatest.map(Timestamp::micros),
            least.map(Timestamp::micros),
            greatest.map(Timestamp::micros),
            current,
        ])?;
    }
    for letters in coverage.letters() {
        let none: Option<i64> = None;
        let path = format!("{}{}", shown.folder, letters.path);
        appender.append_row(params![
            path,
            0_u64,
            0_u64,
            letters.dead_letters,
            path,
            letters.appended_at.micros(),
            none,
            none,
            true,
        ])?;
    }
    appender.flush()?;
    Ok(())
}
