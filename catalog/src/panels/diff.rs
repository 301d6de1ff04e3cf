//! A replay beside the live rows of its ranges, offset by offset.

use serde::{Deserialize, Serialize};
use sink::{Location, Ranges, ReplayName};

use crate::catalog::Catalog;
use crate::db::engine::{Mode, PATIENCE, Session};
use crate::error::Error;
use crate::tables::table::Table;

/// How many differing offsets of a table are told.
const SAMPLE: usize = 10;

/// What a replay came to, beside what was live, whatever is promoted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The rows.
    pub clicks: Compared,
    /// The dead letters.
    pub dead_letters: Compared,
    /// The first of the differing offsets of both tables.
    pub sample: Vec<Difference>,
}

impl Diff {
    /// Whether both sides hold the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clicks.differences() + self.dead_letters.differences() == 0
    }
}

/// One table of both sides, by partition and offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Rows of the live objects.
    pub live: u64,
    /// Rows of the replay.
    pub replay: u64,
    /// Offsets that are a row of the live objects only.
    pub only_live: u64,
    /// Offsets that are a row of the replay only.
    pub only_replay: u64,
    /// Offsets whose rows differ in a column, by a hash of 64 bits.
    pub differing: u64,
}

impl Compared {
    const fn differences(&self) -> u64 {
        self.only_live + self.only_replay + self.differing
    }
}

/// One offset that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `clicks` or `dead_letters`.
    pub table: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// The event's id, where there is one.
    pub event_id: Option<String>,
    /// Where it is missing, or each column that differs, as `column: live → replay`.
    pub what: String,
}

impl Catalog {
    /// Compares a replay with the live objects, within the replay's `ranges`.
    ///
    /// # Errors
    /// [`Error::Refused`] where not all of either side is registered, else the database's,
    /// and the lake's as the database met it.
    pub async fn diff(&self, name: &ReplayName, ranges: &Ranges) -> Result<Diff, Error> {
        let (name, ranges) = (name.to_string(), ranges.clone());
        let location = self.inner.lake.location().clone();
        let work = move |session: &mut Session| {
            registered(session, &name, &ranges)?;
            let mut diff = Diff::default();
            for table in [Table::Clicks, Table::Letters] {
                let sides = Sides::of(session, table, &name, &ranges, &location)?;
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
        };
        self.inner.engine.run(Mode::Read, PATIENCE, work).await
    }
}

/// Refuses to compare what is not there whole.
fn registered(session: &Session, name: &str, ranges: &Ranges) -> Result<(), Error> {
    for (partition, (_, end)) in ranges {
        let reached: u64 = session.connection.query_row(
            "SELECT count(*)::UBIGINT FROM partitions
             WHERE partition = ? AND registered_end >= ? AND replay IN ('', ?)",
            duckdb::params![partition.0, end.0, name],
            |row| row.get(0),
        )?;
        if reached < 2 {
            return Err(Error::Refused(format!(
                "partition {partition} is not registered up to {end}, live and replayed: \
                 `clickweir crawl` says why, where it stays so"
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
    fn of(
        session: &Session,
        table: Table,
        name: &str,
        ranges: &Ranges,
        location: &Location,
    ) -> Result<Self, Error> {
        let any = |condition: &dyn Fn(u32, u64, u64) -> String| {
            let each = ranges.iter();
            let each = each.map(|(p, (first, end))| condition(p.0, first.0, end.0));
            each.collect::<Vec<_>>().join(" OR ")
        };
        let touched = any(&|partition, first, end| {
            format!(r#"(partition = {partition} AND "first" < {end} AND "end" > {first})"#)
        });
        let within = any(&|partition, first, end| {
            format!(r#"(partition = {partition} AND "offset" >= {first} AND "offset" < {end})"#)
        });
        let side = |lake: &str| {
            let pieces = session.pieces_of(table, lake, &touched)?;
            let rows = table.of(&pieces, location);
            Ok::<_, Error>(format!("(FROM {rows} WHERE {within})"))
        };
        Ok(Self {
            live: side("")?,
            replay: side(name)?,
        })
    }

    /// Both sides by a hash of each row.
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

    fn compare(&self, session: &Session) -> Result<Compared, Error> {
        let sql = format!(
            "SELECT count(live.hash)::UBIGINT, count(replay.hash)::UBIGINT,
                (count(*) FILTER (replay.hash IS NULL))::UBIGINT,
                (count(*) FILTER (live.hash IS NULL))::UBIGINT,
                (count(*) FILTER (live.hash <> replay.hash))::UBIGINT FROM {}",
            self.joined()
        );
        Ok(session.connection.query_row(&sql, [], |row| {
            Ok(Compared {
                live: row.get(0)?,
                replay: row.get(1)?,
                only_live: row.get(2)?,
                only_replay: row.get(3)?,
                differing: row.get(4)?,
            })
        })?)
    }

    fn sample(&self, session: &Session, table: Table) -> Result<Vec<Difference>, Error> {
        let chosen = session.paths(&format!(
            r#"SELECT '(partition = ' || partition || ' AND "offset" = ' || "offset" || ')'
               FROM {} WHERE live.hash IS DISTINCT FROM replay.hash
               ORDER BY partition, "offset" LIMIT {SAMPLE}"#,
            self.joined()
        ))?;
        let chosen = chosen.join(" OR ");
        let columns = table.columns();
        let differing: Vec<String> = columns
            .iter()
            .map(|(name, _)| {
                format!(
                    r#"CASE WHEN live."{name}" IS DISTINCT FROM replay."{name}" THEN concat(
                        '{name}: ', coalesce(live."{name}"::VARCHAR, 'NULL'), ' → ',
                        coalesce(replay."{name}"::VARCHAR, 'NULL')) END"#
                )
            })
            .collect();
        let sql = format!(
            r#"SELECT partition, "offset", coalesce(live.event_id, replay.event_id)::VARCHAR,
                CASE WHEN live.appended_at IS NULL THEN 'in the replay only'
                    WHEN replay.appended_at IS NULL THEN 'live only'
                    ELSE concat_ws(', ', {}) END
               FROM (FROM {} WHERE {chosen}) live FULL JOIN (FROM {} WHERE {chosen}) replay
                    USING (partition, "offset") ORDER BY partition, "offset""#,
            differing.join(", "),
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
