//! What a page or a panel is asked for: range, step, metric, filters and the funnel's steps,
//! as they stand in the URL.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use catalog::{Dimension, Filter, Metric, Step, Timestamp};
use chrono::{NaiveDate, NaiveDateTime};

use crate::http::params::Asked;
use crate::http::problem::Problem;
use crate::select::axis;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// How long a visitor may take over the funnel unless the URL says otherwise.
const WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// A range of `occurred_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// The time until now, this many microseconds long. From a day on it is made of whole hours,
    /// of which the last is not over yet.
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
    pub(crate) metric: Metric,
    /// The filters: a value, or none for clicks without any.
    pub(crate) only: BTreeMap<Dimension, Option<String>>,
    /// The funnel's steps; empty for those that the page chooses.
    pub(crate) steps: Vec<String>,
    /// How long a visitor may take from the funnel's first step to its last.
    pub(crate) window: Duration,
}

/// A selection at a moment, over a lake.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) filter: Filter,
    pub(crate) step: Step,
    /// The period before that can be compared, as far into it as this one has come.
    pub(crate) before: Option<Filter>,
}

impl Selection {
    /// Reads the URL's query.
    pub(crate) fn read(asked: &Asked) -> Result<Self, Problem> {
        let edge = |key| asked.get(key).map(|text| moment(key, text)).transpose();
        let (from, to) = (edge("from")?, edge("to")?);
        let range = match asked.get("range") {
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
        let step = asked.get("step").map(|text| one_of("step", text, &STEPS));
        let metric = asked
            .get("metric")
            .map(|text| one_of("metric", text, &METRICS));
        Ok(Self {
            range,
            step: step.transpose()?,
            metric: metric.transpose()?.unwrap_or(Metric::Clicks),
            only: filters(asked)?,
            steps: asked.then.clone(),
            window: asked.get("within").map_or(Ok(WITHIN), lasting)?,
        })
    }

    /// The filter at `now`, over a lake whose clicks lie in `span` (least and greatest
    /// `occurred_at`). A step that is too fine for the range is refused.
    pub(crate) fn window(
        &self,
        now: Timestamp,
        span: Option<(Timestamp, Timestamp)>,
    ) -> Result<Window, Problem> {
        let (least, beyond) = span.map_or((now, now), |(least, greatest)| {
            (
                least,
                Timestamp::from_micros(greatest.micros().saturating_add(1)),
            )
        });
        let (from, to) = match self.range {
            Range::Last(micros) => {
                let end = match micros < DAY {
                    true => now.micros(),
                    false => now.hour() * HOUR + HOUR,
                };
                (Timestamp::from_micros(end - micros), now)
            }
            Range::All => (least, beyond),
            Range::Between(from, to) => (from.unwrap_or(least), to.unwrap_or(beyond)),
        };
        let to = to.max(from);
        let apart = match self.range {
            Range::Last(micros) => Some(Duration::from_micros(micros.unsigned_abs())),
            Range::Between(Some(from), Some(to)) => Some(to.since(from)),
            Range::All | Range::Between(..) => None,
        };
        let step = match self.step {
            Some(step) if !axis::fits(step, to.since(from)) => {
                return Err(Problem::invalid(
                    format!("the range has too many steps of a {}", word(step)),
                    "choose a longer step or a shorter range",
                ));
            }
            Some(step) => step,
            None => axis::fitting(to.since(from)),
        };
        let only = self.only.clone();
        let filter = Filter { from, to, only };
        Ok(Window {
            before: apart.map(|apart| filter.earlier(apart)),
            filter,
            step,
        })
    }

    /// The next wider selection: the same of all times, else everything.
    pub(crate) fn wider(&self) -> Self {
        let all = self.over(Range::All);
        if self.range != Range::All {
            return all;
        }
        let only = BTreeMap::new();
        Self { only, ..all }
    }

    /// The same over another range, whose length chooses the step.
    pub(crate) fn over(&self, range: Range) -> Self {
        let step = None;
        Self {
            range,
            step,
            ..self.clone()
        }
    }

    /// The same, narrowed to a value of a dimension, or to what has none.
    pub(crate) fn narrowed(&self, by: Dimension, value: Option<String>) -> Self {
        let mut narrower = self.clone();
        narrower.only.insert(by, value);
        narrower
    }

    /// The same without a filter.
    pub(crate) fn widened(&self, by: Dimension) -> Self {
        let mut wider = self.clone();
        wider.only.remove(&by);
        wider
    }

    /// The URL's query that asks for this again; empty for the default.
    pub(crate) fn query(&self) -> String {
        let mut query = String::new();
        for (key, value) in self.pairs() {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(key);
            query.push('=');
            query.push_str(&percent(&value));
        }
        query
    }

    /// The same as a form's fields, but for the keys that the form itself asks for.
    pub(crate) fn fields(&self, asked: &[&str]) -> Vec<(&'static str, String)> {
        let pairs = self.pairs().into_iter();
        pairs.filter(|(key, _)| !asked.contains(key)).collect()
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        match self.range {
            Range::Last(DAY) => {}
            Range::Between(from, to) => {
                pairs.extend(from.map(|at| ("from", at.to_string())));
                pairs.extend(to.map(|at| ("to", at.to_string())));
            }
            range => pairs.extend(name_of(range).map(|name| ("range", name.to_owned()))),
        }
        pairs.extend(self.step.map(|step| ("step", word(step).to_owned())));
        if self.metric != Metric::Clicks {
            pairs.push(("metric", metric_word(self.metric).to_owned()));
        }
        let mut without = Vec::new();
        for (dimension, value) in &self.only {
            match value {
                Some(value) => pairs.push((dimension.name(), value.clone())),
                None => without.push(dimension.name()),
            }
        }
        if !without.is_empty() {
            pairs.push(("without", without.join(",")));
        }
        pairs.extend(self.steps.iter().map(|step| ("then", step.clone())));
        if self.window != WITHIN {
            pairs.push(("within", format!("{}m", self.window.as_secs() / 60)));
        }
        pairs
    }

    /// The named ranges: the query that keeps everything else, the label, whether it is this.
    pub(crate) fn ranges(&self) -> Vec<(String, &'static str, bool)> {
        let choice = |&(_, label, range): &(_, &'static str, Range)| {
            (self.over(range).query(), label, range == self.range)
        };
        NAMED.iter().map(choice).collect()
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

/// The steps and their words in the URL.
pub(crate) const STEPS: [(&str, Step); 5] = [
    ("minute", Step::Minute),
    ("hour", Step::Hour),
    ("day", Step::Day),
    ("week", Step::Week),
    ("month", Step::Month),
];

/// The metrics and their words in the URL.
pub(crate) const METRICS: [(&str, Metric); 5] = [
    ("clicks", Metric::Clicks),
    ("visitors", Metric::Visitors),
    ("buys", Metric::Buys),
    ("orders", Metric::Orders),
    ("revenue", Metric::Revenue),
];

/// A step's word in the URL.
pub(crate) fn word(step: Step) -> &'static str {
    word_of(step, &STEPS)
}

/// A metric's word in the URL.
pub(crate) fn metric_word(metric: Metric) -> &'static str {
    word_of(metric, &METRICS)
}

fn word_of<T: Copy + PartialEq>(one: T, words: &[(&'static str, T)]) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == one);
    found.map(|(word, _)| *word).expect("every one has a word")
}

fn one_of<T: Copy>(key: &str, text: &str, words: &[(&str, T)]) -> Result<T, Problem> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|&(_, one)| one).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let remedy = format!("write {}", known.join(", "));
        Problem::invalid(format!("{key} {text:?} is not known"), &remedy)
    })
}

/// A dimension by its name.
pub(crate) fn dimension(name: &str) -> Result<Dimension, Problem> {
    let words = Dimension::ALL.map(|one| (one.name(), one));
    one_of("dimension", name, &words)
}

/// The filters: by a dimension's own key, `without` for clicks that have no value of it, and
/// `where` and `is`, which a form sends.
fn filters(asked: &Asked) -> Result<BTreeMap<Dimension, Option<String>>, Problem> {
    let mut only = BTreeMap::new();
    for one in Dimension::ALL {
        if let Some(value) = asked.get(one.name()) {
            only.insert(one, Some(value.to_owned()));
        }
    }
    for name in asked
        .get("without")
        .into_iter()
        .flat_map(|all| all.split(','))
    {
        only.insert(dimension(name)?, None);
    }
    if let (Some(name), Some(value)) = (asked.get("where"), asked.get("is")) {
        only.insert(dimension(name)?, Some(value.to_owned()));
    }
    Ok(only)
}

/// `90m`, `24h` or `7d`.
fn lasting(text: &str) -> Result<Duration, Problem> {
    let unit = match text.chars().last() {
        Some('m') => Some(60),
        Some('h') => Some(3_600),
        Some('d') => Some(86_400),
        _ => None,
    };
    let number = text
        .get(..text.len() - 1)
        .and_then(|number| number.parse::<u32>().ok());
    match (number, unit) {
        (Some(number @ 1..), Some(unit)) => Ok(Duration::from_secs(u64::from(number) * unit)),
        _ => Err(Problem::invalid(
            format!("within {text:?} is not a time"),
            "write it as 90m, 24h or 7d",
        )),
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

/// Text as a value in a URL's query.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all");
        }
    }
    encoded
}
