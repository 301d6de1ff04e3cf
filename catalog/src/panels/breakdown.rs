//! Clicks by the values of one dimension.

use serde::Serialize;
use sink::Location;

use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::series::Metric;
use crate::panels::source::panel;
use crate::rollup::dimension::Dimension;
use crate::rollup::grain::Grain;
use crate::rollup::measures::{TRADE, revenue};

/// The numbers of one value.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Slice {
    /// The value. `None` for clicks that have no value.
    pub value: Option<String>,
    /// The newest name of a product. `None` if no click had one.
    pub name: Option<String>,
    /// Rows of any action.
    pub clicks: u64,
    /// Rows whose action is `view`.
    pub views: u64,
    /// Rows whose action is `buy`.
    pub buys: u64,
    /// The quantities of `buy` less what `cancel` took back. A row without a quantity counts 1.
    pub quantity: i64,
    /// Price times quantity, of `buy` less what `cancel` took back.
    pub revenue: f64,
}

/// A dimension's values, greatest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Breakdown {
    /// The first values.
    pub slices: Vec<Slice>,
    /// How many values there are.
    pub values: u64,
    /// The clicks that have no value.
    pub without: Slice,
}

/// The `n` values of a dimension with the most clicks, or the most of another metric that a
/// rollup has; visitors and orders rank by clicks.
pub(crate) fn breakdown(
    session: &Session,
    location: &Location,
    filter: &Filter,
    by: Dimension,
    (metric, n): (Metric, usize),
) -> Result<Breakdown, Error> {
    let rank = match metric {
        Metric::Clicks | Metric::Visitors | Metric::Orders => "clicks",
        Metric::Buys => "buys",
        Metric::Revenue => "revenue",
    };
    let sql = |folded: &str| ranked(folded, by, "true", rank, n);
    read(session, location, filter, by, sql, n)
}

/// The `n` products with the most views among those that were viewed and never bought, whatever
/// action is filtered by.
pub(crate) fn unbought(
    session: &Session,
    location: &Location,
    filter: &Filter,
    n: usize,
) -> Result<Breakdown, Error> {
    let filter = filter.without(Dimension::Action);
    let unbought = "value IS NOT NULL AND views > 0 AND buys = 0";
    let by = Dimension::Product;
    let sql = |folded: &str| ranked(folded, by, unbought, "views", n);
    read(session, location, &filter, by, sql, n)
}

/// SQL of the first `n` values that a condition holds for. The clicks without a value come first,
/// so that the limit does not cut them.
fn ranked(folded: &str, by: Dimension, condition: &str, rank: &str, n: usize) -> String {
    let value = by.name();
    let (name, names) = match by {
        Dimension::Product => (
            "name",
            "LEFT JOIN products ON products.product_id = slices.value",
        ),
        _ => ("NULL::VARCHAR", ""),
    };
    format!(
        "WITH slices AS (
            SELECT {value} AS value, sum(clicks)::UBIGINT AS clicks,
                coalesce(sum(clicks) FILTER (action = 'view'), 0)::UBIGINT AS views,
                coalesce(sum(clicks) FILTER (action = 'buy'), 0)::UBIGINT AS buys,
                coalesce(sum(quantity) FILTER ({TRADE}), 0) AS quantity,
                {} AS revenue
            FROM {folded} GROUP BY ALL),
         ranked AS (
            SELECT *, count(value) OVER ()::UBIGINT AS \"values\" FROM slices WHERE {condition}
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
}

fn read(
    session: &Session,
    location: &Location,
    filter: &Filter,
    by: Dimension,
    sql: impl FnOnce(&str) -> String,
    n: usize,
) -> Result<Breakdown, Error> {
    let slice = |row: &duckdb::Row<'_>| {
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
    };
    let needs = (Some(Grain::Month), &[by][..]);
    let rows = panel(session, location, filter, needs, sql, slice)?;
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
