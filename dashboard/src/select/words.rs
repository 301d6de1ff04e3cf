//! The words that a URL uses for steps, metrics and dimensions.

use catalog::{Dimension, Metric, Step};

use crate::http::problem::Problem;

/// The steps of a time axis, by their words.
pub(crate) const STEPS: [(&str, Step); 5] = [
    ("minute", Step::Minute),
    ("hour", Step::Hour),
    ("day", Step::Day),
    ("week", Step::Week),
    ("month", Step::Month),
];

/// The metrics, by their words.
pub(crate) const METRICS: [(&str, Metric); 5] = [
    ("clicks", Metric::Clicks),
    ("visitors", Metric::Visitors),
    ("buys", Metric::Buys),
    ("orders", Metric::Orders),
    ("revenue", Metric::Revenue),
];

/// A step's word.
pub(crate) fn step_word(step: Step) -> &'static str {
    word_of(step, &STEPS)
}

/// A metric's word.
pub(crate) fn metric_word(metric: Metric) -> &'static str {
    word_of(metric, &METRICS)
}

/// The value that `text` names.
///
/// # Errors
/// 400 with all known words if `text` is none of them; `key` says what was asked for.
pub(crate) fn parse_word<T: Copy>(
    key: &str,
    text: &str,
    words: &[(&str, T)],
) -> Result<T, Problem> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|&(_, value)| value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let remedy = format!("choose one of {}", known.join(", "));
        Problem::invalid(format!("unknown {key} '{text}'"), &remedy)
    })
}

/// The dimension with this name.
///
/// # Errors
/// 400 with all names if there is none.
pub(crate) fn parse_dimension(name: &str) -> Result<Dimension, Problem> {
    let words = Dimension::ALL.map(|dimension| (dimension.name(), dimension));
    parse_word("dimension", name, &words)
}

fn word_of<T: Copy + PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == value);
    found
        .map(|(word, _)| *word)
        .expect("every value has a word")
}
