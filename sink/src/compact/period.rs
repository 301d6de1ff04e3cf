//! What is merged together: an hour's objects, then those of a day, then those of a month, of UTC.

use std::fmt;

use chrono::{DateTime, Datelike, Months, NaiveDate, Timelike, Utc};
use topic::Timestamp;

use crate::Hour;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeriodLength {
    Hour,
    Day,
    Month,
}

impl PeriodLength {
    /// The shortest first.
    pub(super) const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];
}

/// An hour, a day or a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Period {
    /// Its first hour.
    pub(super) first: Hour,
    pub(super) length: PeriodLength,
}

impl Period {
    /// The period of that length that holds an hour.
    pub(super) fn of(hour: Hour, length: PeriodLength) -> Self {
        let moment = moment(hour);
        let date = match length {
            PeriodLength::Hour => {
                return Self {
                    first: hour,
                    length,
                };
            }
            PeriodLength::Day => moment.date_naive(),
            PeriodLength::Month => first_of_month(moment.date_naive()),
        };
        Self {
            first: hour_of(date),
            length,
        }
    }

    /// As people write it: `2026-11-22T21`, `2026-11-22`, `2026-11`.
    pub(super) fn label(self) -> String {
        let format = match self.length {
            PeriodLength::Hour => "%Y-%m-%dT%H",
            PeriodLength::Day => "%Y-%m-%d",
            PeriodLength::Month => "%Y-%m",
        };
        moment(self.first).format(format).to_string()
    }

    /// Its last hour.
    pub(super) fn last(self) -> Hour {
        let date = moment(self.first).date_naive();
        match self.length {
            PeriodLength::Hour => self.first,
            PeriodLength::Day => Hour(self.first.0 + 23),
            PeriodLength::Month => {
                let next = date.checked_add_months(Months::new(1));
                next.map_or(self.first, |next| hour_of(next).previous())
            }
        }
    }
}

fn moment(hour: Hour) -> DateTime<Utc> {
    Timestamp::of_count(hour.0, topic::Unit::Hour).datetime()
}

fn hour_of(date: NaiveDate) -> Hour {
    let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
    Hour::of(Timestamp::from_micros(midnight.timestamp_micros()))
}

fn first_of_month(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

impl fmt::Display for Period {
    /// As the paths of its hours begin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = moment(self.first);
        write!(f, "year={:04}/month={:02}", at.year(), at.month())?;
        if self.length <= PeriodLength::Day {
            write!(f, "/day={:02}", at.day())?;
        }
        if self.length == PeriodLength::Hour {
            write!(f, "/hour={:02}", at.hour())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_in_a_day_and_in_a_month_of_utc() {
        let check = |moment: &str, length: PeriodLength, first: &str, last: &str, named: &str| {
            let hour = |text: &str| Hour::of(Timestamp::parse_rfc3339(text).unwrap());
            let period = Period::of(hour(moment), length);
            assert_eq!(period.first, hour(first), "{moment}");
            assert_eq!(period.last(), hour(last), "{moment}");
            assert_eq!(period.to_string(), named);
            assert_eq!(Period::of(period.last(), length), period);
            let digits = |text: &str| text.replace(|c: char| !c.is_ascii_digit(), "");
            assert_eq!(digits(&period.label()), digits(named));
        };
        let late = "2024-02-29T23:59:59Z";
        check(
            late,
            PeriodLength::Hour,
            "2024-02-29T23:00:00Z",
            "2024-02-29T23:00:00Z",
            "year=2024/month=02/day=29/hour=23",
        );
        check(
            late,
            PeriodLength::Day,
            "2024-02-29T00:00:00Z",
            "2024-02-29T23:00:00Z",
            "year=2024/month=02/day=29",
        );
        check(
            late,
            PeriodLength::Month,
            "2024-02-01T00:00:00Z",
            "2024-02-29T23:00:00Z",
            "year=2024/month=02",
        );
        check(
            "2026-12-01T00:00:00Z",
            PeriodLength::Month,
            "2026-12-01T00:00:00Z",
            "2026-12-31T23:00:00Z",
            "year=2026/month=12",
        );
        check(
            "1969-12-31T22:00:00Z",
            PeriodLength::Day,
            "1969-12-31T00:00:00Z",
            "1969-12-31T23:00:00Z",
            "year=1969/month=12/day=31",
        );
    }
}
