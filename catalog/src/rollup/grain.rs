//! The units of time that the rollups have, in UTC, and how a range is composed of them.

use chrono::{DateTime, Datelike, Days, Months, NaiveTime, Utc};
use sink::{Timestamp, Unit};

use crate::sql::truncated;

/// An hour in the microseconds of a [`Timestamp`].
pub(crate) const HOUR_MICROS: i64 = Unit::Hour.micros();

/// A unit of time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grain {
    Hour,
    Day,
    /// A calendar month.
    Month,
}

impl Grain {
    pub(crate) const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// Its name in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// SQL of the start of the unit that a moment is in.
    pub(crate) fn start(self, at: &str) -> String {
        format!("make_timestamptz({})", truncated(self.name(), at))
    }

    /// The start of the unit that a moment is in. A moment beyond the calendar is returned as it
    /// is.
    fn floor(self, at: Timestamp) -> Timestamp {
        let Some(now) = DateTime::from_timestamp_micros(at.micros()) else {
            return at;
        };
        let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        match self {
            Self::Hour => Timestamp::from_micros(at.hour().saturating_mul(HOUR_MICROS)),
            Self::Day => moment(midnight),
            Self::Month => moment(midnight.with_day(1).unwrap_or(midnight)),
        }
    }

    /// The first start of a unit at or after a moment.
    fn ceiling(self, at: Timestamp) -> Timestamp {
        let start = self.floor(at);
        if start == at {
            return at;
        }
        let now = start.datetime();
        let next = match self {
            Self::Hour => {
                return Timestamp::from_micros(start.micros().saturating_add(HOUR_MICROS));
            }
            Self::Day => now.checked_add_days(Days::new(1)),
            Self::Month => now.checked_add_months(Months::new(1)),
        };
        next.map_or(at, moment)
    }
}

fn moment(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_micros(at.timestamp_micros())
}

/// A range of time, composed of whole units and the rest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cover {
    /// Ranges of whole units: from and until.
    pub(crate) whole: Vec<(Grain, Timestamp, Timestamp)>,
    /// What whole units do not cover: at most the two ends.
    pub(crate) ragged: Vec<(Timestamp, Timestamp)>,
    /// True if the rollups may lack rows of the whole units, because of the backlog.
    pub(crate) incomplete: bool,
}

impl Cover {
    /// `[from, to)` in units no longer than `longest`. All of it is ragged if that is `None`.
    pub(crate) fn of(from: Timestamp, to: Timestamp, longest: Option<Grain>) -> Self {
        let mut cover = Self::default();
        cover.ragged.extend((from < to).then_some((from, to)));
        let fitting = |grain: &Grain| Some(*grain) <= longest;
        for grain in Grain::ALL.into_iter().rev().filter(fitting) {
            for (from, to) in std::mem::take(&mut cover.ragged) {
                let (first, end) = (grain.ceiling(from), grain.floor(to));
                if first < end {
                    cover.whole.push((grain, first, end));
                    let ends = [(from, first), (end, to)];
                    cover.ragged.extend(ends.into_iter().filter(|(a, b)| a < b));
                } else {
                    cover.ragged.push((from, to));
                }
            }
        }
        cover
    }

    /// The range of the whole units, which have no gap between them. `None` if there are none.
    pub(crate) fn reach(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.whole.iter().map(|(_, from, _)| *from).min()?;
        let end = self.whole.iter().map(|(_, _, to)| *to).max()?;
        Some((first, end))
    }
}

/// A range, extended to whole months where there are no rows: `least` and `greatest` are the first
/// and the last moment of all rows.
pub(crate) fn widened(
    (from, to): (Timestamp, Timestamp),
    (least, greatest): (Timestamp, Timestamp),
) -> (Timestamp, Timestamp) {
    let month = Grain::Month;
    (
        if from <= least {
            month.floor(from)
        } else {
            from
        },
        if to > greatest { month.ceiling(to) } else { to },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let long = format!("{text}{}", &"2026-01-01T00:00:00Z"[text.len()..]);
        Timestamp::parse_rfc3339(&long).unwrap()
    }

    #[test]
    fn a_range_is_made_of_its_longest_whole_units() {
        let check = |from: &str, to: &str, longest, whole: &[(&str, &str, &str)], ragged: &[_]| {
            let cover = Cover::of(at(from), at(to), longest);
            let mut units = cover.whole.clone();
            units.sort_by_key(|(_, from, _)| *from);
            let expect = whole.iter().map(|(grain, from, to)| {
                let grain = Grain::ALL.into_iter().find(|one| one.name() == *grain);
                (grain.unwrap(), at(from), at(to))
            });
            assert_eq!(units, expect.collect::<Vec<_>>(), "{from} {to}");
            let mut ends = cover.ragged.clone();
            ends.sort_unstable();
            let expect: Vec<(&str, &str)> = ragged.to_vec();
            let expect = expect.into_iter().map(|(from, to)| (at(from), at(to)));
            assert_eq!(ends, expect.collect::<Vec<_>>(), "{from} {to}");
        };
        let all = Some(Grain::Month);
        check(
            "2026-01",
            "2026-03",
            all,
            &[("month", "2026-01", "2026-03")],
            &[],
        );
        check(
            "2026-01-30T22:30",
            "2026-03-02T01:00:01",
            all,
            &[
                ("hour", "2026-01-30T23", "2026-01-31"),
                ("day", "2026-01-31", "2026-02-01"),
                ("month", "2026-02", "2026-03"),
                ("day", "2026-03", "2026-03-02"),
                ("hour", "2026-03-02", "2026-03-02T01"),
            ],
            &[
                ("2026-01-30T22:30", "2026-01-30T23"),
                ("2026-03-02T01", "2026-03-02T01:00:01"),
            ],
        );
        check(
            "2026-01",
            "2026-02",
            Some(Grain::Hour),
            &[("hour", "2026-01", "2026-02")],
            &[],
        );
        let minutes = ("2026-01-01T10:10", "2026-01-01T10:50");
        check(minutes.0, minutes.1, all, &[], &[minutes]);
        check("2026-01", "2026-02", None, &[], &[("2026-01", "2026-02")]);
        check("2026-02", "2026-01", all, &[], &[]);
    }

    #[test]
    fn a_range_is_longer_where_nothing_lies() {
        let rows = (at("2026-01-10T10:10"), at("2026-01-20T20:20"));
        let check = |range: (&str, &str), expect: (&str, &str)| {
            let got = widened((at(range.0), at(range.1)), rows);
            assert_eq!(got, (at(expect.0), at(expect.1)), "{range:?}");
        };
        check(
            ("2026-01-10T10:10", "2026-01-20T20:21"),
            ("2026-01", "2026-02"),
        );
        check(
            ("2026-01-10T10:11", "2026-01-20T20:20"),
            ("2026-01-10T10:11", "2026-01-20T20:20"),
        );
    }
}
