//! A table on its way out: one shape that becomes HTML, CSV (safe to open in a spreadsheet)
//! or JSON.

use std::borrow::Cow;
use std::time::Duration;

use catalog::{Step, Timestamp, csv};
use serde_json::{Map, Value};

use crate::view::human;

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// There is none.
    Empty,
    /// Text of anybody's.
    Text(String),
    /// How many.
    Count(u64),
    /// A whole number that may be negative.
    Whole(i64),
    /// An amount of money, shown with two decimals.
    Money(f64),
    /// A moment.
    Time(Timestamp),
    /// How long; in seconds for programs.
    Lasting(Duration),
    /// Bytes.
    Size(u64),
    /// How many in a stretch of time, shown with one decimal.
    Rate(f64),
    /// The begin of a step of a time axis.
    Begin(Timestamp, Step),
    /// A number as free SQL answered it.
    Number(String),
}

impl Cell {
    /// Text, where there is some.
    pub(crate) fn text(text: Option<String>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }

    /// A count that was measured as a float.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are whole, not negative, and below 2^53"
    )]
    pub(crate) fn whole(count: f64) -> Self {
        Self::Count(count as u64)
    }

    /// Whether the value stands at the right.
    pub(crate) fn numeric(&self) -> bool {
        matches!(
            self,
            Self::Count(_)
                | Self::Whole(_)
                | Self::Money(_)
                | Self::Lasting(_)
                | Self::Size(_)
                | Self::Rate(_)
                | Self::Number(_)
        )
    }

    /// Whether there is no value at all.
    pub(crate) const fn absent(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether it is better kept on one line.
    pub(crate) fn short(&self) -> bool {
        self.shown().chars().take(41).count() <= 40
    }

    /// As people read it; not yet escaped.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Count(count) => human::count(*count).into(),
            Self::Whole(number) => human::whole(*number).into(),
            Self::Money(amount) => human::money(*amount).into(),
            Self::Time(at) => human::time(*at).into(),
            Self::Lasting(time) => human::lasting(*time).into(),
            Self::Size(bytes) => human::size(*bytes).into(),
            Self::Begin(at, step) => human::begin(*at, *step).into(),
            plain => plain.plain(),
        }
    }

    /// As programs read it.
    fn plain(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => "".into(),
            Self::Text(text) | Self::Number(text) => text.into(),
            Self::Count(count) | Self::Size(count) => count.to_string().into(),
            Self::Lasting(time) => format!("{:.3}", time.as_secs_f64()).into(),
            Self::Whole(number) => number.to_string().into(),
            Self::Rate(rate) => format!("{rate:.1}").into(),
            Self::Money(amount) => human::cents(*amount).into(),
            Self::Time(at) | Self::Begin(at, _) => at.to_string().into(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Count(count) | Self::Size(count) => (*count).into(),
            Self::Lasting(time) => time.as_secs_f64().into(),
            Self::Whole(number) => (*number).into(),
            Self::Money(amount) | Self::Rate(amount) => (*amount).into(),
            Self::Text(_) | Self::Number(_) | Self::Time(_) | Self::Begin(..) => {
                self.plain().into()
            }
        }
    }
}

/// A table: columns by name, rows of the same width.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Whether the columns' names are somebody's own words, shown as they are.
    verbatim: bool,
}

impl Sheet {
    /// A table of these columns.
    pub(crate) fn new<S: Into<String>>(
        columns: impl IntoIterator<Item = S>,
        rows: Vec<Vec<Cell>>,
    ) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows,
            verbatim: false,
        }
    }

    /// The same table, its columns' names shown as they are.
    pub(crate) fn verbatim(self) -> Self {
        Self {
            verbatim: true,
            ..self
        }
    }

    /// The columns' headings, `dead_letters` as "Dead letters", and whether they stand at the
    /// right, as the first row that has a value does.
    pub(crate) fn headed(&self) -> Vec<(String, bool)> {
        let heading = |(place, name): (usize, &String)| {
            let first = self
                .rows
                .iter()
                .map(|row| &row[place])
                .find(|cell| !cell.absent());
            let text = if self.verbatim {
                name.clone()
            } else {
                sentence(name)
            };
            (text, first.is_some_and(Cell::numeric))
        };
        self.columns.iter().enumerate().map(heading).collect()
    }

    /// CSV with a header. What a spreadsheet would run as a formula gets an apostrophe before it.
    pub(crate) fn csv(&self) -> String {
        let mut out = String::with_capacity(1024);
        csv::line(
            &mut out,
            self.columns.iter().map(|name| (name.as_str(), true)),
        );
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(Cell::plain).collect();
            let text = row.iter().map(|cell| matches!(cell, Cell::Text(_)));
            csv::line(&mut out, cells.iter().map(|cell| &**cell).zip(text));
        }
        out
    }

    /// A list of objects, one a row.
    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().cloned().zip(row.iter().map(Cell::json));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }
}

fn sentence(name: &str) -> String {
    // A time is shown with its unit; its column's name says seconds, for programs.
    let words = name.strip_suffix("_s").unwrap_or(name).replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_table_has_three_faces() {
        let row = vec![
            Cell::Text("x,\"y\"\n=z".into()),
            Cell::Count(12_345),
            Cell::Money(-1234.5),
            Cell::Empty,
            Cell::Time(Timestamp::from_micros(1_500_000)),
        ];
        let sheet = Sheet::new(["a_name", "n", "=m", "none", "at"], vec![row]);
        assert_eq!(
            sheet.csv(),
            "a_name,n,\"'=m\",none,at\r\n\"x,\"\"y\"\"\n=z\",12345,-1234.50,,1970-01-01T00:00:01.500000Z\r\n"
        );
        assert_eq!(
            sheet.json(),
            json!([{"a_name": "x,\"y\"\n=z", "n": 12345, "=m": -1234.5, "none": null, "at": "1970-01-01T00:00:01.500000Z"}])
        );
        let shown: Vec<_> = sheet.rows[0].iter().map(Cell::shown).collect();
        assert_eq!(
            shown[1..],
            ["12,345", "−1,234.50", "", "1970-01-01 00:00:01"]
        );
        assert_eq!(
            sheet.headed()[..2],
            [("A name".to_owned(), false), ("N".to_owned(), true)]
        );
        assert_eq!(sheet.verbatim().headed()[0].0, "a_name");
    }
}
