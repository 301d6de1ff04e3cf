//! An answer to SQL as a picture, where it has the shape of one: numbers along a time, or
//! numbers by a name.

use catalog::Rows;
use serde::Serialize;

use crate::view::stacked::inline;

/// Columns that are drawn along a time.
const SERIES: usize = 6;
/// Names whose bars are drawn.
const BARS: usize = 30;

/// A picture of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plot {
    /// Lines, as JSON that cannot end a `script` element: `times` as text, `series` of a `name`
    /// and its `values`.
    Lines(String),
    /// Bars: a name, its number, its length of a hundred.
    Bars(Vec<(String, String, u64)>),
}

#[derive(Serialize)]
struct Lines {
    times: Vec<String>,
    series: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    values: Vec<Option<f64>>,
}

impl Plot {
    /// The picture of an answer whose first column is a time or a name, and whose others hold a
    /// number; none of any other.
    pub(crate) fn of(rows: &Rows) -> Option<Self> {
        let columns = rows.columns();
        let (_, first) = columns.first()?;
        let numbers: Vec<usize> = (1..columns.len())
            .filter(|&place| is_numeric(&columns[place].1))
            .take(SERIES)
            .collect();
        let value = |text: &Option<String>| {
            let number: f64 = text.as_deref()?.parse().ok()?;
            number.is_finite().then_some(number)
        };
        let (Some(&number), true) = (numbers.first(), rows.len() > 1) else {
            return None;
        };
        if first.starts_with("Timestamp") || first.starts_with("Date") {
            // A name between splits the times into as many series: that is no line.
            if numbers.len() + 1 != columns.len() {
                return None;
            }
            let cells: Vec<_> = rows.cells().filter(|row| row[0].is_some()).collect();
            let series = numbers.iter().map(|&place| Line {
                name: columns[place].0.clone(),
                values: cells.iter().map(|row| value(&row[place])).collect(),
            });
            let series = series.collect();
            let times = cells.iter().filter_map(|row| row[0].clone()).collect();
            return Some(Self::Lines(inline(&Lines { times, series })));
        }
        if !first.contains("Utf8") || columns.len() != 2 {
            return None;
        }
        let bars: Vec<(String, String, f64)> = rows
            .cells()
            .take(BARS)
            .filter_map(|mut row| {
                let number = value(&row[number]).filter(|number| *number >= 0.0)?;
                let text = row[1].take()?;
                Some((row[0].take().unwrap_or_default(), text, number))
            })
            .collect();
        let most = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
        let bar = |(name, text, number): (String, String, f64)| (name, text, share(number, most));
        Some(Self::Bars(bars.into_iter().map(bar).collect()))
    }
}

/// Of a hundred.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the greatest, neither below nothing nor above a hundred"
)]
fn share(number: f64, most: f64) -> u64 {
    if most > 0.0 {
        (number * 100.0 / most) as u64
    } else {
        0
    }
}

/// Whether a column's Arrow type is one of numbers.
pub(crate) fn is_numeric(kind: &str) -> bool {
    ["Int", "UInt", "Float", "Decimal"]
        .iter()
        .any(|number| kind.starts_with(number))
}
