//! What a page or a panel is asked for: range, step and filters, as they stand in the URL.

use std::fmt::Write;
use std::time::Duration;

use catalog::{Filter, Step, Timestamp};
use chrono::{NaiveDate, NaiveDateTime};
use serde::Deserialize;

use crate::reply::Problem;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// The query of a URL, as it was typed. An empty value is one that was not given: forms send
/// every field. An unknown key is refused, since a misspelt filter would answer wrongly.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    range: Option<String>,
    from: Option<String>,
    to: Option<String>,
    step: Option<String>,
    action: Option<String>,
    product: Option<String>,
    country: Option<String>,
    pub(crate) format: Option<String>,
}

/// A range of `occurred_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// The time until now, this many microseconds long.
    Last(i64),
    /// Everything there is.
    All,
    /// From, until (exclusive); an open end reaches as far as the lake does.
    Between(Option<Timestamp>, Option<Timestamp>),
}

/// The ranges that have a name: in the URL, on the page, in microseconds.
const NAMED: [(&str, &str, Range); 5] = [
    ("1h", "Last hour", Range::Last(HOUR)),
    ("24h", "24 hours", Range::Last(DAY)),
    ("7d", "7 days", Range::Last(7 * DAY)),
    ("30d", "30 days", Range::Last(30 * DAY)),
    ("all", "All", Range::All),
];

/// What is asked for, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) range: Range,
    /// None: chosen by the range's length.
    pub(crate) step: Option<Step>,
    pub(crate) action: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) country: Option<String>,
}

/// A selection at a moment, over a lake.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) filter: Filter,
    pub(crate) step: Step,
    /// Whether there is a period before that can be compared.
    pub(crate) compared: bool,
}

impl Selection {
    /// Reads the URL's query.
    pub(crate) fn read(asked: Asked) -> Result<Self, Problem> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let from = given(asked.from)
            .map(|text| moment("from", &text))
            .transpose()?;
        let to = given(asked.to)
            .map(|text| moment("to", &text))
            .transpose()?;
        let range = match given(asked.range).as_deref() {
            _ if from.is_some() || to.is_some() => Range::Between(from, to),
            None => Range::Last(DAY),
            Some(name) => named(name)?,
        };
        if let Range::Between(Some(from), Some(to)) = range
            && from >= to
        {
            return Err(Problem::invalid(
                format!("the range ends at {to}, which is not after its begin, {from}"),
                "let `to` be later than `from`",
            ));
        }
        let step = given(asked.step).map(|text| step(&text)).transpose()?;
        Ok(Self {
            range,
            step,
            action: given(asked.action),
            product: given(asked.product),
            country: given(asked.country),
        })
    }

    /// The filter at `now`, over a lake whose clicks lie in `span` (least and greatest
    /// `occurred_at`).
    pub(crate) fn window(&self, now: Timestamp, span: Option<(Timestamp, Timestamp)>) -> Window {
        let (least, beyond) = span.map_or((now, now), |(least, greatest)| {
            (
                least,
                Timestamp::from_micros(greatest.micros().saturating_add(1)),
            )
        });
        let (from, to) = match self.range {
            Range::Last(micros) => (Timestamp::from_micros(now.micros() - micros), now),
            Range::All => (least, beyond),
            Range::Between(from, to) => (from.unwrap_or(least), to.unwrap_or(beyond)),
        };
        let compared = match self.range {
            Range::Last(_) => true,
            Range::All => false,
            Range::Between(from, to) => from.is_some() && to.is_some(),
        };
        let to = to.max(from);
        let length = to.since(from);
        let step = self.step.unwrap_or_else(|| fitting(length));
        let filter = Filter {
            from,
            to,
            action: self.action.clone(),
            product_id: self.product.clone(),
            country: self.country.clone(),
        };
        Window {
            filter,
            step,
            compared,
        }
    }

    /// The next wider selection: the same of all times, else everything.
    pub(crate) fn wider(&self) -> Self {
        let all = Self {
            range: Range::All,
            step: None,
            ..self.clone()
        };
        if self.range != Range::All {
            return all;
        }
        Self {
            action: None,
            product: None,
            country: None,
            ..all
        }
    }

    /// The URL's query that asks for this again; empty for the default.
    pub(crate) fn query(&self) -> String {
        let mut query = String::new();
        match self.range {
            Range::Last(DAY) => {}
            Range::Between(from, to) => {
                add(&mut query, "from", from.map(|at| at.to_string()).as_deref());
                add(&mut query, "to", to.map(|at| at.to_string()).as_deref());
            }
            range => add(&mut query, "range", name_of(range)),
        }
        add(&mut query, "step", self.step.map(word));
        add(&mut query, "action", self.action.as_deref());
        add(&mut query, "product", self.product.as_deref());
        add(&mut query, "country", self.country.as_deref());
        query
    }

    /// The named ranges: the query that keeps everything else, the label, whether it is this.
    pub(crate) fn ranges(&self) -> Vec<(String, &'static str, bool)> {
        let choice = |&(_, label, range): &(_, &'static str, Range)| {
            (
                Self {
                    range,
                    ..self.clone()
                }
                .query(),
                label,
                range == self.range,
            )
        };
        NAMED.iter().map(choice).collect()
    }

    /// The range's name in the URL; empty for one with a begin or an end of its own.
    pub(crate) fn range_name(&self) -> &'static str {
        name_of(self.range).unwrap_or_default()
    }

    /// Begin and end as a form's fields show them; empty unless they were given.
    pub(crate) fn edges(&self) -> (String, String) {
        let field = |at: Option<Timestamp>| {
            at.map(|at| at.datetime().format("%Y-%m-%dT%H:%M").to_string())
                .unwrap_or_default()
        };
        match self.range {
            Range::Between(from, to) => (field(from), field(to)),
            Range::Last(_) | Range::All => Default::default(),
        }
    }
}

/// A step's word in the URL.
pub(crate) const fn word(step: Step) -> &'static str {
    match step {
        Step::Hour => "hour",
        Step::Day => "day",
        Step::Month => "month",
    }
}

fn step(text: &str) -> Result<Step, Problem> {
    [Step::Hour, Step::Day, Step::Month]
        .into_iter()
        .find(|&step| word(step) == text)
        .ok_or_else(|| {
            Problem::invalid(
                format!("step {text:?} is not known"),
                "write hour, day or month",
            )
        })
}

fn fitting(length: Duration) -> Step {
    match length.as_secs() / 86_400 {
        0..=3 => Step::Hour,
        4..=120 => Step::Day,
        _ => Step::Month,
    }
}

fn named(name: &str) -> Result<Range, Problem> {
    let found = NAMED.iter().find(|(known, ..)| *known == name);
    found.map(|&(.., range)| range).ok_or_else(|| {
        Problem::invalid(
            format!("range {name:?} is not known"),
            "write 1h, 24h, 7d, 30d or all; or give from and to",
        )
    })
}

fn name_of(range: Range) -> Option<&'static str> {
    NAMED
        .iter()
        .find(|&&(.., known)| known == range)
        .map(|&(name, ..)| name)
}

/// A moment as RFC 3339, or in UTC as a form or a person writes it.
fn moment(key: &str, text: &str) -> Result<Timestamp, Problem> {
    let in_utc = |form| NaiveDateTime::parse_from_str(text, form).ok();
    let day = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    let found = Timestamp::parse_rfc3339(text).or_else(|| {
        let naive = in_utc("%Y-%m-%dT%H:%M")
            .or_else(|| in_utc("%Y-%m-%dT%H:%M:%S"))
            .or_else(day)?;
        Some(Timestamp::from_micros(naive.and_utc().timestamp_micros()))
    });
    found.ok_or_else(|| {
        Problem::invalid(
            format!("{key} {text:?} is not a moment"),
            "write it as 2026-11-22, 2026-11-22T21:00 (UTC) or 2026-11-22T21:00:00+01:00",
        )
    })
}

fn add(query: &mut String, key: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(key);
    query.push('=');
    query.push_str(&percent(value));
}

/// Text as a value in a URL's query.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all");
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
