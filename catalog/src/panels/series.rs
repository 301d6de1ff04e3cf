//! Numbers along a range of `occurred_at`, with filters.
//!
//! Every number is exact for the range as given: whole hours come from the rollup, the ragged
//! ends (and what only rows can answer) from the objects that can hold them.

use duckdb::params_from_iter;
use serde::{Deserialize, Serialize};
use sink::{Location, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::source::{cover, in_ranges, panel, rows, rows_beside};
use crate::rollup::grain::{Cover, Grain};
use crate::rollup::measures::revenue;
use crate::rollup::uniques::{self, Unique};
use crate::sql::{Literal, truncated};

/// How many actions a panel tells apart. A stranger may send more than anybody could read.
const MAX_ACTIONS: usize = 1_000;
/// What the clicks of all other actions are counted under.
const OTHER_ACTIONS: &str = "(others)";

/// A step of a time axis, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A minute. The rollups do not have minutes, so the range's rows are read.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A calendar month.
    Month,
}

impl Step {
    /// The longest units that it is composed of. `None` if the rollups have no such unit.
    const fn longest(self) -> Option<Grain> {
        match self {
            Self::Minute => None,
            Self::Hour => Some(Grain::Hour),
            Self::Day | Self::Week => Some(Grain::Day),
            Self::Month => Some(Grain::Month),
        }
    }

    /// SQL of the start of the step that a moment is in, in microseconds.
    fn start(self, at: &str) -> String {
        let unit = match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        };
        truncated(unit, at)
    }
}

/// What is measured along a time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Rows.
    Clicks,
    /// Distinct visitors.
    Visitors,
    /// Rows whose action is `buy`.
    Buys,
    /// Distinct orders of a `buy` or a `cancel`.
    Orders,
    /// Price times quantity, of `buy` less what `cancel` took back.
    Revenue,
}

/// A metric in one step of the axis. Empty steps are omitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The step's start.
    pub at: Timestamp,
    /// Exact for counts up to 2⁵³, and for revenue to its fourth place.
    pub value: f64,
}

/// One action's count in one step of the axis. Empty steps are omitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// The step's start.
    pub at: Timestamp,
    /// The action, or `(others)` for all that are not among the thousand most frequent ones.
    pub action: String,
    /// Rows.
    pub clicks: u64,
}

/// A metric by step, in the axis' order.
pub(crate) fn series(
    session: &Session,
    location: &Location,
    filter: &Filter,
    step: Step,
    metric: Metric,
) -> Result<Vec<Point>, Error> {
    let sum = match metric {
        Metric::Clicks => "sum(clicks)".to_owned(),
        Metric::Buys => "coalesce(sum(clicks) FILTER (action = 'buy'), 0)".to_owned(),
        Metric::Revenue => revenue(),
        Metric::Visitors => return distinct(session, location, filter, step, Unique::Visitor),
        Metric::Orders => return distinct(session, location, filter, step, Unique::Order),
    };
    let sql = |folded: &str| {
        format!(
            "SELECT {} AS start, ({sum})::DOUBLE FROM {folded} GROUP BY ALL ORDER BY start",
            step.start("moment")
        )
    };
    panel(session, location, filter, (step.longest(), &[]), sql, point)
}

/// Rows by step and action, in the axis' order.
pub(crate) fn actions_by(
    session: &Session,
    location: &Location,
    filter: &Filter,
    step: Step,
) -> Result<Vec<Bucket>, Error> {
    let sql = |folded: &str| {
        format!(
            "WITH steps AS MATERIALIZED (
                SELECT {} AS start, action, sum(clicks) AS clicks FROM {folded} GROUP BY ALL),
             told AS (
                SELECT action AS name FROM steps GROUP BY action
                ORDER BY sum(clicks) DESC, action LIMIT {MAX_ACTIONS})
             SELECT start, coalesce(name, {}) AS action, sum(clicks)::UBIGINT
             FROM steps LEFT JOIN told ON action = name GROUP BY ALL ORDER BY start, action",
            step.start("moment"),
            Literal(OTHER_ACTIONS),
        )
    };
    let read = |row: &duckdb::Row<'_>| {
        Ok(Bucket {
            at: Timestamp::from_micros(row.get(0)?),
            action: row.get(1)?,
            clicks: row.get(2)?,
        })
    };
    panel(session, location, filter, (step.longest(), &[]), sql, read)
}

/// The actions that occur, most frequent first, at most 250.
pub(crate) fn actions(session: &Session) -> Result<Vec<String>, Error> {
    session.texts(
        "SELECT action FROM rollup WHERE dimension = 'action' AND grain = 'month'
         GROUP BY action ORDER BY sum(clicks) DESC, action LIMIT 250",
    )
}

/// The least and the greatest `occurred_at` of all rows. `None` if there are no rows.
pub(crate) fn span(session: &Session) -> Result<Option<(Timestamp, Timestamp)>, Error> {
    let sql = "SELECT epoch_us(min(occurred_least)), epoch_us(max(occurred_greatest)) FROM shown";
    let ends: (Option<i64>, Option<i64>) = session
        .connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let moment = Timestamp::from_micros;
    Ok(ends.0.map(moment).zip(ends.1.map(moment)))
}

/// How many distinct keys each step has.
fn distinct(
    session: &Session,
    location: &Location,
    filter: &Filter,
    step: Step,
    unique: Unique,
) -> Result<Vec<Point>, Error> {
    let cover = cover(session, filter, step.longest())?;
    let (sql, values) = match cover.reach() {
        Some(reach) if filter.only.is_empty() => {
            let sql = distinct_from_rollups(session, location, &cover, reach, (step, unique))?;
            (sql, Vec::new())
        }
        _ => {
            let ranges = [filter.range()];
            let (condition, values) = filter.condition();
            let sql = format!(
                "SELECT {} AS start, ({})::DOUBLE
                 FROM {} WHERE {} AND {} AND {condition} GROUP BY ALL ORDER BY start",
                step.start("occurred_at"),
                unique.counted(),
                rows(session, location, &ranges)?,
                in_ranges(&ranges),
                unique.condition(),
            );
            (sql, values)
        }
    };
    let mut statement = session.connection.prepare(&sql)?;
    let points = statement.query_map(params_from_iter(values), point)?;
    Ok(points.collect::<Result<_, _>>()?)
}

/// SQL of the distinct keys by step: by the hours in which they were seen, and by the rows that
/// the rollups lack.
fn distinct_from_rollups(
    session: &Session,
    location: &Location,
    cover: &Cover,
    reach: (Timestamp, Timestamp),
    (step, unique): (Step, Unique),
) -> Result<String, Error> {
    let mut parts = vec![format!(
        "SELECT start, number
         FROM (SELECT *, {} AS start FROM {} WHERE kind = {})
         WHERE previous IS NULL OR epoch_us(previous) < greatest(start, {})",
        step.start("moment"),
        uniques::whole_units(cover),
        Literal(unique.name()),
        reach.0.micros(),
    )];
    if let Some(rows) = rows_beside(session, location, cover)? {
        parts.push(unique.not_seen_in(&rows, reach, |at| step.start(at)));
    }
    Ok(format!(
        "SELECT start, sum(number)::DOUBLE FROM ({})
         GROUP BY ALL ORDER BY start",
        parts.join(" UNION ALL BY NAME ")
    ))
}

fn point(row: &duckdb::Row<'_>) -> Result<Point, duckdb::Error> {
    Ok(Point {
        at: Timestamp::from_micros(row.get(0)?),
        value: row.get(1)?,
    })
}
