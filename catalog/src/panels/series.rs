//! What the dashboard shows along a range of `occurred_at`, with filters.
//!
//! Every number is exact for the range as given: whole hours come from the rollup, the
//! ragged edges (and what only rows can tell) from the objects that can hold them.

use duckdb::params_from_iter;
use serde::{Deserialize, Serialize};
use sink::Timestamp;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::source::{among, cover, rows, source, untold};
use crate::rollup::dimension::Dimension;
use crate::rollup::grain::Grain;
use crate::rollup::measures::revenue;
use crate::rollup::uniques;
use crate::rollup::uniques::Kind;
use crate::sql::truncated;

/// A step of a time axis, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A minute. No rollup knows minutes: the range's rows are read.
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
    /// The longest units of time that it is made of; none where no rollup knows any.
    const fn longest(self) -> Option<Grain> {
        match self {
            Self::Minute => None,
            Self::Hour => Some(Grain::Hour),
            Self::Day | Self::Week => Some(Grain::Day),
            Self::Month => Some(Grain::Month),
        }
    }

    /// SQL of the step's begin in microseconds, over a moment.
    fn begin(self, at: &str) -> String {
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
    /// Distinct orders among `buy` and `cancel`.
    Orders,
    /// Price times quantity, of `buy` less what `cancel` took back.
    Revenue,
}

/// A metric in one step of the axis. Steps without rows are left out, and of what is told apart
/// those without any.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The step's start.
    pub at: Timestamp,
    /// Exact for counts up to 2⁵³, and for revenue to its fourth place.
    pub value: f64,
}

/// One action's count in one step of the axis. Steps without clicks are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// The step's start.
    pub at: Timestamp,
    /// The action.
    pub action: String,
    /// Rows.
    pub clicks: u64,
}

impl Catalog {
    /// A metric by step, in the axis' order.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn series(
        &self,
        filter: &Filter,
        step: Step,
        metric: Metric,
    ) -> Result<Vec<Point>, Error> {
        let rolled = match metric {
            Metric::Clicks => "sum(clicks)".to_owned(),
            Metric::Buys => "coalesce(sum(clicks) FILTER (action = 'buy'), 0)".to_owned(),
            Metric::Revenue => revenue(),
            Metric::Visitors => return self.distinct(filter, step, Kind::Visitor).await,
            Metric::Orders => return self.distinct(filter, step, Kind::Order).await,
        };
        let sql = move |folded: &str| {
            format!(
                "SELECT {} AS start, ({rolled})::DOUBLE FROM {folded} GROUP BY ALL ORDER BY start",
                step.begin("moment")
            )
        };
        self.panel(filter, step.longest(), &[], sql, point).await
    }

    /// Rows by step and action, in the axis' order.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn actions_by(&self, filter: &Filter, step: Step) -> Result<Vec<Bucket>, Error> {
        let sql = move |folded: &str| {
            format!(
                "SELECT {} AS start, action, sum(clicks)::UBIGINT
                 FROM {folded} GROUP BY ALL ORDER BY start, action",
                step.begin("moment")
            )
        };
        self.panel(filter, step.longest(), &[], sql, |row| {
            Ok(Bucket {
                at: Timestamp::from_micros(row.get(0)?),
                action: row.get(1)?,
                clicks: row.get(2)?,
            })
        })
        .await
    }

    /// The actions that occur, most frequent first, at most 250.
    ///
    /// # Errors
    /// The database's.
    pub async fn actions(&self) -> Result<Vec<String>, Error> {
        self.read(|session| {
            session.paths(
                "SELECT action FROM rollup WHERE dimension = 'action' AND grain = 'month'
                 GROUP BY action ORDER BY sum(clicks) DESC, action LIMIT 250",
            )
        })
        .await
    }

    /// The least and the greatest `occurred_at` of all rows; none for an empty lake.
    ///
    /// # Errors
    /// The database's.
    pub async fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        self.read(|session| {
            let sql =
                "SELECT epoch_us(min(occurred_least)), epoch_us(max(occurred_greatest)) FROM shown";
            let ends: (Option<i64>, Option<i64>) =
                session
                    .connection
                    .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (Some(least), Some(greatest)) = ends else {
                return Ok(None);
            };
            Ok(Some((
                Timestamp::from_micros(least),
                Timestamp::from_micros(greatest),
            )))
        })
        .await
    }

    /// How many of a kind there are in each step: by the hours in which they were seen, and of
    /// what those cannot tell, by the rows.
    async fn distinct(&self, filter: &Filter, step: Step, kind: Kind) -> Result<Vec<Point>, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        self.read(move |session| {
            let cover = cover(session, &filter, step.longest())?;
            let (sql, values) = match cover.reach() {
                Some(reach) if filter.only.is_empty() => {
                    let mut parts = vec![format!(
                        "SELECT start, number
                         FROM (SELECT *, {} AS start FROM {} WHERE kind = '{}')
                         WHERE previous IS NULL OR epoch_us(previous) < greatest(start, {})",
                        step.begin("moment"),
                        uniques::whole(&cover),
                        kind.name(),
                        reach.0.micros(),
                    )];
                    if let Some(rows) = untold(session, &location, &cover)? {
                        parts.push(kind.besides(&rows, reach, |at| step.begin(at)));
                    }
                    let sql = format!(
                        "SELECT start, sum(number)::DOUBLE FROM ({})
                         GROUP BY ALL ORDER BY start",
                        parts.join(" UNION ALL BY NAME ")
                    );
                    (sql, Vec::new())
                }
                _ => {
                    let ranges = [(filter.from, filter.to)];
                    let (condition, values) = filter.condition();
                    let sql = format!(
                        "SELECT {} AS start, ({})::DOUBLE
                         FROM {} WHERE {} AND {} AND {condition} GROUP BY ALL ORDER BY start",
                        step.begin("occurred_at"),
                        kind.counted(),
                        rows(session, &location, &ranges)?,
                        among(&ranges),
                        kind.told(),
                    );
                    (sql, values)
                }
            };
            let mut statement = session.connection.prepare(&sql)?;
            let points = statement.query_map(params_from_iter(values), point)?;
            Ok(points.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Runs the SQL that `sql` makes around a filter's folded clicks.
    pub(crate) async fn panel<T: Send + 'static>(
        &self,
        filter: &Filter,
        longest: Option<Grain>,
        needs: &[Dimension],
        sql: impl FnOnce(&str) -> String + Send + 'static,
        read: impl Fn(&duckdb::Row<'_>) -> Result<T, duckdb::Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        let needs = needs.to_owned();
        self.read(move |session| {
            let source = source(session, &location, &filter, longest, &needs)?;
            let mut statement = session.connection.prepare(&sql(&source.folded))?;
            let rows = statement.query_map(params_from_iter(source.values), |row| read(row))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn point(row: &duckdb::Row<'_>) -> Result<Point, duckdb::Error> {
    Ok(Point {
        at: Timestamp::from_micros(row.get(0)?),
        value: row.get(1)?,
    })
}
