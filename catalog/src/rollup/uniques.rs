//! Distinct visitors, buyers and orders of any range of whole hours, without reading its rows.
//!
//! `visits` has a row for each key and each hour in which it was seen, with the hour in which it
//! was seen before, `previous`. In a range that begins at `a`, a key's first hour is the one whose
//! `previous` is before `a`; counting those hours counts the keys. `returns` adds them up by hour,
//! day or month and by `previous`, which is few rows however many visitors there are.

use duckdb::Connection;
use sink::Timestamp;

use crate::error::Error;
use crate::rollup::grain::{Cover, Grain};
use crate::rollup::layers::Layers;
use crate::rollup::measures::TRADE;
use crate::sql::{Literal, Moment, TimeCondition};

/// What is counted once however often it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unique {
    Visitor,
    /// A visitor who bought.
    Buyer,
    /// An order of a `buy` or a `cancel`.
    Order,
}

impl Unique {
    pub(crate) const ALL: [Self; 3] = [Self::Visitor, Self::Buyer, Self::Order];

    /// Its name in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Buyer => "buyer",
            Self::Order => "order",
        }
    }

    /// The column that identifies it.
    const fn id(self) -> &'static str {
        match self {
            Self::Visitor | Self::Buyer => "visitor_id",
            Self::Order => "order_id",
        }
    }

    /// The condition of the rows that count.
    const fn counts(self) -> &'static str {
        match self {
            Self::Visitor => "true",
            Self::Buyer => "action = 'buy'",
            Self::Order => TRADE,
        }
    }

    /// The condition of the rows that have one.
    pub(crate) fn condition(self) -> String {
        format!("({} IS NOT NULL AND {})", self.id(), self.counts())
    }

    /// SQL that counts them among rows.
    pub(crate) fn counted(self) -> String {
        format!("count(DISTINCT {}) FILTER ({})", self.id(), self.counts())
    }

    /// SQL of the keys among rows: `kind`, `key`, and the columns that `columns` names. Two of a
    /// billion share a key of 128 bits with a probability of 10⁻²¹.
    fn keys(self, rows: &str, columns: &str) -> String {
        format!(
            "SELECT DISTINCT {} AS kind, md5_number({}) AS key{columns} FROM {rows} WHERE {}",
            Literal(self.name()),
            self.id(),
            self.condition(),
        )
    }

    /// SQL of `start` and `number`, 1 for each key among rows in a step of time, without the keys
    /// that `visits` has in an hour of `[first, end)` in the same step. `start` makes the SQL of
    /// the start of the step that a moment is in.
    pub(crate) fn not_seen_in(
        self,
        rows: &str,
        reach: (Timestamp, Timestamp),
        start: impl Fn(&str) -> String,
    ) -> String {
        let columns = format!(", {} AS start", start("occurred_at"));
        format!(
            "SELECT start, 1 AS number FROM ({})
             ANTI JOIN (SELECT key, kind, {} AS start FROM visits WHERE {})
                USING (key, kind, start)",
            self.keys(rows, &columns),
            start("hour"),
            TimeCondition::of("hour", reach),
        )
    }
}

/// Adds the rows of the table `fresh`, which has a column `hour`.
pub(crate) fn add(connection: &Connection) -> Result<(), Error> {
    let met = Unique::ALL
        .map(|unique| unique.keys("fresh", ", hour"))
        .join(" UNION ALL ");
    // For each key that was seen in a new hour: all its hours, before and now.
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE met AS {met};
         CREATE OR REPLACE TEMP TABLE was AS
            FROM visits SEMI JOIN met USING (key, kind);
         CREATE OR REPLACE TEMP TABLE came AS
            FROM met ANTI JOIN was USING (key, kind, hour);
         CREATE OR REPLACE TEMP TABLE changes AS
            WITH hours AS MATERIALIZED (
                SELECT *, lag(hour) OVER (PARTITION BY key, kind ORDER BY hour) AS previous
                FROM (
                    SELECT kind, key, hour, previous AS old, false AS new
                    FROM was SEMI JOIN came USING (key, kind)
                    UNION ALL SELECT kind, key, hour, NULL, true FROM came))
            SELECT 1 AS number, kind, key, hour, previous FROM hours
            WHERE new OR previous IS DISTINCT FROM old
            UNION ALL SELECT -1, kind, key, hour, old FROM hours
            WHERE NOT new AND previous IS DISTINCT FROM old;"
    ))?;
    for grain in Grain::ALL {
        // Within a day a visitor counts at the first of its hours.
        let start = grain.start("hour");
        connection.execute_batch(&format!(
            "INSERT INTO returns_fresh BY NAME
             SELECT kind, {} AS grain, {start} AS moment, previous,
                CAST(sum(number) AS BIGINT) AS number
             FROM changes WHERE previous IS NULL OR previous < {start} GROUP BY ALL",
            Literal(grain.name()),
        ))?;
    }
    let corrected: bool =
        connection.query_row("SELECT bool_or(number < 0) FROM changes", [], |row| {
            Ok(row.get::<_, Option<bool>>(0)?.unwrap_or_default())
        })?;
    if corrected {
        connection.execute_batch(
            "DELETE FROM visits USING changes AS old WHERE old.number < 0
                AND visits.key = old.key AND visits.kind = old.kind AND visits.hour = old.hour",
        )?;
    }
    connection.execute_batch(
        "INSERT INTO visits BY NAME SELECT kind, key, hour, previous FROM changes WHERE number > 0;
         DROP TABLE met; DROP TABLE was; DROP TABLE came; DROP TABLE changes;",
    )?;
    Ok(())
}

/// SQL of what `returns` has of a cover's units: `kind`, `moment`, `previous`, `number`.
pub(crate) fn whole_units(cover: &Cover) -> String {
    let units = cover.whole.iter().flat_map(|(grain, from, to)| {
        let units = TimeCondition::of("moment", (*from, *to));
        Layers::NAMES.map(|layer| {
            format!(
                "SELECT kind, moment, previous, number FROM returns_{layer}
                 WHERE grain = {} AND {units}",
                Literal(grain.name())
            )
        })
    });
    format!("({})", units.collect::<Vec<_>>().join(" UNION ALL "))
}

/// SQL of `kind` and `number`, how many of each kind there are in a range: those of its whole
/// hours, and those that only `rows` have, the name of a table of the rows that the rollups lack.
pub(crate) fn count(cover: &Cover, rows: Option<&str>) -> String {
    let mut parts = Vec::new();
    let mut reached = "false".to_owned();
    if let Some(reach) = cover.reach() {
        parts.push(format!(
            "SELECT kind, number FROM {}
             WHERE previous IS NULL OR previous < {}",
            whole_units(cover),
            Moment(reach.0)
        ));
        reached = TimeCondition::of("hour", reach).to_string();
    }
    if let Some(rows) = rows {
        let keys = Unique::ALL
            .map(|unique| unique.keys(rows, ""))
            .join(" UNION ALL ");
        parts.push(format!(
            "SELECT kind, 1 AS number FROM ({keys})
             ANTI JOIN (FROM visits WHERE {reached}) USING (key, kind)"
        ));
    }
    format!(
        "SELECT kind, sum(number)::UBIGINT AS number FROM ({}) GROUP BY kind",
        parts.join(" UNION ALL ")
    )
}
