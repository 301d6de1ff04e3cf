//! Ranges of `occurred_at`, as a URL writes them.

use catalog::{Timestamp, Unit};
use chrono::{NaiveDate, NaiveDateTime};

use crate::http::params::QueryParams;
use crate::http::problem::Problem;

/// An hour in microseconds.
pub(crate) const HOUR_MICROS: i64 = Unit::Hour.micros();
/// A day in microseconds.
pub(crate) const DAY_MICROS: i64 = Unit::Day.micros();

/// A range of `occurred_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeRange {
    /// The last so many microseconds. From a day on the range consists of whole hours, and the
    /// last hour is not over yet.
    Last(i64),
    /// Everything.
    All,
    /// From the first moment until before the second. An open end reaches as far as the lake.
    Between(Option<Timestamp>, Option<Timestamp>),
}

/// The ranges with a name: their word in the URL, their label on a page.
pub(crate) const RANGES: [(&str, &str, TimeRange); 5] = [
    ("1h", "Last hour", TimeRange::Last(HOUR_MICROS)),
    ("24h", "24 hours", TimeRange::Last(DAY_MICROS)),
    ("7d", "7 days", TimeRange::Last(7 * DAY_MICROS)),
    ("30d", "30 days", TimeRange::Last(30 * DAY_MICROS)),
    ("all", "All", TimeRange::All),
];

impl TimeRange {
    /// The range that a URL asks for: `from` and `to` if one of them is given, else `range`,
    /// else the last 24 hours.
    ///
    /// # Errors
    /// 400 if a date cannot be read or the range ends before it begins, and if no range has
    /// that name.
    pub(crate) fn read(params: &QueryParams) -> Result<Self, Problem> {
        let edge = |key| {
            let text = params.get(key);
            text.map(|text| parse_time(key, text)).transpose()
        };
        let (from, to) = (edge("from")?, edge("to")?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(Problem::invalid(
                format!("the range ends at {to}, which is not after its start, {from}"),
                "choose a `to` that is later than `from`",
            ));
        }
        match params.get("range") {
            _ if from.is_some() || to.is_some() => Ok(Self::Between(from, to)),
            None => Ok(Self::Last(DAY_MICROS)),
            Some(word) => Self::named(word),
        }
    }

    fn named(word: &str) -> Result<Self, Problem> {
        let found = RANGES.iter().find(|(known, ..)| *known == word);
        found.map(|&(.., range)| range).ok_or_else(|| {
            Problem::invalid(
                format!("unknown range '{word}'"),
                "choose 1h, 24h, 7d, 30d or all, or give from and to",
            )
        })
    }

    /// The range's word in the URL; `None` if it has no name.
    pub(crate) fn word(self) -> Option<&'static str> {
        let found = RANGES.iter().find(|&&(.., known)| known == self);
        found.map(|&(word, ..)| word)
    }

    /// Start and end as a form's fields show them; empty if they were not given.
    pub(crate) fn edges(self) -> (String, String) {
        let field = |at: Option<Timestamp>| {
            at.map(|at| at.datetime().format("%Y-%m-%dT%H:%M").to_string())
                .unwrap_or_default()
        };
        match self {
            Self::Between(from, to) => (field(from), field(to)),
            Self::Last(_) | Self::All => Default::default(),
        }
    }
}

/// A moment in RFC 3339, or in UTC as a form or a person writes it.
fn parse_time(key: &str, text: &str) -> Result<Timestamp, Problem> {
    let in_utc = |form| NaiveDateTime::parse_from_str(text, form).ok();
    let day = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    // In a URL a plus that is not escaped means a space.
    let plus = || {
        let (moment, offset) = text.rsplit_once(' ')?;
        moment.contains(':').then_some(())?;
        Timestamp::parse_rfc3339(&format!("{moment}+{offset}"))
    };
    let found = Timestamp::parse_rfc3339(text).or_else(plus).or_else(|| {
        let naive = in_utc("%Y-%m-%dT%H:%M")
            .or_else(|| in_utc("%Y-%m-%dT%H:%M:%S"))
            .or_else(day)?;
        Some(Timestamp::from_micros(naive.and_utc().timestamp_micros()))
    });
    found.ok_or_else(|| {
        Problem::invalid(
            format!("'{text}' is not a date we can read"),
            &format!(
                "write `{key}` as 2026-11-22, 2026-11-22T21:00 (UTC) or 2026-11-22T21:00:00+01:00"
            ),
        )
    })
}
