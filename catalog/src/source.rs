//! Where a panel's numbers come from: a rollup for whole hours, where one knows all that is
//! asked, and for the rest, of the objects, those that can hold rows of the range.

use sink::{Location, Timestamp};

use crate::dimension::sides;
use crate::engine::Session;
use crate::filter::within;
use crate::rollup::{self, HOUR, TOGETHER};
use crate::views::Table;
use crate::{Dimension, Error, Filter};

/// A range's clicks, folded.
pub(crate) struct Source {
    /// SQL of `moment, action`, the dimensions that were asked for, `clicks, quantity, revenue`.
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
    let overlaps: Vec<String> = ranges
        .iter()
        .map(|(from, to)| {
            let (from, to) = (from.micros(), to.micros());
            format!(
                "(occurred_least < make_timestamptz({to}) AND occurred_greatest >= make_timestamptz({from}))"
            )
        })
        .collect();
    let overlaps = match &overlaps[..] {
        [] => "false".to_owned(),
        overlaps => overlaps.join(" OR "),
    };
    let pieces = session.pieces(Table::Clicks, &overlaps)?;
    Ok(sides(&Table::Clicks.of(&pieces, location)))
}

/// The filter's clicks in units of so many microseconds, with the dimensions that `needs`
/// names.
pub(crate) fn source(
    session: &Session,
    location: &Location,
    filter: &Filter,
    unit: i64,
    needs: &[Dimension],
) -> Result<Source, Error> {
    let (condition, values) = filter.condition();
    let names = needs.iter().filter(|one| **one != Dimension::Action);
    let columns: String = names.map(|one| format!(", {}", one.name())).collect();
    let mut edges = vec![(filter.from, filter.to)];
    let mut parts = Vec::new();
    if unit >= HOUR
        && let Some((first, end)) = rollup::whole_hours(filter.from, filter.to)
        && let Some(rollup) = knowing(filter, needs)
    {
        let hours = within("moment", first, end);
        parts.push(format!(
            "SELECT moment, action{columns}, clicks, quantity, revenue
             FROM {rollup} WHERE {hours} AND {condition}"
        ));
        edges = vec![(filter.from, first), (end, filter.to)];
    }
    edges.retain(|(from, to)| from < to);
    if !edges.is_empty() || parts.is_empty() {
        let rows = rows(session, location, &edges)?;
        let ranges = edges.iter();
        let ranges = ranges.map(|(from, to)| within("occurred_at", *from, *to));
        let ranges = ranges.collect::<Vec<_>>().join(" OR ");
        let ranges = if ranges.is_empty() { "false" } else { &ranges };
        parts.push(format!(
            "SELECT {} AS moment, action{columns}, {} FROM {rows}
             WHERE ({ranges}) AND {condition} GROUP BY ALL",
            rollup::floored(unit),
            rollup::measures()
        ));
    }
    let values = values.iter().cycle().take(values.len() * parts.len());
    Ok(Source {
        values: values.cloned().collect(),
        folded: format!("({})", parts.join(" UNION ALL BY NAME ")),
    })
}

/// The rollup that knows all that is filtered by and asked for, with the dimensions' names.
fn knowing(filter: &Filter, needs: &[Dimension]) -> Option<String> {
    let all = filter.only.keys().chain(needs).copied();
    let mut sides: Vec<Dimension> = all.filter(|one| *one != Dimension::Action).collect();
    sides.sort_unstable();
    sides.dedup();
    let counted = "clicks, quantity, revenue";
    match sides[..] {
        [] => Some(by(Dimension::Action)),
        [one] => Some(by(one)),
        _ if sides.iter().all(|side| TOGETHER.contains(side)) => Some(format!(
            "(SELECT hour AS moment, action, product_id AS product, category, country, {counted}
              FROM hourly)"
        )),
        _ => None,
    }
}

/// The rollup of one dimension.
fn by(dimension: Dimension) -> String {
    let name = dimension.name();
    let value = match dimension {
        Dimension::Action => String::new(),
        _ => format!(", value AS {name}"),
    };
    format!(
        "(SELECT hour AS moment, action{value}, clicks, quantity, revenue
          FROM hourly_by WHERE dimension = '{name}')"
    )
}
