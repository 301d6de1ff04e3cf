//! What the dashboard shows: totals and series over a range of `occurred_at`, with filters.
//!
//! Every number is exact for the range as given: whole hours come from a rollup, the
//! ragged edges (and what only rows can tell) from the objects that can hold them.

use duckdb::params_from_iter;
use serde::{Deserialize, Serialize};
use sink::Timestamp;

use crate::filter::within;
use crate::rollup::{HOUR, TRADE, WORTH};
use crate::source::{rows, source};
use crate::{Catalog, Dimension, Error, Filter};

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
    /// The least that a rollup or the rows must tell apart, in microseconds.
    const fn unit(self) -> i64 {
        match self {
            Self::Minute => HOUR / 60,
            Self::Hour | Self::Day | Self::Week | Self::Month => HOUR,
        }
    }

    /// SQL of the step's begin, over a moment.
    fn begin(self, at: &str) -> String {
        let unit = match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        };
        format!("epoch_us(date_trunc('{unit}', {at})::TIMESTAMPTZ)")
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

/// A metric in one step of the axis. Steps without rows are left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The step's start.
    pub at: Timestamp,
    /// Exact for counts up to 2⁵³, and for revenue to its fourth place.
    pub value: f64,
}

/// The totals of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Rows of any action.
    pub clicks: u64,
    /// Rows whose action is `buy`.
    pub buys: u64,
    /// Distinct visitors.
    pub visitors: u64,
    /// Those of them who bought.
    pub buyers: u64,
    /// Distinct orders among `buy` and `cancel`.
    pub orders: u64,
    /// Price times quantity, of `buy` less what `cancel` took back.
    pub revenue: f64,
}

/// The totals of a range, and of the range of the same length just before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TotalsCompared {
    /// The range.
    pub now: Totals,
    /// The one before.
    pub before: Totals,
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
    /// The totals of a range, and of the one of the same length before it.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn totals(&self, filter: &Filter) -> Result<TotalsCompared, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        self.read(move |session| {
            let before = filter.before();
            let whole = [(before.from, filter.to)];
            let rows = rows(session, &location, &whole)?;
            let (condition, values) = filter.condition();
            let range = within("occurred_at", before.from, filter.to);
            let sql = format!(
                "SELECT occurred_at >= make_timestamptz({from}) AS now, count(*)::UBIGINT,
                    (count(*) FILTER (action = 'buy'))::UBIGINT,
                    count(DISTINCT visitor_id)::UBIGINT,
                    (count(DISTINCT visitor_id) FILTER (action = 'buy'))::UBIGINT,
                    (count(DISTINCT order_id) FILTER ({TRADE}))::UBIGINT,
                    coalesce(sum({WORTH}) FILTER ({TRADE}), 0)::DOUBLE
                 FROM {rows} WHERE {range} AND {condition} GROUP BY 1",
                from = filter.from.micros(),
            );
            let mut statement = session.connection.prepare(&sql)?;
            let mut compared = TotalsCompared::default();
            let mut periods = statement.query(params_from_iter(values))?;
            while let Some(row) = periods.next()? {
                let totals = Totals {
                    clicks: row.get(1)?,
                    buys: row.get(2)?,
                    visitors: row.get(3)?,
                    buyers: row.get(4)?,
                    orders: row.get(5)?,
                    revenue: row.get(6)?,
                };
                if row.get(0)? {
                    compared.now = totals;
                } else {
                    compared.before = totals;
                }
            }
            Ok(compared)
        })
        .await
    }

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
            Metric::Revenue => format!("coalesce(sum(revenue) FILTER ({TRADE}), 0)"),
            Metric::Visitors => {
                return self
                    .distinct(filter, step, "count(DISTINCT visitor_id)")
                    .await;
            }
            Metric::Orders => {
                let orders = format!("count(DISTINCT order_id) FILTER ({TRADE})");
                return self.distinct(filter, step, &orders).await;
            }
        };
        let sql = move |folded: &str| {
            format!(
                "SELECT {} AS start, ({rolled})::DOUBLE FROM {folded} GROUP BY ALL ORDER BY start",
                step.begin("moment")
            )
        };
        self.panel(filter, step.unit(), &[], sql, point).await
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
        self.panel(filter, step.unit(), &[], sql, |row| {
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
                "SELECT action FROM hourly_by WHERE dimension = 'action'
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

    /// What only rows can tell, by step.
    async fn distinct(
        &self,
        filter: &Filter,
        step: Step,
        counted: &str,
    ) -> Result<Vec<Point>, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        let (start, counted) = (step.begin("occurred_at"), counted.to_owned());
        self.read(move |session| {
            let rows = rows(session, &location, &[(filter.from, filter.to)])?;
            let (condition, values) = filter.condition();
            let range = within("occurred_at", filter.from, filter.to);
            let mut statement = session.connection.prepare(&format!(
                "SELECT {start} AS start, ({counted})::DOUBLE
                 FROM {rows} WHERE {range} AND {condition} GROUP BY ALL ORDER BY start"
            ))?;
            let points = statement.query_map(params_from_iter(values), point)?;
            Ok(points.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Runs the SQL that `sql` makes around a filter's folded clicks.
    pub(crate) async fn panel<T: Send + 'static>(
        &self,
        filter: &Filter,
        unit: i64,
        needs: &[Dimension],
        sql: impl FnOnce(&str) -> String + Send + 'static,
        read: impl Fn(&duckdb::Row<'_>) -> Result<T, duckdb::Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        let needs = needs.to_owned();
        self.read(move |session| {
            let source = source(session, &location, &filter, unit, &needs)?;
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
