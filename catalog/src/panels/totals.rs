//! The totals of a range of `occurred_at`, with filters.

use duckdb::params_from_iter;
use serde::Serialize;
use sink::Location;

use crate::catalog::Catalog;
use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::panels::source::{among, cover, rows, untold};
use crate::rollup::dimension::Dimension;
use crate::rollup::grain::{Cover, Grain};
use crate::rollup::measures::{TRADE, WORTH, measures, revenue};
use crate::rollup::uniques::Kind;
use crate::rollup::{fold as rollup, uniques};

/// Totals have no steps that a unit of time would have to fit.
const LONGEST: Option<Grain> = Some(Grain::Month);

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

impl Catalog {
    /// The totals of a range.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn totals(&self, filter: &Filter) -> Result<Totals, Error> {
        let (filter, location) = (filter.clone(), self.inner.lake.location().clone());
        self.read(move |session| {
            let cover = cover(session, &filter, LONGEST)?;
            match filter.only.is_empty() && !cover.whole.is_empty() {
                true => rolled(session, &location, &cover),
                false => read(session, &location, &filter),
            }
        })
        .await
    }
}

/// From the rollups, and at the range's ends from rows, which are read once.
fn rolled(session: &Session, location: &Location, cover: &Cover) -> Result<Totals, Error> {
    let units = cover.whole.iter();
    let units = units.flat_map(|units| rollup::whole(Dimension::Action, *units, "", "true"));
    let mut clicks: Vec<String> = units.collect();
    let (mut with, mut ends) = (String::new(), None);
    if let Some(rows) = untold(session, location, cover)? {
        with = format!(
            "ends AS MATERIALIZED (
                SELECT action, visitor_id, order_id, quantity, price FROM {rows}),"
        );
        ends = Some("ends");
        clicks.push(format!(
            "SELECT action, {} FROM ends GROUP BY action",
            measures()
        ));
    }
    let [visitors, buyers, orders] = Kind::ALL.map(|kind| {
        let name = kind.name();
        format!("coalesce((SELECT number FROM told WHERE kind = '{name}'), 0)")
    });
    let sql = format!(
        "WITH {with} told AS MATERIALIZED ({})
         SELECT coalesce(sum(clicks), 0)::UBIGINT,
            coalesce(sum(clicks) FILTER (action = 'buy'), 0)::UBIGINT,
            {visitors}, {buyers}, {orders},
            {}
         FROM ({})",
        uniques::number(cover, ends),
        revenue(),
        clicks.join(" UNION ALL BY NAME ")
    );
    Ok(session.connection.query_row(&sql, [], totals)?)
}

/// From rows alone.
fn read(session: &Session, location: &Location, filter: &Filter) -> Result<Totals, Error> {
    let ranges = [(filter.from, filter.to)];
    let (condition, values) = filter.condition();
    let [visitors, buyers, orders] = Kind::ALL.map(Kind::counted);
    let sql = format!(
        "SELECT count(*)::UBIGINT, (count(*) FILTER (action = 'buy'))::UBIGINT,
            ({visitors})::UBIGINT, ({buyers})::UBIGINT, ({orders})::UBIGINT,
            coalesce(sum({WORTH}) FILTER ({TRADE}), 0)::DOUBLE
         FROM {} WHERE {} AND {condition}",
        rows(session, location, &ranges)?,
        among(&ranges),
    );
    let mut statement = session.connection.prepare(&sql)?;
    Ok(statement.query_row(params_from_iter(values), totals)?)
}

fn totals(row: &duckdb::Row<'_>) -> Result<Totals, duckdb::Error> {
    Ok(Totals {
        clicks: row.get(0)?,
        buys: row.get(1)?,
        visitors: row.get(2)?,
        buyers: row.get(3)?,
        orders: row.get(4)?,
        revenue: row.get(5)?,
    })
}
