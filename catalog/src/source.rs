//! Where a panel's rows come from: the rollup for whole hours, and of the objects those
//! that can hold rows of the range.

use sink::{Location, Timestamp};

use crate::engine::Session;
use crate::rollup;
use crate::views::Table;
use crate::{Error, Filter};

/// A range's rows: the hours that the rollup tells, and an SQL table of the other rows.
pub(crate) struct Source {
    /// SQL of `hour, action, product_id, country, clicks, quantity, revenue`.
    pub(crate) folded: String,
    /// The filter's parameters, as often as `folded` asks for them.
    pub(crate) values: Vec<String>,
}

impl Filter {
    /// The range of the same length just before.
    pub(crate) fn before(&self) -> Self {
        let length = self.to.micros().saturating_sub(self.from.micros());
        let from = Timestamp::from_micros(self.from.micros().saturating_sub(length));
        Self {
            from,
            to: self.from,
            ..self.clone()
        }
    }

    /// The condition on the dimensions, and its parameters.
    pub(crate) fn dimensions(&self) -> (String, Vec<String>) {
        let given = [
            ("action", &self.action),
            ("product_id", &self.product_id),
            ("country", &self.country),
        ];
        let mut condition = String::from("true");
        let mut values = Vec::new();
        for (column, value) in given {
            if let Some(value) = value {
                condition.push_str(&format!(" AND {column} = ?"));
                values.push(value.clone());
            }
        }
        (condition, values)
    }
}

/// `column` within `[from, to)`.
pub(crate) fn within(column: &str, from: Timestamp, to: Timestamp) -> String {
    let (from, to) = (from.micros(), to.micros());
    format!("{column} >= make_timestamptz({from}) AND {column} < make_timestamptz({to})")
}

/// The objects that can hold rows of the ranges, as an SQL table.
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
    let pieces = session.pieces(Table::Clicks, &overlaps.join(" OR "))?;
    Ok(Table::Clicks.of(&pieces, location))
}

/// Whole hours from the rollup, the edges from rows.
pub(crate) fn source(
    session: &Session,
    location: &Location,
    filter: &Filter,
) -> Result<Source, Error> {
    let (condition, values) = filter.dimensions();
    let mut edges = Vec::new();
    let mut parts = Vec::new();
    match rollup::whole_hours(filter.from, filter.to) {
        None => edges.push((filter.from, filter.to)),
        Some((first, end)) => {
            let hours = within("hour", first, end);
            parts.push(format!(
                "SELECT * FROM hourly WHERE {hours} AND {condition}"
            ));
            edges.extend([(filter.from, first), (end, filter.to)]);
        }
    }
    edges.retain(|(from, to)| from < to);
    if !edges.is_empty() {
        let rows = rows(session, location, &edges)?;
        let ranges: Vec<String> = edges
            .iter()
            .map(|(from, to)| within("occurred_at", *from, *to))
            .collect();
        let ranges = format!("({}) AND {condition}", ranges.join(" OR "));
        parts.push(rollup::fold(&rows, &ranges));
    }
    if parts.is_empty() {
        parts.push(format!("SELECT * FROM hourly WHERE false AND {condition}"));
    }
    let values = values
        .iter()
        .cycle()
        .take(values.len() * parts.len())
        .cloned()
        .collect();
    Ok(Source {
        folded: format!("({})", parts.join(" UNION ALL BY NAME ")),
        values,
    })
}
