//! A replay compared with the live rows of its ranges, offset by offset.

use serde::{Deserialize, Serialize};
use sink::{Column, Location, Ranges, ReplayName};

use crate::db::engine::Session;
use crate::error::Error;
use crate::sql::{Ident, Literal, OffsetRange, any, joined};
use crate::tables::select::pieces;
use crate::tables::table::Table;

/// How many differing offsets of a table are listed.
const SAMPLE_OFFSETS: usize = 10;

/// A replay compared with the live objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// The rows.
    pub clicks: TableDiff,
    /// The dead letters.
    pub dead_letters: TableDiff,
    /// The first differing offsets of both tables.
    pub sample: Vec<Difference>,
}

impl Diff {
    /// Returns true if both sides hold the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clicks.differences() + self.dead_letters.differences() == 0
    }
}

/// One table of both sides, by partition and offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDiff {
    /// Rows of the live objects.
    pub live: u64,
    /// Rows of the replay.
    pub replay: u64,
    /// Offsets that only the live objects have a row of.
    pub only_live: u64,
    /// Offsets that only the replay has a row of.
    pub only_replay: u64,
    /// Offsets whose rows differ in a column, by a hash of 64 bits.
    pub differing: u64,
}

impl TableDiff {
    const fn differences(&self) -> u64 {
        self.only_live + self.only_replay + self.differing
    }
}

/// One offset that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// `clicks` or `dead_letters`.
    pub table: String,
    /// The partition's number.
    pub partition: u32,
    /// The record's offset.
    pub offset: u64,
    /// The event's id. `None` if the record has none.
    pub event_id: Option<String>,
    /// The side that lacks it, or each column that differs, as `column: live → replay`.
    pub what: String,
}

/// Compares a replay with the live objects, within the replay's ranges.
pub(crate) fn diff(
    session: &Session,
    location: &Location,
    name: &ReplayName,
    ranges: &Ranges,
) -> Result<Diff, Error> {
    check_registered(session, name, ranges)?;
    let mut diff = Diff::default();
    for table in Table::ALL {
        let sides = Sides::new(session, table, name, ranges, location)?;
        let compared = sides.compare(session)?;
        match table {
            Table::Clicks => diff.clicks = compared,
            Table::Letters => diff.dead_letters = compared,
        }
        if compared.differences() > 0 {
            diff.sample.extend(sides.sample(session, table)?);
        }
    }
    Ok(diff)
}

/// Refuses to compare sides that are not completely registered.
fn check_registered(session: &Session, name: &ReplayName, ranges: &Ranges) -> Result<(), Error> {
    for (partition, (_, end)) in ranges {
        let reached: u64 = session.connection.query_row(
            "SELECT count(*)::UBIGINT FROM partitions
             WHERE partition = ? AND registered_end >= ? AND replay IN ('', ?)",
            duckdb::params![partition.0, end.0, name.as_str()],
            |row| row.get(0),
        )?;
        if reached < 2 {
            return Err(Error::Refused(format!(
                "partition {partition} is not registered up to {end}, live and replayed: \
                 if this stays so, `clickweir crawl` says why"
            )));
        }
    }
    Ok(())
}

/// SQL of the rows of both sides.
struct Sides {
    live: String,
    replay: String,
}

impl Sides {
    fn new(
        session: &Session,
        table: Table,
        name: &ReplayName,
        ranges: &Ranges,
        location: &Location,
    ) -> Result<Self, Error> {
        let ranges = ranges.iter();
        let ranges: Vec<OffsetRange> = ranges
            .map(|(partition, (first, end))| OffsetRange {
                partition: partition.0,
                first: *first,
                end: *end,
            })
            .collect();
        // The objects of swaps are of several partitions.
        let swapped = "partition IS NULL".to_owned();
        let touched = any(ranges
            .iter()
            .map(|range| {
                let OffsetRange {
                    partition,
                    first,
                    end,
                } = range;
                format!(r#"(partition = {partition} AND "first" < {end} AND "end" > {first})"#)
            })
            .chain([swapped]));
        let within = any(&ranges);
        let side = |lake: &str| {
            let pieces = pieces(session, table, lake, &touched)?;
            let rows = table.of(&pieces, location);
            Ok::<_, Error>(format!("(FROM {rows} WHERE {within})"))
        };
        Ok(Self {
            live: side("")?,
            replay: side(name.as_str())?,
        })
    }

    /// SQL of both sides, with a hash of each row.
    fn joined(&self) -> String {
        let hashed = |side: &str| {
            format!(r#"(SELECT partition, "offset", hash(rows) AS hash FROM {side} rows)"#)
        };
        format!(
            r#"{} live FULL JOIN {} replay USING (partition, "offset")"#,
            hashed(&self.live),
            hashed(&self.replay)
        )
    }

    fn compare(&self, session: &Session) -> Result<TableDiff, Error> {
        let sql = format!(
            "SELECT count(live.hash)::UBIGINT, count(replay.hash)::UBIGINT,
                (count(*) FILTER (replay.hash IS NULL))::UBIGINT,
                (count(*) FILTER (live.hash IS NULL))::UBIGINT,
                (count(*) FILTER (live.hash <> replay.hash))::UBIGINT FROM {}",
            self.joined()
        );
        Ok(session.connection.query_row(&sql, [], |row| {
            Ok(TableDiff {
                live: row.get(0)?,
                replay: row.get(1)?,
                only_live: row.get(2)?,
                only_replay: row.get(3)?,
                differing: row.get(4)?,
            })
        })?)
    }

    fn sample(&self, session: &Session, table: Table) -> Result<Vec<Difference>, Error> {
        let chosen = session.texts(&format!(
            r#"SELECT '(partition = ' || partition || ' AND "offset" = ' || "offset" || ')'
               FROM {} WHERE live.hash IS DISTINCT FROM replay.hash
               ORDER BY partition, "offset" LIMIT {SAMPLE_OFFSETS}"#,
            self.joined()
        ))?;
        let chosen = any(chosen);
        let columns = table.columns();
        let differing = columns.iter().map(|Column { name, .. }| {
            let (column, label) = (Ident(name), Literal(format!("{name}: ")));
            format!(
                "CASE WHEN live.{column} IS DISTINCT FROM replay.{column} THEN concat(
                    {label}, coalesce(live.{column}::VARCHAR, 'NULL'), ' → ',
                    coalesce(replay.{column}::VARCHAR, 'NULL')) END"
            )
        });
        let sql = format!(
            r#"SELECT partition, "offset", coalesce(live.event_id, replay.event_id)::VARCHAR,
                CASE WHEN live.appended_at IS NULL THEN 'in the replay only'
                    WHEN replay.appended_at IS NULL THEN 'live only'
                    ELSE concat_ws(', ', {}) END
               FROM (FROM {} WHERE {chosen}) live FULL JOIN (FROM {} WHERE {chosen}) replay
                    USING (partition, "offset") ORDER BY partition, "offset""#,
            joined(differing, ", "),
            self.live,
            self.replay
        );
        let mut statement = session.connection.prepare(&sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Difference {
                table: table.name().to_owned(),
                partition: row.get(0)?,
                offset: row.get(1)?,
                event_id: row.get(2)?,
                what: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
