//! The totals of a range of `occurred_at`, with filters.

use duckdb::params_from_iter;
use serde::Serialize;
use sink::Location;

use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::source::{cover, in_ranges, rows, rows_beside};
use crate::rollup::dimension::Dimension;
use crate::rollup::grain::{Cover, Grain};
use crate::rollup::measures::{TRADE, WORTH, measures, revenue};
use crate::rollup::uniques::Unique;
use crate::rollup::{fold, uniques};
use crate::sql::Literal;

/// The totals of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Rows of any action.
    pub clicks: u64,
    /// Rows whose action is `buy`.
    pub buys: u64,
    /// Distinct visitors.
    pub visitors: u64,
    /// Distinct visitors who bought.
    pub buyers: u64,
    /// Distinct orders of a `buy` or a `cancel`.
    pub orders: u64,
    /// Price times quantity, of `buy` less what `cancel` took back.
    pub revenue: f64,
}

/// The totals of a filter's clicks.
pub(crate) fn totals(
    session: &Session,
    location: &Location,
    filter: &Filter,
) -> Result<Totals, Error> {
    // Totals have no steps that a unit of time would have to fit.
    let cover = cover(session, filter, Some(Grain::Month))?;
    match filter.only.is_empty() && !cover.whole.is_empty() {
        true => from_rollups(session, location, &cover),
        false => from_rows(session, location, filter),
    }
}

/// From the rollups, and from the rows that they lack, which are read once.
fn from_rollups(session: &Session, location: &Location, cover: &Cover) -> Result<Totals, Error> {
    let whole = cover.whole.iter();
    let whole = whole.flat_map(|units| fold::whole_units(Dimension::Action, *units, "", "true"));
    let mut clicks: Vec<String> = whole.collect();
    let (mut with, mut beside) = (String::new(), None);
    if let Some(rows) = rows_beside(session, location, cover)? {
        with = format!(
            "beside AS MATERIALIZED (
                SELECT action, visitor_id, order_id, quantity, price FROM {rows}),"
        );
        beside = Some("beside");
        clicks.push(format!(
            "SELECT action, {} FROM beside GROUP BY action",
            measures()
        ));
    }
    let [visitors, buyers, orders] = Unique::ALL.map(|unique| {
        let kind = Literal(unique.name());
        format!("coalesce((SELECT number FROM uniques WHERE kind = {kind}), 0)")
    });
    let sql = format!(
        "WITH {with} uniques AS MATERIALIZED ({})
         SELECT coalesce(sum(clicks), 0)::UBIGINT,
            coalesce(sum(clicks) FILTER (action = 'buy'), 0)::UBIGINT,
            {visitors}, {buyers}, {orders},
            {}
         FROM ({})",
        uniques::count(cover, beside),
        revenue(),
        clicks.join(" UNION ALL BY NAME ")
    );
    Ok(session.connection.query_row(&sql, [], read)?)
}

/// From rows alone.
fn from_rows(session: &Session, location: &Location, filter: &Filter) -> Result<Totals, Error> {
    let ranges = [filter.range()];
    let (condition, values) = filter.condition();
    let [visitors, buyers, orders] = Unique::ALL.map(Unique::counted);
    let sql = format!(
        "SELECT count(*)::UBIGINT, (count(*) FILTER (action = 'buy'))::UBIGINT,
            ({visitors})::UBIGINT, ({buyers})::UBIGINT, ({orders})::UBIGINT,
            coalesce(sum({WORTH}) FILTER ({TRADE}), 0)::DOUBLE
         FROM {} WHERE {} AND {condition}",
        rows(session, location, &ranges)?,
        in_ranges(&ranges),
    );
    let mut statement = session.connection.prepare(&sql)?;
    Ok(statement.query_row(params_from_iter(values), read)?)
}

fn read(row: &duckdb::Row<'_>) -> Result<Totals, duckdb::Error> {
    Ok(Totals {
        clicks: row.get(0)?,
        buys: row.get(1)?,
        visitors: row.get(2)?,
        buyers: row.get(3)?,
        orders: row.get(4)?,
        revenue: row.get(5)?,
    })
}
