//! The result of a query as a chart, if it has the shape of one: numbers along a time, or one
//! number for each name.

use catalog::Rows;
use serde::Serialize;

use crate::view::human;
use crate::view::stacked::script_json;

/// How many columns are drawn along a time.
const MAX_SERIES: usize = 6;
/// How many names have a bar.
const MAX_BARS: usize = 30;
/// How many letters of a name a bar shows.
const MAX_NAME_CHARS: usize = 200;

/// A chart of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plot {
    /// Lines, as JSON that cannot end a `script` element: `times` as text, and `series`, each a
    /// `name` and its `values`.
    Lines(String),
    /// Bars: a name, its number, and its length in hundredths.
    Bars(Vec<(String, String, u64)>),
}

#[derive(Serialize)]
struct LineChart {
    times: Vec<String>,
    series: Vec<ChartLine>,
}

#[derive(Serialize)]
struct ChartLine {
    name: String,
    values: Vec<Option<f64>>,
}

impl Plot {
    /// A chart of a result whose first column is a time or a name and whose other columns are
    /// numbers; `None` for any other result.
    pub(crate) fn of(rows: &Rows) -> Option<Self> {
        let columns = rows.columns();
        let (_, first) = columns.first()?;
        let numbers: Vec<usize> = (1..columns.len())
            .filter(|&place| is_numeric(&columns[place].1))
            .take(MAX_SERIES)
            .collect();
        let value = |text: &Option<String>| {
            let number: f64 = text.as_deref()?.parse().ok()?;
            number.is_finite().then_some(number)
        };
        let (Some(&number), true) = (numbers.first(), rows.len() > 1) else {
            return None;
        };
        if first.starts_with("Timestamp") || first.starts_with("Date") {
            // A column of names would split the times into several lines.
            if numbers.len() + 1 != columns.len() {
                return None;
            }
            let cells: Vec<_> = rows.cells().filter(|row| row[0].is_some()).collect();
            let series = numbers.iter().map(|&place| ChartLine {
                name: columns[place].0.clone(),
                values: cells.iter().map(|row| value(&row[place])).collect(),
            });
            let series = series.collect();
            let times = cells.iter().filter_map(|row| row[0].clone()).collect();
            return Some(Self::Lines(script_json(&LineChart { times, series })));
        }
        if !first.contains("Utf8") || columns.len() != 2 {
            return None;
        }
        let bars: Vec<(String, String, f64)> = rows
            .cells()
            .take(MAX_BARS)
            .filter_map(|mut row| {
                let number = value(&row[number]).filter(|number| *number >= 0.0)?;
                let text = row[1].take()?;
                let name = row[0].take().unwrap_or_default();
                Some((human::cut(&name, MAX_NAME_CHARS).into_owned(), text, number))
            })
            .collect();
        let most = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
        let bar = |(name, text, number): (String, String, f64)| (name, text, share(number, most));
        Some(Self::Bars(bars.into_iter().map(bar).collect()))
    }
}

/// The length of a bar in hundredths of the longest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the greatest is between 0 and 100"
)]
fn share(number: f64, most: f64) -> u64 {
    if most > 0.0 {
        (number * 100.0 / most) as u64
    } else {
        0
    }
}

/// Returns true if a column's Arrow type is numeric.
pub(crate) fn is_numeric(kind: &str) -> bool {
    ["Int", "UInt", "Float", "Decimal"]
        .iter()
        .any(|number| kind.starts_with(number))
}
