//! Clicks by the values of one dimension.

use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::series::Metric;
use crate::rollup::dimension::Dimension;
use crate::rollup::grain::Grain;
use crate::rollup::measures::{TRADE, revenue};

/// One value's share.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Slice {
    /// The value; none where clicks have none.
    pub value: Option<String>,
    /// A product's newest name, where a click gave one.
    pub name: Option<String>,
    /// Rows of any action.
    pub clicks: u64,
    /// Rows whose action is `view`.
    pub views: u64,
    /// Rows whose action is `buy`.
    pub buys: u64,
    /// The quantities of `buy` less what `cancel` took back (a row that gives none counts 1).
    pub quantity: i64,
    /// Price times quantity, of `buy` less what `cancel` took back.
    pub revenue: f64,
}

/// A dimension's values, greatest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Breakdown {
    /// The first so many values.
    pub slices: Vec<Slice>,
    /// How many values there are.
    pub values: u64,
    /// What has no value.
    pub without: Slice,
}

impl Catalog {
    /// The `n` values of a dimension with the most clicks, or the most of another metric that
    /// a rollup knows; visitors and orders rank by clicks.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn breakdown(
        &self,
        filter: &Filter,
        by: Dimension,
        metric: Metric,
        n: usize,
    ) -> Result<Breakdown, Error> {
        let rank = match metric {
            Metric::Clicks | Metric::Visitors | Metric::Orders => "clicks",
            Metric::Buys => "buys",
            Metric::Revenue => "revenue",
        };
        self.slices(filter, by, "true", rank, n).await
    }

    /// The `n` products with the most views among those that were viewed and never bought,
    /// whatever action is filtered by.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn unbought(&self, filter: &Filter, n: usize) -> Result<Breakdown, Error> {
        let filter = filter.without(Dimension::Action);
        let unbought = "value IS NOT NULL AND views > 0 AND buys = 0";
        self.slices(&filter, Dimension::Product, unbought, "views", n)
            .await
    }

    async fn slices(
        &self,
        filter: &Filter,
        by: Dimension,
        which: &'static str,
        rank: &'static str,
        n: usize,
    ) -> Result<Breakdown, Error> {
        let value = by.name();
        let (name, names) = match by {
            Dimension::Product => (
                "name",
                "LEFT JOIN products ON products.product_id = slices.value",
            ),
            _ => ("NULL::VARCHAR", ""),
        };
        // What has no value comes first, so that the limit never takes it.
        let sql = move |folded: &str| {
            format!(
                "WITH slices AS (
                    SELECT {value} AS value, sum(clicks)::UBIGINT AS clicks,
                        coalesce(sum(clicks) FILTER (action = 'view'), 0)::UBIGINT AS views,
                        coalesce(sum(clicks) FILTER (action = 'buy'), 0)::UBIGINT AS buys,
                        coalesce(sum(quantity) FILTER ({TRADE}), 0) AS quantity,
                        {} AS revenue
                    FROM {folded} GROUP BY ALL),
                 ranked AS (
                    SELECT *, count(value) OVER ()::UBIGINT AS \"values\" FROM slices WHERE {which}
                    ORDER BY value IS NOT NULL, {rank} DESC, clicks DESC, value LIMIT {})
                 SELECT value, {name}, clicks, views, buys,
                    coalesce(TRY_CAST(quantity AS BIGINT), CASE WHEN quantity < 0 THEN {} ELSE {} END),
                    revenue, \"values\"
                 FROM ranked AS slices {names}
                 ORDER BY value IS NOT NULL, {rank} DESC, clicks DESC, value",
                revenue(),
                n.saturating_add(1),
                i64::MIN,
                i64::MAX
            )
        };
        let rows = self
            .panel(filter, Some(Grain::Month), &[by], sql, |row| {
                let slice = Slice {
                    value: row.get(0)?,
                    name: row.get(1)?,
                    clicks: row.get(2)?,
                    views: row.get(3)?,
                    buys: row.get(4)?,
                    quantity: row.get(5)?,
                    revenue: row.get(6)?,
                };
                Ok((slice, row.get(7)?))
            })
            .await?;
        let values = rows.first().map_or(0, |&(_, values)| values);
        let mut slices: Vec<Slice> = rows.into_iter().map(|(slice, _)| slice).collect();
        let without = match slices.first() {
            Some(first) if first.value.is_none() => slices.remove(0),
            _ => Slice::default(),
        };
        slices.truncate(n);
        Ok(Breakdown {
            slices,
            values,
            without,
        })
    }
}
