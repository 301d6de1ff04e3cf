//! Times as a file writes them.

use std::fmt::Write;

use chrono::format::{Fixed, Item, Parsed, StrftimeItems};
use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// A moment that each format must write and read back, unlike any default: 2026-11-20T14:35:46.
const SAMPLE_SECONDS: i64 = 1_795_185_346;

/// How a column writes its times.
#[derive(Debug, Clone)]
pub(super) struct TimeStyle {
    /// As the mapping names it.
    format: String,
    notation: Notation,
    zone: Zone,
}

#[derive(Debug, Clone)]
enum Notation {
    /// A number of these units since 1970 in UTC; how many of them are a second.
    Unix(i64),
    Items(Vec<Item<'static>>),
}

/// Where a time is that does not say so itself.
#[derive(Debug, Clone, Copy)]
enum Zone {
    Offset(FixedOffset),
    Named(Tz),
}

/// Checks a zone. The error is what the rule does wrong.
pub(super) fn check_zone(name: &str) -> Result<(), String> {
    Zone::new(name).map(drop)
}

impl TimeStyle {
    /// Checks a format and a zone. The error is what the rule does wrong.
    pub(super) fn new(format: &str, zone: Option<&str>) -> Result<Self, String> {
        let style = Self {
            format: format.to_owned(),
            notation: Notation::new(format)?,
            zone: Zone::new(zone.unwrap_or("UTC"))?,
        };
        if let Notation::Items(items) = &style.notation {
            if zone.is_none() && items.contains(&Item::Fixed(Fixed::TimezoneName)) {
                return Err(format!(
                    "has the format {format:?}, whose %Z skips a zone's name: say which it is, as \
                     zone = \"Europe/Berlin\""
                ));
            }
            let sample = DateTime::from_timestamp(SAMPLE_SECONDS, 0).expect("a moment of 2026");
            let sample = sample.fixed_offset();
            let mut written = String::new();
            // Some that can be read cannot be written, as %#z.
            let is_written = write!(written, "{}", sample.format_with_items(items.iter())).is_ok();
            if is_written && style.moment(&written).is_err() {
                return Err(format!(
                    "has the format {format:?}, which names no whole date (such as %Y-%m-%d), or an \
                     hour without its half of the day (%I needs %p); seconds since 1970 are \"unix\", \
                     milliseconds \"unix_ms\""
                ));
            }
        }
        Ok(style)
    }

    /// Reads a time. The error says what the text is not.
    pub(super) fn moment(&self, text: &str) -> Result<DateTime<Utc>, String> {
        let no_time = || format!("not a time of the format {:?}", self.format);
        let text = text.trim();
        match &self.notation {
            Notation::Unix(per_second) => since_1970(text, *per_second).ok_or_else(no_time),
            Notation::Items(items) => {
                let parsed = parse(items, text).ok_or_else(no_time)?;
                self.resolve(&parsed).unwrap_or_else(|| Err(no_time()))
            }
        }
    }

    /// Makes a moment of what a text says; `None` if it says too little.
    fn resolve(&self, parsed: &Parsed) -> Option<Result<DateTime<Utc>, String>> {
        if let Some(seconds) = parsed.timestamp() {
            let nanos = parsed.nanosecond().unwrap_or(0);
            return DateTime::from_timestamp(seconds, nanos).map(Ok);
        }
        let date = parsed.to_naive_date().ok()?;
        let local = date.and_time(time_of_day(parsed)?);
        if let Some(seconds) = parsed.offset() {
            let offset = FixedOffset::east_opt(seconds)?;
            return Some(Ok(without_leap(
                offset.from_local_datetime(&local).single()?.to_utc(),
            )));
        }
        Some(self.zone.utc(&local).map(without_leap))
    }
}

impl Notation {
    fn new(format: &str) -> Result<Self, String> {
        match format {
            "unix" => return Ok(Self::Unix(1)),
            "unix_ms" => return Ok(Self::Unix(1_000)),
            "unix_us" => return Ok(Self::Unix(1_000_000)),
            _ => {}
        }
        let items = StrftimeItems::new(format).parse_to_owned();
        Ok(Self::Items(items.map_err(|_| {
            format!(
                "has the format {format:?}, which is not one of chrono's, such as %Y-%m-%d %H:%M:%S"
            )
        })?))
    }
}

impl Zone {
    fn new(name: &str) -> Result<Self, String> {
        let offset = match name {
            "UTC" | "Z" => FixedOffset::east_opt(0),
            _ => name.parse().ok(),
        };
        match (offset, name.parse()) {
            (Some(offset), _) => Ok(Self::Offset(offset)),
            (None, Ok(named)) => Ok(Self::Named(named)),
            (None, Err(_)) => Err(format!(
                "has the zone {name:?}, which is neither UTC nor an offset like +09:00 nor a zone \
                 like Europe/Berlin"
            )),
        }
    }

    /// The moment of a local time. Of a time that came twice, when clocks went back, it is the
    /// first.
    fn utc(self, local: &NaiveDateTime) -> Result<DateTime<Utc>, String> {
        let utc = match self {
            Self::Offset(offset) => offset
                .from_local_datetime(local)
                .map(|time| time.with_timezone(&Utc)),
            Self::Named(zone) => zone
                .from_local_datetime(local)
                .map(|time| time.with_timezone(&Utc)),
        };
        match (utc, self) {
            (LocalResult::Single(time) | LocalResult::Ambiguous(time, _), _) => Ok(time),
            (LocalResult::None, Self::Named(zone)) => Err(format!(
                "a time that {zone} never had, because its clocks went forward: is it another zone's?"
            )),
            (LocalResult::None, Self::Offset(_)) => Err("beyond the calendar".to_owned()),
        }
    }
}

/// Reads a text by the items of a format. `Z` is taken where an offset is due.
fn parse(items: &[Item<'static>], text: &str) -> Option<Parsed> {
    let read = |text: &str| {
        let mut parsed = Parsed::new();
        let done = chrono::format::parse(&mut parsed, text, items.iter());
        done.ok().map(|()| parsed)
    };
    read(text).or_else(|| {
        let local = text.strip_suffix(['Z', 'z'])?;
        read(&format!("{local}+00:00")).filter(|parsed| parsed.offset().is_some())
    })
}

/// The time of day: midnight if the text names none, the full hour if it names no minute.
fn time_of_day(parsed: &Parsed) -> Option<NaiveTime> {
    let (half, hour) = (parsed.hour_div_12(), parsed.hour_mod_12());
    if half.is_none() && hour.is_none() {
        let is_date_only = parsed.minute().is_none() && parsed.second().is_none();
        return is_date_only.then_some(NaiveTime::MIN);
    }
    if parsed.minute().is_none() && parsed.second().is_none() {
        return NaiveTime::from_hms_opt(half? * 12 + hour?, 0, 0);
    }
    parsed.to_naive_time().ok()
}

/// A leap second is the next one's beginning, as in most clocks.
fn without_leap(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

/// Reads a count of units since 1970, with a fraction or without.
fn since_1970(text: &str, per_second: i64) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let per_unit = 1_000_000 / per_second;
    let count: i64 = whole.parse().ok()?;
    let mut micros = count.checked_mul(per_unit)?;
    if !fraction.is_empty() {
        let are_digits = fraction.bytes().all(|digit| digit.is_ascii_digit());
        let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
        let parts: i64 = digits.parse().ok().filter(|_| are_digits)?;
        let part = parts * per_unit / 1_000_000;
        micros += if whole.starts_with('-') { -part } else { part };
    }
    DateTime::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    fn read(format: &str, zone: Option<&str>, text: &str) -> Result<String, String> {
        let time = TimeStyle::new(format, zone).unwrap().moment(text)?;
        Ok(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    #[test]
    fn b94_a_date_is_its_midnight_and_an_hour_is_full() {
        let check = |format: &str, text: &str, expect: &str| {
            assert_eq!(read(format, None, text).as_deref(), Ok(expect), "{format}");
        };
        check("%Y-%m-%d", "2026-11-20", "2026-11-20T00:00:00Z");
        check("%d.%m.%y", "20.11.26", "2026-11-20T00:00:00Z");
        check("%b %e, %Y", "Nov 20, 2026", "2026-11-20T00:00:00Z");
        check("%Y-%j", "2026-324", "2026-11-20T00:00:00Z");
        check("%G-W%V-%u", "2026-W47-5", "2026-11-20T00:00:00Z");
        check("%Y%m%d", "20261120", "2026-11-20T00:00:00Z");
        check("%Y-%m-%d %I-%p", "2026-11-20 02-PM", "2026-11-20T14:00:00Z");
        check("%Y-%m-%d %I %p", "2026-11-20 12 am", "2026-11-20T00:00:00Z");
        check("%Y-%m-%d %H", "2026-11-20 07", "2026-11-20T07:00:00Z");
        check("%Y%m%dT%H%M", "20261120T0702", "2026-11-20T07:02:00Z");
        check("%F %T", "2016-12-31 23:59:60", "2017-01-01T00:00:00Z");
        check(
            "%F %T%.f",
            "2026-11-20 07:02:03.25",
            "2026-11-20T07:02:03.250Z",
        );
    }

    #[test]
    fn a_text_with_an_offset_has_its_own_zone() {
        let check = |format: &str, text: &str| {
            let expect = Ok("2026-11-20T08:00:00Z");
            let found = read(format, Some("Asia/Tokyo"), text);
            assert_eq!(found.as_deref(), expect, "{format} {text}");
        };
        check("%+", "2026-11-20T10:00:00+02:00");
        check("%+", "2026-11-20T08:00:00Z");
        check("%Y-%m-%dT%H:%M:%S%z", "2026-11-20T10:00:00+0200");
        check("%Y-%m-%dT%H:%M:%S%z", "2026-11-20T08:00:00Z");
        check("%Y-%m-%d %H:%M%:z", "2026-11-20 10:00+02:00");
        check("%Y-%m-%d %H:%M %#z", "2026-11-20 10:00 +02");
        check("%s", "1795161600");
        check("unix", "1795161600");
        check("unix", "1795161600.0");
        check("unix_ms", "1795161600000");
        check("unix_us", "1795161600000000");
        assert_eq!(
            read("unix", None, "1795161600.25").as_deref(),
            Ok("2026-11-20T08:00:00.250Z")
        );
    }

    #[test]
    fn a_named_zone_has_its_summer_time() {
        let check = |zone: &str, text: &str, expect: &str| {
            let found = read("%Y-%m-%d %H:%M", Some(zone), text);
            assert_eq!(found.as_deref(), Ok(expect), "{zone} {text}");
        };
        check("Europe/Berlin", "2026-01-15 12:00", "2026-01-15T11:00:00Z");
        check("Europe/Berlin", "2026-07-15 12:00", "2026-07-15T10:00:00Z");
        check(
            "America/New_York",
            "2026-07-15 12:00",
            "2026-07-15T16:00:00Z",
        );
        check(
            "Australia/Lord_Howe",
            "2026-07-15 12:00",
            "2026-07-15T01:30:00Z",
        );
        check("Asia/Kathmandu", "2026-07-15 12:00", "2026-07-15T06:15:00Z");
        check("+09:00", "2026-07-15 12:00", "2026-07-15T03:00:00Z");
        check("Z", "2026-07-15 12:00", "2026-07-15T12:00:00Z");
        let named = read("%F %R %Z", Some("Europe/Berlin"), "2026-07-15 12:00 CEST");
        assert_eq!(named.as_deref(), Ok("2026-07-15T10:00:00Z"));
        let refused = TimeStyle::new("%F %R %Z", None).unwrap_err();
        assert!(refused.contains("say which it is"), "{refused}");
        // 02:30 comes twice on this night: the first.
        check("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z");
        // And never on this one.
        let skipped = read("%Y-%m-%d %H:%M", Some("Europe/Berlin"), "2026-03-29 02:30");
        assert!(skipped.unwrap_err().contains("Europe/Berlin never had"));
    }

    #[test]
    fn attack_17_a_format_that_reads_nothing_is_refused() {
        let check = |format: &str, zone: &str, expect: &str| {
            let refused = TimeStyle::new(format, Some(zone)).unwrap_err();
            assert!(refused.contains(expect), "{refused}");
        };
        check("%Q%Q", "UTC", "is not one of chrono's");
        check("%", "UTC", "is not one of chrono's");
        check("%H:%M", "UTC", "names no whole date");
        check("%Y-%m", "UTC", "names no whole date");
        check("yyyy-MM-dd", "UTC", "names no whole date");
        check("%Y-%m-%d %I:%M", "UTC", "%I needs %p");
        check("%Y-%m-%d", "Mars", "neither UTC");
        check("%Y-%m-%d", "+25:00", "neither UTC");
    }

    #[test]
    fn what_does_not_fit_names_the_format() {
        let check = |format: &str, text: &str| {
            let refused = read(format, None, text).unwrap_err();
            assert_eq!(refused, format!("not a time of the format {format:?}"));
        };
        check("%Y-%m-%d", "20/11/2026");
        check("%Y-%m-%d", "2026-02-30");
        check("%Y-%m-%d", "2026-11-20 10:00");
        check("unix", "soon");
        check("unix_ms", "9223372036854775807");
        check("unix", "1.-5");
    }
}
