//! Where a panel's numbers come from: the rollup for whole hours, days and months, where it knows
//! all that is asked, and for the rest, of the objects, those that can hold rows of the range.

use sink::{Location, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;
use crate::panels::filter::Filter;
use crate::rollup::dimension::{Dimension, sides};
use crate::rollup::fold as rollup;
use crate::rollup::grain::{Cover, Grain, HOUR, widened};
use crate::rollup::measures::measures;
use crate::sql::{floored, within};
use crate::tables::table::Table;

/// A range's clicks, folded.
pub(crate) struct Source {
    /// SQL of `moment, action`, the dimensions that were asked for, `clicks, quantity, worth`.
    pub(crate) folded: String,
    /// The filter's parameters, as often as `folded` asks for them.
    pub(crate) values: Vec<String>,
}

/// The objects that can hold rows of the ranges, as an SQL table with a column for each
/// dimension.
pub(crate) fn rows(
    session: &Session,
    location: &Location,
    ranges: &[(Timestamp, Timestamp)],
) -> Result<String, Error> {
    let pieces = session.pieces(Table::Clicks, &overlapping(ranges))?;
    Ok(sides(&Table::Clicks.of(&pieces, location)))
}

/// SQL of whether an object can hold rows of the ranges.
fn overlapping(ranges: &[(Timestamp, Timestamp)]) -> String {
    let overlaps: Vec<String> = ranges
        .iter()
        .map(|(from, to)| {
            let (from, to) = (from.micros(), to.micros());
            format!(
                "(occurred_least < make_timestamptz({to}) AND occurred_greatest >= make_timestamptz({from}))"
            )
        })
        .collect();
    match &overlaps[..] {
        [] => "false".to_owned(),
        overlaps => format!("({})", overlaps.join(" OR ")),
    }
}

/// SQL of the rows of the ranges.
pub(crate) fn among(ranges: &[(Timestamp, Timestamp)]) -> String {
    let ranges = ranges.iter();
    let ranges = ranges.map(|(from, to)| within("occurred_at", *from, *to));
    let ranges = ranges.collect::<Vec<_>>().join(" OR ");
    format!("({})", if ranges.is_empty() { "false" } else { &ranges })
}

/// What whole units no longer than `longest` cover of a filter's range, which is longer up to
/// whole months wherever the lake has no rows.
pub(crate) fn cover(
    session: &Session,
    filter: &Filter,
    longest: Option<Grain>,
) -> Result<Cover, Error> {
    let span = "SELECT epoch_us(min(occurred_least)), epoch_us(max(occurred_greatest)),
        coalesce(NOT bool_and(folded), false) FROM objects";
    let (least, greatest, lacking): (Option<i64>, Option<i64>, bool) = session
        .connection
        .query_row(span, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let range = (filter.from, filter.to);
    let (from, to) = match (least, greatest, longest) {
        (Some(least), Some(greatest), Some(_)) => {
            let moment = Timestamp::from_micros;
            widened(range, (moment(least), moment(greatest)))
        }
        _ => range,
    };
    Ok(Cover {
        lacking,
        ..Cover::of(from, to, longest)
    })
}

/// SQL of the rows of a cover's range that the rollups do not tell, with a column for each
/// dimension: those of its ragged ends, and those of its whole units that are in the backlog. None
/// where there are none.
pub(crate) fn untold(
    session: &Session,
    location: &Location,
    cover: &Cover,
) -> Result<Option<String>, Error> {
    let mut parts = Vec::new();
    if !cover.ragged.is_empty() {
        let rows = rows(session, location, &cover.ragged)?;
        parts.push(format!("FROM {rows} WHERE {}", among(&cover.ragged)));
    }
    if let Some(reach) = cover.reach().filter(|_| cover.lacking) {
        let waiting = format!("NOT folded AND {}", overlapping(&[reach]));
        let pieces = session.pieces(Table::Clicks, &waiting)?;
        if !pieces.is_empty() {
            let rows = sides(&Table::Clicks.of(&pieces, location));
            parts.push(format!("FROM {rows} WHERE {}", among(&[reach])));
        }
    }
    Ok((!parts.is_empty()).then(|| format!("({})", parts.join(" UNION ALL "))))
}

/// The filter's clicks in units no longer than `longest` (none: minutes), with the dimensions
/// that `needs` names.
pub(crate) fn source(
    session: &Session,
    location: &Location,
    filter: &Filter,
    longest: Option<Grain>,
    needs: &[Dimension],
) -> Result<Source, Error> {
    let (condition, values) = filter.condition();
    let names = needs.iter().filter(|one| **one != Dimension::Action);
    let columns: String = names.map(|one| format!(", {}", one.name())).collect();
    let unit = longest.map_or(HOUR / 60, |_| HOUR);
    let (cover, mut parts) = match alone(filter, needs) {
        Some(dimension) => {
            let cover = cover(session, filter, longest)?;
            let units = cover.whole.iter();
            let parts =
                units.flat_map(|units| rollup::whole(dimension, *units, &columns, &condition));
            let parts = parts.collect();
            (cover, parts)
        }
        None => (Cover::of(filter.from, filter.to, None), Vec::new()),
    };
    let rows = match untold(session, location, &cover)? {
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
    Ok(Source {
        values: values.cloned().collect(),
        folded: format!("({})", parts.join(" UNION ALL BY NAME ")),
    })
}

/// The only dimension beside the action that is filtered by and asked for, or the action where
/// there is none: what the rollup can tell. None where there are more.
fn alone(filter: &Filter, needs: &[Dimension]) -> Option<Dimension> {
    let all = filter.only.keys().chain(needs).copied();
    let mut sides: Vec<Dimension> = all.filter(|one| *one != Dimension::Action).collect();
    sides.sort_unstable();
    sides.dedup();
    match sides[..] {
        [] => Some(Dimension::Action),
        [one] => Some(one),
        _ => None,
    }
}
