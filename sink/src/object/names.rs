//! The lake's names: hours and objects, written and read.

use std::fmt;

use chrono::{Datelike, NaiveDate, TimeZone, Timelike, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp, Unit};

/// An hour of UTC: the unit of partition paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i64);

impl Hour {
    /// The hour that holds a moment.
    #[must_use]
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.hour())
    }

    /// The hour before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// The hour after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Reads `year=2026/month=11/day=22/hour=21`. `None` for a path that no hour is written as.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let mut number = |name: &str, least: usize| -> Option<u32> {
            let text = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
            digits(text, least)?.parse().ok()
        };
        let (year, month, day, hour) = (
            number("year", 4)?,
            number("month", 2)?,
            number("day", 2)?,
            number("hour", 2)?,
        );
        if parts.next().is_some() {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        let moment = Utc.from_utc_datetime(&date.and_hms_opt(hour, 0, 0)?);
        Some(Self::of(Timestamp::from_micros(moment.timestamp_micros())))
    }
}

/// A number as it is written: of at least so many digits, with zeros in front only to make them
/// that many.
fn digits(text: &str, least: usize) -> Option<&str> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_written = text.len() == least || (text.len() > least && !text.starts_with('0'));
    (is_number && is_written).then_some(text)
}

impl fmt::Display for Hour {
    /// The partition path, `year=2026/month=11/day=22/hour=21`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = Timestamp::of_count(self.0, Unit::Hour).datetime();
        let (year, month, day) = (moment.year(), moment.month(), moment.day());
        write!(
            f,
            "year={year:04}/month={month:02}/day={day:02}/hour={:02}",
            moment.hour()
        )
    }
}

/// A click object's name: the hour of its first record, its partition, its first offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The hour of the record at or after `first`.
    pub hour: Hour,
    /// The topic's partition.
    pub partition: Partition,
    /// Where the object's range begins.
    pub first: Offset,
}

/// The folder of click objects.
pub(crate) const CLICKS: &str = "clicks";
/// The folder of dead letters.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
/// The folder of the replays, each a lake of its own.
pub(crate) const REPLAYS: &str = "replays";
/// The folder of the objects that swaps put in the place of others.
pub(crate) const SWAPS: &str = "swaps";
/// The folder of the ledger.
pub(crate) const LEDGER: &str = "_ledger";

/// How many digits of their hash the name of dead letters has.
pub(crate) const DIGEST_DIGITS: usize = 32;
/// How many digits the name of what a swap wrote has.
const HASH_DIGITS: usize = 64;

impl ObjectName {
    /// The object's path in the lake.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::from(self.to_string())
    }

    /// Reads a path; `None` if it is not a click object's.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (folder, file) = path
            .strip_prefix(CLICKS)?
            .strip_prefix('/')?
            .rsplit_once('/')?;
        let (partition, first) = file.strip_suffix(".parquet")?.split_once('-')?;
        Some(Self {
            hour: Hour::parse(folder)?,
            partition: Partition(digits(partition, 5)?.parse().ok()?),
            first: Offset(digits(first, 20)?.parse().ok()?),
        })
    }

    /// Where this object's dead letters go, `digest` being that of their content.
    pub(crate) fn letters(&self, digest: &str) -> Path {
        let (hour, partition, first) = (self.hour, self.partition.0, self.first.0);
        Path::from(format!(
            "{DEAD_LETTERS}/{hour}/{partition:05}-{first:020}-{digest}.parquet"
        ))
    }
}

/// The digits of its hash that an object's name ends with: all of them for what a swap wrote, the
/// first ones for the dead letters of a commit. `None` for a commit, which is named by its place.
pub(crate) fn named_digits(path: &str) -> Option<&str> {
    let stem = path.strip_suffix(".parquet")?;
    let digits = stem.rsplit(['/', '-']).next()?;
    let is_hash = matches!(digits.len(), DIGEST_DIGITS | HASH_DIGITS) && digits.bytes().all(is_hex);
    is_hash.then_some(digits)
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Reads the path of dead letters: their partition, and where their range begins.
pub(crate) fn parse_letters(path: &str) -> Option<(Partition, Offset)> {
    let (folder, file) = path
        .strip_prefix(DEAD_LETTERS)?
        .strip_prefix('/')?
        .rsplit_once('/')?;
    Hour::parse(folder)?;
    let mut parts = file.strip_suffix(".parquet")?.splitn(3, '-');
    let partition = digits(parts.next()?, 5)?.parse().ok()?;
    let first = digits(parts.next()?, 20)?.parse().ok()?;
    let digest = parts.next()?;
    let is_digest = digest.len() == DIGEST_DIGITS && digest.bytes().all(is_hex);
    is_digest.then_some((Partition(partition), Offset(first)))
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{CLICKS}/{}/{:05}-{:020}.parquet",
            self.hour, self.partition.0, self.first.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_as_it_was_written() {
        let moment = Timestamp::parse_rfc3339("2026-11-22T21:59:59Z").unwrap();
        let name = ObjectName {
            hour: Hour::of(moment),
            partition: Partition(7),
            first: Offset(42),
        };
        let path = "clicks/year=2026/month=11/day=22/hour=21/00007-00000000000000000042.parquet";
        assert_eq!(name.to_string(), path);
        assert_eq!(ObjectName::parse(path), Some(name));
    }

    #[test]
    fn letters_tell_where_their_range_begins() {
        let name = ObjectName {
            hour: Hour(0),
            partition: Partition(7),
            first: Offset(42),
        };
        let path = name.letters("0123456789abcdef0123456789abcdef");
        assert_eq!(
            parse_letters(path.as_ref()),
            Some((Partition(7), Offset(42)))
        );
        assert_eq!(parse_letters(&name.to_string()), None);
        assert_eq!(parse_letters("dead_letters/a.parquet"), None);
        let mine = "dead_letters/year=2026/month=11/day=22/hour=21/7-42-mine.parquet";
        assert_eq!(
            parse_letters(mine),
            None,
            "what is swept is clickweir's own"
        );
    }

    #[test]
    fn other_names_are_not_click_objects() {
        for path in [
            "clicks/year=2026/month=13/day=22/hour=21/00007-00000000000000000042.parquet",
            "clicks/year=2026/month=11/day=22/hour=21/7-42.parquet",
            "clicks/year=2026/month=11/day=22/00007-00000000000000000042.parquet",
            "dead_letters/year=2026/month=11/day=22/hour=21/00007-00000000000000000042.parquet",
            // Numbers that read alike and are written otherwise would name other objects.
            "clicks/year=2026/month=11/day=22/hour=21/+0007-00000000000000000042.parquet",
            "clicks/year=2026/month=11/day=22/hour=21/00007-+0000000000000000042.parquet",
            "clicks/year=2026/month=11/day=22/hour=+21/00007-00000000000000000042.parquet",
            "clicks/year=2026/month=11/day=22/hour=1/00007-00000000000000000042.parquet",
            "clicks/year=02026/month=11/day=22/hour=21/00007-00000000000000000042.parquet",
            "clicks/year=2026/month=11/day=22/hour=21/00007-99999999999999999999.parquet",
            "clicks/year=2026/month=11/day=22/hour=21/00007-00000000000000000042.parquet/x",
            "clicks/year=2026/month=11/day=22/hour=21/..",
        ] {
            assert_eq!(ObjectName::parse(path), None, "{path}");
        }
    }
}
