//! Distinct visitors, buyers and orders of any range of whole hours, without reading its rows.
//!
//! `visits` holds, for each of them and each hour in which it was seen, the hour in which it was
//! seen before. In a range that begins at `a` the first hour of each is the one whose `previous`
//! lies before `a`, so distinct ones are counted as hours of which that is true. `returns` adds
//! them up: how many there are of each hour, day or month and each hour before, which is few
//! rows however many visitors.

use duckdb::Connection;
use sink::Timestamp;

use crate::error::Error;
use crate::rollup::grain::{Cover, Grain};
use crate::rollup::layers::Layers;
use crate::rollup::measures::TRADE;
use crate::sql::within;

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Visitor,
    /// A visitor who bought.
    Buyer,
    /// An order among `buy` and `cancel`.
    Order,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Visitor, Self::Buyer, Self::Order];

    /// Its word in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Buyer => "buyer",
            Self::Order => "order",
        }
    }

    /// The column that tells one from another.
    const fn id(self) -> &'static str {
        match self {
            Self::Visitor | Self::Buyer => "visitor_id",
            Self::Order => "order_id",
        }
    }

    /// SQL of the rows that count.
    const fn among(self) -> &'static str {
        match self {
            Self::Visitor => "true",
            Self::Buyer => "action = 'buy'",
            Self::Order => TRADE,
        }
    }

    /// SQL of the rows that tell of one.
    pub(crate) fn told(self) -> String {
        format!("({} IS NOT NULL AND {})", self.id(), self.among())
    }

    /// SQL of their number among rows.
    pub(crate) fn counted(self) -> String {
        format!("count(DISTINCT {}) FILTER ({})", self.id(), self.among())
    }

    /// SQL of those whom rows tell of: `kind`, `key`, and the columns that `beside` names. Of a
    /// billion of them two have one key of 128 bits with a probability of 10⁻²¹.
    fn keys(self, rows: &str, beside: &str) -> String {
        format!(
            "SELECT DISTINCT '{}' AS kind, md5_number({}) AS key{beside} FROM {rows} WHERE {}",
            self.name(),
            self.id(),
            self.told(),
        )
    }

    /// SQL of `start` and `number`, 1 for each of those whom rows tell of in a step of time,
    /// unless they were seen in an hour of the reach that is in the same step. `start` is SQL of
    /// a step's begin, over a moment.
    pub(crate) fn besides(
        self,
        rows: &str,
        (first, end): (Timestamp, Timestamp),
        start: impl Fn(&str) -> String,
    ) -> String {
        let beside = format!(", {} AS start", start("occurred_at"));
        format!(
            "SELECT start, 1 AS number FROM ({})
             ANTI JOIN (SELECT key, kind, {} AS start FROM visits WHERE {})
                USING (key, kind, start)",
            self.keys(rows, &beside),
            start("hour"),
            within("hour", first, end),
        )
    }
}

/// Adds the rows of the table `fresh`, with their `hour`.
pub(crate) fn add(connection: &Connection) -> Result<(), Error> {
    let met = Kind::ALL
        .map(|kind| kind.keys("fresh", ", hour"))
        .join(" UNION ALL ");
    // Who was seen in a new hour: all of their hours, as they were and as they are.
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
        let begin = grain.begin("hour");
        connection.execute_batch(&format!(
            "INSERT INTO returns_fresh BY NAME
             SELECT kind, '{}' AS grain, {begin} AS moment, previous,
                CAST(sum(number) AS BIGINT) AS number
             FROM changes WHERE previous IS NULL OR previous < {begin} GROUP BY ALL",
            grain.name(),
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

/// SQL of what `returns` holds of a cover's units: `kind`, `moment`, `previous`, `number`.
pub(crate) fn whole(cover: &Cover) -> String {
    let units = cover.whole.iter().flat_map(|(grain, from, to)| {
        let units = within("moment", *from, *to);
        Layers::NAMES.map(|layer| {
            format!(
                "SELECT kind, moment, previous, number FROM returns_{layer}
                 WHERE grain = '{}' AND {units}",
                grain.name()
            )
        })
    });
    format!("({})", units.collect::<Vec<_>>().join(" UNION ALL "))
}

/// SQL of `kind` and `number`, how many of each kind there are in a range: those of its whole
/// hours, and those whom only the rows tell of that the rollups do not (`ends`, the name of a table
/// of them alone).
pub(crate) fn number(cover: &Cover, ends: Option<&str>) -> String {
    let mut parts = Vec::new();
    let mut besides = "false".to_owned();
    if let Some((first, end)) = cover.reach() {
        parts.push(format!(
            "SELECT kind, number FROM {}
             WHERE previous IS NULL OR previous < make_timestamptz({})",
            whole(cover),
            first.micros()
        ));
        besides = within("hour", first, end);
    }
    if let Some(ends) = ends {
        let keys = Kind::ALL
            .map(|kind| kind.keys(ends, ""))
            .join(" UNION ALL ");
        parts.push(format!(
            "SELECT kind, 1 AS number FROM ({keys})
             ANTI JOIN (FROM visits WHERE {besides}) USING (key, kind)"
        ));
    }
    format!(
        "SELECT kind, sum(number)::UBIGINT AS number FROM ({}) GROUP BY kind",
        parts.join(" UNION ALL ")
    )
}
