//! What a page or a panel is asked for: range, step, metric, filters and the funnel's steps, as
//! the URL says.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{Dimension, MAX_FUNNEL_STEPS, Metric, Step, short_value};

use crate::http::params::{QueryParams, percent_encode};
use crate::http::problem::Problem;
use crate::select::range::{DAY_MICROS, RANGES, TimeRange};
use crate::select::words::{METRICS, STEPS, metric_word, parse_dimension, parse_word, step_word};

/// How long a visitor may take over the funnel unless the URL says otherwise.
const DEFAULT_FUNNEL_WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// A URL's query, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) range: TimeRange,
    /// `None` if the range's length chooses it.
    pub(crate) step: Option<Step>,
    pub(crate) metric: Metric,
    /// The filters: a value, or `None` for clicks without one.
    pub(crate) only: BTreeMap<Dimension, Option<String>>,
    /// The funnel's steps; empty if the page chooses them.
    pub(crate) steps: Vec<String>,
    /// How long a visitor may take from the funnel's first step to its last.
    pub(crate) window: Duration,
}

impl Selection {
    /// Reads a URL's query.
    ///
    /// # Errors
    /// 400 that says which value is wrong and which ones are right.
    pub(crate) fn read(params: &QueryParams) -> Result<Self, Problem> {
        if params.then.len() > MAX_FUNNEL_STEPS {
            return Err(Problem::invalid(
                format!(
                    "a funnel has at most {MAX_FUNNEL_STEPS} steps, not {}",
                    params.then.len()
                ),
                "give `then` less often",
            ));
        }
        let step = params.get("step");
        let step = step.map(|text| parse_word("step", text, &STEPS));
        let metric = params.get("metric");
        let metric = metric.map(|text| parse_word("metric", text, &METRICS));
        let window = params.get("within").map(parse_duration);
        let rest = Self {
            range: TimeRange::Last(DAY_MICROS),
            step: step.transpose()?,
            metric: metric.transpose()?.unwrap_or(Metric::Clicks),
            only: filters(params)?,
            steps: params.then.iter().map(|step| short_value(step)).collect(),
            window: window.transpose()?.unwrap_or(DEFAULT_FUNNEL_WINDOW),
        };
        let dated = params.get("from").or(params.get("to")).is_some();
        match TimeRange::read(params) {
            Ok(range) => Ok(Self { range, ..rest }),
            Err(problem) if dated => Err(problem),
            Err(problem) => Err(problem.with_choices(rest.ranges())),
        }
    }

    /// The next wider selection: the same at all times, else everything.
    pub(crate) fn wider(&self) -> Self {
        let all = self.with_range(TimeRange::All);
        if self.range != TimeRange::All {
            return all;
        }
        let only = BTreeMap::new();
        Self { only, ..all }
    }

    /// The same over another range, whose length chooses the step.
    pub(crate) fn with_range(&self, range: TimeRange) -> Self {
        let step = None;
        Self {
            range,
            step,
            ..self.clone()
        }
    }

    /// The same with another step.
    pub(crate) fn with_step(&self, step: Step) -> Self {
        let step = Some(step);
        Self {
            step,
            ..self.clone()
        }
    }

    /// The same, narrowed to a value of a dimension, or to clicks without one.
    pub(crate) fn narrowed(&self, by: Dimension, value: Option<String>) -> Self {
        let mut narrower = self.clone();
        narrower.only.insert(by, value);
        narrower
    }

    /// The same without one of its filters.
    pub(crate) fn widened(&self, by: Dimension) -> Self {
        let mut wider = self.clone();
        wider.only.remove(&by);
        wider
    }

    /// The URL's query that asks for this again, with its question mark; empty for the default.
    pub(crate) fn query(&self) -> String {
        let mut query = String::new();
        for (key, value) in self.pairs() {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(key);
            query.push('=');
            query.push_str(&percent_encode(&value));
        }
        query
    }

    /// The same as a form's hidden fields, without the keys that the form itself asks for.
    pub(crate) fn fields(&self, except: &[&str]) -> Vec<(&'static str, String)> {
        let pairs = self.pairs().into_iter();
        pairs.filter(|(key, _)| !except.contains(key)).collect()
    }

    /// The named ranges: the query that keeps everything else, the label, and whether this
    /// selection has that range.
    pub(crate) fn ranges(&self) -> Vec<(String, &'static str, bool)> {
        let choice = |&(_, label, range): &(_, &'static str, TimeRange)| {
            (self.with_range(range).query(), label, range == self.range)
        };
        RANGES.iter().map(choice).collect()
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        match self.range {
            TimeRange::Last(DAY_MICROS) => {}
            TimeRange::Between(from, to) => {
                pairs.extend(from.map(|at| ("from", at.to_string())));
                pairs.extend(to.map(|at| ("to", at.to_string())));
            }
            range => pairs.extend(range.word().map(|word| ("range", word.to_owned()))),
        }
        pairs.extend(self.step.map(|step| ("step", step_word(step).to_owned())));
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
        if self.window != DEFAULT_FUNNEL_WINDOW {
            pairs.push(("within", duration_word(self.window)));
        }
        pairs
    }
}

/// The filters, cut as the catalog cuts values: each dimension's own key, `without` for clicks that have no value of it, and
/// `where` with `is`, which a form sends.
fn filters(params: &QueryParams) -> Result<BTreeMap<Dimension, Option<String>>, Problem> {
    let mut only = BTreeMap::new();
    for dimension in Dimension::ALL {
        if let Some(value) = params.get(dimension.name()) {
            only.insert(dimension, Some(short_value(value)));
        }
    }
    let without = params.get("without").into_iter();
    for name in without.flat_map(|names| names.split(',')) {
        only.insert(parse_dimension(name)?, None);
    }
    if let (Some(name), Some(value)) = (params.get("where"), params.get("is")) {
        only.insert(parse_dimension(name)?, Some(short_value(value)));
    }
    Ok(only)
}

/// A length of time as the URL writes it: `90m` reads the same as `1h30m`, which is written.
pub(crate) fn duration_word(time: Duration) -> String {
    humantime::format_duration(time)
        .to_string()
        .replace(' ', "")
}

fn parse_duration(text: &str) -> Result<Duration, Problem> {
    let time = humantime::parse_duration(text).ok();
    time.filter(|time| !time.is_zero()).ok_or_else(|| {
        Problem::invalid(
            format!("'{text}' is not a length of time we can read"),
            "write `within` as 90m, 24h or 7d",
        )
    })
}
