//! What the dashboard shows: counts over a range of `occurred_at`, with filters.
//!
//! Every number is exact for the range as given: whole hours come from the rollup, the
//! ragged edges (and what only rows can tell) from the objects that can hold them.

use duckdb::params_from_iter;
use serde::{Deserialize, Serialize};
use sink::Timestamp;

use crate::rollup::{TRADE, WORTH};
use crate::source::{rows, source, within};
use crate::{Catalog, Error};

/// Which clicks a panel counts: `occurred_at` in `[from, to)`, and equal to what is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// From when.
    pub from: Timestamp,
    /// Until when (exclusive).
    pub to: Timestamp,
    /// Only this action.
    pub action: Option<String>,
    /// Only this product.
    pub product_id: Option<String>,
    /// Only this country.
    pub country: Option<String>,
}

/// A step of a time axis, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
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

/// A product and its count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Product {
    /// Its id.
    pub product_id: String,
    /// Its newest name, where a click gave one.
    pub name: Option<String>,
    /// Rows.
    pub clicks: u64,
    /// The sum of the quantities (a row that gives none counts 1).
    pub quantity: i64,
    /// Price times quantity.
    pub revenue: f64,
}

/// A country and its count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Country {
    /// The country; none where the click's place is not known.
    pub country: Option<String>,
    /// Rows of any action.
    pub clicks: u64,
    /// Rows whose action is `buy`.
    pub buys: u64,
    /// Price times quantity, of `buy` less what `cancel` took back.
    pub revenue: f64,
}

/// What a page offers to filter by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// The actions that occur, most frequent first.
    pub actions: Vec<String>,
    /// The countries that occur, most frequent first, at most 250.
    pub countries: Vec<String>,
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
            let (condition, values) = filter.dimensions();
            let range = within("occurred_at", before.from, filter.to);
            let sql = format!(
                "SELECT occurred_at >= make_timestamptz({from}) AS now, count(*)::UBIGINT,
                    (count(*) FILTER (action = 'buy'))::UBIGINT,
                    count(DISTINCT visitor_id)::UBIGINT,
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
                    orders: row.get(4)?,
                    revenue: row.get(5)?,
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

    /// Rows by step and action, in the axis' order.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn actions_by(&self, filter: &Filter, step: Step) -> Result<Vec<Bucket>, Error> {
        let step = match step {
            Step::Hour => "hour",
            Step::Day => "date_trunc('day', hour)",
            Step::Month => "date_trunc('month', hour)",
        };
        let sql = move |folded: &str| {
            format!(
                "SELECT epoch_us({step}::TIMESTAMPTZ) AS start, action, sum(clicks)::UBIGINT
                 FROM {folded} GROUP BY ALL ORDER BY start, action"
            )
        };
        self.panel(filter, sql, |row| {
            let at = Timestamp::from_micros(row.get(0)?);
            Ok(Bucket {
                at,
                action: row.get(1)?,
                clicks: row.get(2)?,
            })
        })
        .await
    }

    /// The `n` products with the most rows of `action` ("view", "buy").
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn top_products(
        &self,
        filter: &Filter,
        action: &str,
        n: usize,
    ) -> Result<Vec<Product>, Error> {
        if filter.action.as_deref().is_some_and(|only| only != action) {
            return Ok(Vec::new());
        }
        let filter = Filter {
            action: Some(action.to_owned()),
            ..filter.clone()
        };
        let sql = move |folded: &str| {
            format!(
                "SELECT product_id, any_value(name), sum(clicks)::UBIGINT AS clicks,
                    least(greatest(sum(quantity), {}), {})::BIGINT, sum(revenue)::DOUBLE
                 FROM {folded} LEFT JOIN products USING (product_id)
                 WHERE product_id IS NOT NULL
                 GROUP BY product_id ORDER BY clicks DESC, product_id LIMIT {n}",
                i64::MIN,
                i64::MAX
            )
        };
        self.panel(&filter, sql, |row| {
            Ok(Product {
                product_id: row.get(0)?,
                name: row.get(1)?,
                clicks: row.get(2)?,
                quantity: row.get(3)?,
                revenue: row.get(4)?,
            })
        })
        .await
    }

    /// The `n` countries with the most rows.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn countries(&self, filter: &Filter, n: usize) -> Result<Vec<Country>, Error> {
        let sql = move |folded: &str| {
            format!(
                "SELECT country, sum(clicks)::UBIGINT AS clicks,
                    coalesce(sum(clicks) FILTER (action = 'buy'), 0)::UBIGINT,
                    coalesce(sum(revenue) FILTER ({TRADE}), 0)::DOUBLE
                 FROM {folded} GROUP BY country ORDER BY clicks DESC, country LIMIT {n}"
            )
        };
        self.panel(filter, sql, |row| {
            Ok(Country {
                country: row.get(0)?,
                clicks: row.get(1)?,
                buys: row.get(2)?,
                revenue: row.get(3)?,
            })
        })
        .await
    }

    /// What a page offers to filter by.
    ///
    /// # Errors
    /// The database's.
    pub async fn filter_values(&self) -> Result<Values, Error> {
        self.read(|session| {
            let values = |column: &str| {
                session.paths(&format!(
                    "SELECT {column} FROM hourly WHERE {column} IS NOT NULL
                     GROUP BY {column} ORDER BY sum(clicks) DESC, {column} LIMIT 250"
                ))
            };
            Ok(Values {
                actions: values("action")?,
                countries: values("country")?,
            })
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

    /// Runs the SQL that `sql` makes around a filter's rows.
    async fn panel<T: Send + 'static>(
        &self,
        filter: &Filter,
        sql: impl FnOnce(&str) -> String + Send + 'static,
        read: impl Fn(&duckdb::Row<'_>) -> Result<T, duckdb::Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        self.read(move |session| {
            let source = source(session, &location, &filter)?;
            let mut statement = session.connection.prepare(&sql(&source.folded))?;
            let rows = statement.query_map(params_from_iter(source.values), |row| read(row))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
