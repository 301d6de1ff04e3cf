//! What the topic holds: drafts go in, records with a partition, an offset and an
//! append time come out.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A partition of the topic, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record's place in its partition. Offsets grow; they may have holes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset after this one: the end of a range whose last record is here.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many offsets are in `self..end`; 0 if `end` is not after `self`.
    #[must_use]
    pub const fn distance(self, end: Self) -> u64 {
        end.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A fixed unit of time, counted from 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Unit {
    /// Its length in microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }
}

/// A moment, in microseconds of UTC since 1970.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch, the resolution of Kafka's timestamps.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole hours since the epoch, rounded down: what partition paths are made of.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.count(Unit::Hour)
    }

    /// Whole units since the epoch, rounded down.
    #[must_use]
    pub const fn count(self, unit: Unit) -> i64 {
        self.0.div_euclid(unit.micros())
    }

    /// So many units after the epoch.
    #[must_use]
    pub const fn of_count(count: i64, unit: Unit) -> Self {
        Self(count.saturating_mul(unit.micros()))
    }

    /// The moment at which this one's unit began.
    #[must_use]
    pub const fn floor(self, unit: Unit) -> Self {
        Self::of_count(self.count(unit), unit)
    }

    /// This moment moved back by `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As a calendar moment; moments beyond chrono's calendar become the epoch.
    #[must_use]
    pub fn datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// Reads RFC 3339 text.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let moment = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(moment.timestamp_micros()))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with microseconds: `2026-11-22T21:00:00.000000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// A record on its way in: it has no place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What keeps order: drafts of one key stay in one partition.
    pub key: Bytes,
    /// The envelope, as [`crate::Envelope`] writes it.
    pub value: Bytes,
}

impl Draft {
    /// What this draft weighs in a queue, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// A record at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// When the topic took it, by the topic's own clock; may step back.
    pub appended_at: Timestamp,
    /// The key; `None` if the writer gave none.
    pub key: Option<Bytes>,
    /// The value; a foreign producer may leave it out.
    pub value: Option<Bytes>,
    /// The headers that a foreign producer added; none unless the topic is read as plain JSON.
    pub headers: Vec<RecordHeader>,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its name, which several may have.
    pub name: String,
    /// Its value; a producer may leave it out.
    pub value: Option<Bytes>,
}

impl Record {
    /// What this record weighs in memory, in bytes, with its own fields.
    #[must_use]
    pub fn size(&self) -> usize {
        let payload =
            self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len);
        let header = |header: &RecordHeader| {
            let value = header.value.as_ref().map_or(0, Bytes::len);
            header.name.len() + value + size_of::<RecordHeader>()
        };
        payload + self.headers.iter().map(header).sum::<usize>() + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_round_down_also_before_the_epoch() {
        assert_eq!(Timestamp::from_micros(-1).hour(), -1);
        assert_eq!(Timestamp::from_micros(3_599_999_999).hour(), 0);
        assert_eq!(Timestamp::from_micros(3_600_000_000).hour(), 1);
        let check = |micros: i64, unit: Unit, expect: i64| {
            let floor = Timestamp::from_micros(micros).floor(unit);
            assert_eq!(floor.micros(), expect, "{micros} {unit:?}");
        };
        check(-1, Unit::Minute, -60_000_000);
        check(119_999_999, Unit::Minute, 60_000_000);
        check(86_400_000_000, Unit::Day, 86_400_000_000);
        check(i64::MIN, Unit::Day, i64::MIN);
    }

    #[test]
    fn a_moment_reads_as_it_was_written() {
        let moment = Timestamp::from_micros(1_795_000_000_123_456);
        assert_eq!(Timestamp::parse_rfc3339(&moment.to_string()), Some(moment));
    }
}
