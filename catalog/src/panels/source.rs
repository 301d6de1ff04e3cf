//! Where a panel's numbers come from: the rollup for whole hours, days and months, if it has all
//! that is asked, and for the rest those objects that can hold rows of the range.

use duckdb::params_from_iter;
use sink::{Location, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::rollup::dimension::{Dimension, with_dimensions};
use crate::rollup::fold;
use crate::rollup::grain::{Cover, Grain, HOUR_MICROS, widened};
use crate::rollup::measures::measures;
use crate::sql::{Moment, TimeCondition, any, floored};
use crate::tables::select;
use crate::tables::table::Table;

/// Answers the SQL that `sql` makes around a filter's folded clicks, in units no longer than
/// `longest`, with the dimensions that `needs` names.
pub(crate) fn panel<T>(
    session: &Session,
    location: &Location,
    filter: &Filter,
    (longest, needs): (Option<Grain>, &[Dimension]),
    sql: impl FnOnce(&str) -> String,
    read: impl Fn(&duckdb::Row<'_>) -> Result<T, duckdb::Error>,
) -> Result<Vec<T>, Error> {
    let source = Source::new(session, location, filter, longest, needs)?;
    let mut statement = session.connection.prepare(&sql(&source.folded))?;
    let rows = statement.query_map(params_from_iter(source.values), |row| read(row))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A range's clicks, folded.
struct Source {
    /// SQL of `moment, action`, the dimensions that are needed, `clicks, quantity, worth`.
    folded: String,
    /// The filter's parameters, as often as `folded` has them.
    values: Vec<String>,
}

impl Source {
    /// The filter's clicks in units no longer than `longest`, or in minutes if it is `None`.
    fn new(
        session: &Session,
        location: &Location,
        filter: &Filter,
        longest: Option<Grain>,
        needs: &[Dimension],
    ) -> Result<Self, Error> {
        let (condition, values) = filter.condition();
        let others = needs.iter().filter(|one| **one != Dimension::Action);
        let columns: String = others.map(|one| format!(", {}", one.name())).collect();
        let unit = longest.map_or(HOUR_MICROS / 60, |_| HOUR_MICROS);
        let (cover, mut parts) = match only_dimension(filter, needs) {
            Some(dimension) => {
                let cover = cover(session, filter, longest)?;
                let whole = cover.whole.iter();
                let parts = whole
                    .flat_map(|units| fold::whole_units(dimension, *units, &columns, &condition));
                let parts = parts.collect();
                (cover, parts)
            }
            None => (Cover::of(filter.from, filter.to, None), Vec::new()),
        };
        let rows = match rows_beside(session, location, &cover)? {
            None if parts.is_empty() => Some(rows(session, location, &[])?),
            rows => rows,
        };
        if let Some(rows) = rows {
            parts.push(format!(
                "SELECT {} AS moment, action{columns}, {} FROM {rows} WHERE {condition} GROUP BY ALL",
                floored(unit),
                measures(),
            ));
        }
        let values = values.iter().cycle().take(values.len() * parts.len());
        Ok(Self {
            values: values.cloned().collect(),
            folded: format!("({})", parts.join(" UNION ALL BY NAME ")),
        })
    }
}

/// The objects that can hold rows of the ranges, as an SQL table with a column for each
/// dimension.
pub(crate) fn rows(
    session: &Session,
    location: &Location,
    ranges: &[(Timestamp, Timestamp)],
) -> Result<String, Error> {
    let pieces = select::pieces(session, Table::Clicks, "", &overlapping(ranges))?;
    Ok(with_dimensions(&Table::Clicks.of(&pieces, location)))
}

/// The condition that an object can hold rows of the ranges.
fn overlapping(ranges: &[(Timestamp, Timestamp)]) -> String {
    any(ranges.iter().map(|(from, to)| {
        let (from, to) = (Moment(*from), Moment(*to));
        format!("(occurred_least < {to} AND occurred_greatest >= {from})")
    }))
}

/// The condition that a row is in one of the ranges.
pub(crate) fn in_ranges(ranges: &[(Timestamp, Timestamp)]) -> String {
    any(ranges
        .iter()
        .map(|range| TimeCondition::of("occurred_at", *range)))
}

/// How whole units no longer than `longest` cover a filter's range, which is first extended to
/// whole months where the lake has no rows.
pub(crate) fn cover(
    session: &Session,
    filter: &Filter,
    longest: Option<Grain>,
) -> Result<Cover, Error> {
    let span = "SELECT epoch_us(min(occurred_least)), epoch_us(max(occurred_greatest)),
        coalesce(NOT bool_and(folded), false) FROM objects";
    let (least, greatest, incomplete): (Option<i64>, Option<i64>, bool) = session
        .connection
        .query_row(span, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (from, to) = match (least, greatest, longest) {
        (Some(least), Some(greatest), Some(_)) => {
            let moment = Timestamp::from_micros;
            widened(filter.range(), (moment(least), moment(greatest)))
        }
        _ => filter.range(),
    };
    Ok(Cover {
        incomplete,
        ..Cover::of(from, to, longest)
    })
}

/// SQL of the rows of a cover's range that the rollups lack, with a column for each dimension:
/// those of its ragged ends, and those of its whole units that are in the backlog. `None` if
/// there are none.
pub(crate) fn rows_beside(
    session: &Session,
    location: &Location,
    cover: &Cover,
) -> Result<Option<String>, Error> {
    let mut parts = Vec::new();
    if !cover.ragged.is_empty() {
        let rows = rows(session, location, &cover.ragged)?;
        parts.push(format!("FROM {rows} WHERE {}", in_ranges(&cover.ragged)));
    }
    if let Some(reach) = cover.reach().filter(|_| cover.incomplete) {
        let unfolded = format!("NOT folded AND {}", overlapping(&[reach]));
        let pieces = select::pieces(session, Table::Clicks, "", &unfolded)?;
        if !pieces.is_empty() {
            let rows = with_dimensions(&Table::Clicks.of(&pieces, location));
            parts.push(format!("FROM {rows} WHERE {}", in_ranges(&[reach])));
        }
    }
    Ok((!parts.is_empty()).then(|| format!("({})", parts.join(" UNION ALL "))))
}

/// The only dimension beside the action that is filtered by or needed, which is what the rollup
/// has; the action if there is no other. `None` if there are several.
fn only_dimension(filter: &Filter, needs: &[Dimension]) -> Option<Dimension> {
    let all = filter.only.keys().chain(needs).copied();
    let mut others: Vec<Dimension> = all.filter(|one| *one != Dimension::Action).collect();
    others.sort_unstable();
    others.dedup();
    match others[..] {
        [] => Some(Dimension::Action),
        [one] => Some(one),
        _ => None,
    }
}
