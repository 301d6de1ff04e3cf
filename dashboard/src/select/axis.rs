//! The time axis: every step of a range, so that a quiet hour is drawn as one.

use std::time::Duration;

use catalog::{Step, Timestamp};
use chrono::{DateTime, Datelike, Months, NaiveTime, TimeDelta, Utc};

/// How many steps an axis may have: no chart is wider in pixels.
const MAX_STEPS: u64 = 10_000;

/// The step's length in seconds, a month's at its shortest.
const fn length(step: Step) -> u64 {
    match step {
        Step::Minute => 60,
        Step::Hour => 3_600,
        Step::Day => 86_400,
        Step::Week => 7 * 86_400,
        Step::Month => 28 * 86_400,
    }
}

/// How many steps a range of this length has, the last one perhaps in part.
pub(crate) const fn count(step: Step, range: Duration) -> u64 {
    range.as_secs().div_ceil(length(step))
}

/// Returns true if a range has no more steps than an axis takes.
pub(crate) const fn fits(step: Step, range: Duration) -> bool {
    range.as_secs() / length(step) < MAX_STEPS
}

/// The step that suits a range of this length.
pub(crate) fn best_step(range: Duration) -> Step {
    match range.as_secs() {
        0..=7_200 => Step::Minute,
        7_201..=345_599 => Step::Hour,
        345_600..=10_454_399 => Step::Day,
        10_454_400..=31_622_400 => Step::Week,
        _ => Step::Month,
    }
}

/// The start of every step that the range touches, in seconds since the epoch. A range that
/// does not [fit](fits) is cut.
pub(crate) fn step_starts(from: Timestamp, to: Timestamp, step: Step) -> Vec<i64> {
    let mut starts = Vec::new();
    let mut next = Some(step_start(from.datetime(), step));
    while let Some(start) = next
        && start.timestamp_micros() < to.micros()
        && starts.len() as u64 <= MAX_STEPS
    {
        starts.push(start.timestamp());
        next = next_start(start, step);
    }
    starts
}

/// A moment in whole seconds since the epoch.
pub(crate) fn to_seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// The moment so many seconds after the epoch.
pub(crate) fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

fn step_start(at: DateTime<Utc>, step: Step) -> DateTime<Utc> {
    let floor = |seconds: i64| {
        let now = at.timestamp();
        DateTime::from_timestamp(now - now.rem_euclid(seconds), 0).unwrap_or(at)
    };
    let midnight = at.date_naive().and_time(NaiveTime::MIN).and_utc();
    match step {
        Step::Minute => floor(60),
        Step::Hour => floor(3_600),
        Step::Day => midnight,
        Step::Week => {
            let since = TimeDelta::days(at.weekday().num_days_from_monday().into());
            midnight.checked_sub_signed(since).unwrap_or(midnight)
        }
        Step::Month => midnight.with_day(1).unwrap_or(midnight),
    }
}

fn next_start(at: DateTime<Utc>, step: Step) -> Option<DateTime<Utc>> {
    match step {
        Step::Minute => at.checked_add_signed(TimeDelta::minutes(1)),
        Step::Hour => at.checked_add_signed(TimeDelta::hours(1)),
        Step::Day => at.checked_add_signed(TimeDelta::days(1)),
        Step::Week => at.checked_add_signed(TimeDelta::weeks(1)),
        Step::Month => at.checked_add_months(Months::new(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_every_step_that_the_range_touches() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let check = |from: &str, to: &str, step, expect: &[&str]| {
            let expect: Vec<_> = expect.iter().map(|text| to_seconds(at(text))).collect();
            assert_eq!(
                step_starts(at(from), at(to), step),
                expect,
                "{from} {to} {step:?}"
            );
        };
        check(
            "2026-11-22T19:58:30Z",
            "2026-11-22T20:00:00Z",
            Step::Minute,
            &["2026-11-22T19:58:00Z", "2026-11-22T19:59:00Z"],
        );
        check(
            "2026-11-22T19:30:00Z",
            "2026-11-22T21:00:00.000001Z",
            Step::Hour,
            &[
                "2026-11-22T19:00:00Z",
                "2026-11-22T20:00:00Z",
                "2026-11-22T21:00:00Z",
            ],
        );
        // A week starts on Monday; the 22nd is a Sunday.
        check(
            "2026-11-22T10:00:00Z",
            "2026-11-23T10:00:00Z",
            Step::Week,
            &["2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"],
        );
        check(
            "2010-12-15T00:00:00Z",
            "2011-02-01T00:00:00Z",
            Step::Month,
            &["2010-12-01T00:00:00Z", "2011-01-01T00:00:00Z"],
        );
        check(
            "2011-02-01T00:00:00Z",
            "2011-02-01T00:00:00Z",
            Step::Day,
            &[],
        );
    }

    #[test]
    fn the_step_that_suits_a_range_fits_it() {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        for range in [0, 1, 3, 4, 30, 120, 121, 366, 367, 10_000, 200_000].map(days) {
            assert!(fits(best_step(range), range), "{range:?}");
        }
        assert!(fits(Step::Hour, days(400)) && !fits(Step::Minute, days(8)));
    }
}
