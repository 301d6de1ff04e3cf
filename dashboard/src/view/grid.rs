//! A grid of cells: a table that becomes HTML, JSON, or CSV that is safe to open in a
//! spreadsheet.

use std::borrow::Cow;
use std::time::Duration;

use catalog::{Step, Timestamp, csv};
use serde_json::{Map, Value};

use crate::view::human;

/// How many letters of a text a page shows. A click may hold a text of any length.
const MAX_SHOWN_CHARS: usize = 2_000;

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// No value.
    Empty,
    /// Text from anywhere.
    Text(String),
    /// A count.
    Count(u64),
    /// A whole number that may be negative.
    Whole(i64),
    /// An amount of money, shown with two decimals.
    Money(f64),
    /// A moment.
    Time(Timestamp),
    /// A length of time; programs get seconds.
    Lasting(Duration),
    /// A number of bytes.
    Size(u64),
    /// A rate, shown with one decimal.
    Rate(f64),
    /// The start of a step of a time axis.
    Begin(Timestamp, Step),
    /// A number as DuckDB wrote it.
    Number(String),
}

impl Cell {
    /// Text, or an empty cell.
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

    /// Returns true if the value is aligned to the right.
    pub(crate) fn is_numeric(&self) -> bool {
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

    /// Returns true if there is no value.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Returns true if the value is better kept on one line.
    pub(crate) fn is_short(&self) -> bool {
        self.display().chars().take(41).count() <= 40
    }

    /// The value for people; not escaped.
    pub(crate) fn display(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) | Self::Number(text) => human::cut(text, MAX_SHOWN_CHARS),
            Self::Count(count) => human::count(*count).into(),
            Self::Whole(number) => human::signed(*number).into(),
            Self::Money(amount) => human::money(*amount).into(),
            Self::Time(at) => human::time(*at).into(),
            Self::Lasting(time) => human::duration(*time).into(),
            Self::Size(bytes) => human::size(*bytes).into(),
            Self::Begin(at, step) => human::step_start(*at, *step).into(),
            same => same.raw(),
        }
    }

    /// The value for programs.
    fn raw(&self) -> Cow<'_, str> {
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
            Self::Text(_) | Self::Number(_) | Self::Time(_) | Self::Begin(..) => self.raw().into(),
        }
    }
}

/// A table: columns by name, and rows of that width.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// True if people see the columns' names unchanged, because they come from a query or a
    /// click.
    verbatim: bool,
}

impl Grid {
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

    /// The same table, whose headings are the columns' names.
    pub(crate) fn verbatim(self) -> Self {
        Self {
            verbatim: true,
            ..self
        }
    }

    /// The columns' headings, and whether each is aligned to the right, as the first row with a
    /// value is.
    pub(crate) fn headings(&self) -> Vec<(String, bool)> {
        let heading = |(place, name): (usize, &String)| {
            let cells = self.rows.iter().map(|row| &row[place]);
            let first = cells.into_iter().find(|cell| !cell.is_empty());
            let text = if self.verbatim {
                human::cut(name, MAX_SHOWN_CHARS).into_owned()
            } else {
                heading(name)
            };
            (text, first.is_some_and(Cell::is_numeric))
        };
        self.columns.iter().enumerate().map(heading).collect()
    }

    /// CSV with a header. A text that a spreadsheet would run as a formula gets an apostrophe.
    pub(crate) fn csv(&self) -> String {
        let mut out = String::with_capacity(1024);
        csv::line(
            &mut out,
            self.columns.iter().map(|name| (name.as_str(), true)),
        );
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(Cell::raw).collect();
            let text = row.iter().map(|cell| matches!(cell, Cell::Text(_)));
            csv::line(&mut out, cells.iter().map(|cell| &**cell).zip(text));
        }
        out
    }

    /// A list of objects, one for each row.
    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().cloned().zip(row.iter().map(Cell::json));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }
}

/// A column's heading: its own words if they say too little, else `dead_letters` as
/// "Dead letters".
fn heading(name: &str) -> String {
    match name {
        "buys" => "Items sold".to_owned(),
        "given_up" => "Accepted as lost".to_owned(),
        "no_record" => "Gaps in offsets".to_owned(),
        "registered_end" => "Catalogued up to offset".to_owned(),
        "of_the_first" => "Of step 1".to_owned(),
        "of_the_one_before" => "Of the step before".to_owned(),
        // People see the unit beside the value, so the column's name need not have it.
        name => human::capitalized(&name.strip_suffix("_s").unwrap_or(name).replace('_', " ")),
    }
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
        let table = Grid::new(["a_name", "n", "=m", "none", "at"], vec![row]);
        assert_eq!(
            table.csv(),
            "a_name,n,\"'=m\",none,at\r\n\"x,\"\"y\"\"\n=z\",12345,-1234.50,,1970-01-01T00:00:01.500000Z\r\n"
        );
        assert_eq!(
            table.json(),
            json!([{"a_name": "x,\"y\"\n=z", "n": 12345, "=m": -1234.5, "none": null, "at": "1970-01-01T00:00:01.500000Z"}])
        );
        let shown: Vec<_> = table.rows[0].iter().map(Cell::display).collect();
        assert_eq!(
            shown[1..],
            ["12,345", "−1,234.50", "", "1970-01-01 00:00:01"]
        );
        assert_eq!(
            table.headings()[..2],
            [("A name".to_owned(), false), ("N".to_owned(), true)]
        );
        assert_eq!(table.verbatim().headings()[0].0, "a_name");
    }

    #[test]
    fn a_heading_is_for_people() {
        for (name, expect) in [
            ("dead_letters", "Dead letters"),
            ("took_s", "Took"),
            ("buys", "Items sold"),
            ("given_up", "Accepted as lost"),
        ] {
            assert_eq!(heading(name), expect);
        }
    }
}
