//! The totals of a range of `occurred_at`, with filters.

use duckdb::params_from_iter;
use serde::Serialize;
use sink::Location;

use crate::engine::Session;
use crate::grain::{Cover, Grain};
use crate::rollup::{TRADE, WORTH};
use crate::source::{among, cover, rows, source};
use crate::uniques::{self, Kind};
use crate::{Catalog, Error, Filter};

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
                true => rolled(session, &location, &filter, &cover),
                false => read(session, &location, &filter),
            }
        })
        .await
    }
}

/// From the rollups, and at the range's ends from rows.
fn rolled(
    session: &Session,
    location: &Location,
    filter: &Filter,
    cover: &Cover,
) -> Result<Totals, Error> {
    let counted = source(session, location, filter, LONGEST, &[])?;
    let sql = format!(
        "SELECT coalesce(sum(clicks), 0)::UBIGINT,
            coalesce(sum(clicks) FILTER (action = 'buy'), 0)::UBIGINT,
            coalesce(sum(revenue) FILTER ({TRADE}), 0)::DOUBLE FROM {}",
        counted.folded
    );
    let (clicks, buys, revenue) = session
        .connection
        .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let ends = match &cover.ragged[..] {
        [] => None,
        ranges => Some(format!(
            "(FROM {} WHERE {})",
            rows(session, location, ranges)?,
            among(ranges)
        )),
    };
    let [visitors, buyers, orders] = uniques::number(session, cover, ends.as_deref())?;
    Ok(Totals {
        clicks,
        buys,
        visitors,
        buyers,
        orders,
        revenue,
    })
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
    Ok(statement.query_row(params_from_iter(values), |row| {
        Ok(Totals {
            clicks: row.get(0)?,
            buys: row.get(1)?,
            visitors: row.get(2)?,
            buyers: row.get(3)?,
            orders: row.get(4)?,
            revenue: row.get(5)?,
        })
    })?)
}
