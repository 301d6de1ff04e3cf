//! A moment as clients write it: a text by ISO 8601, whole or in part, or milliseconds since 1970.

use topic::Timestamp;

const DAY_MICROS: i64 = 86_400_000_000;

/// Reads a text: digits alone are milliseconds since 1970. A date alone is its midnight, and what
/// names no zone is UTC. `None` if it is neither.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Some(millis) = millis(text) {
        return Some(millis);
    }
    let mut rest = Rest(text.as_bytes());
    let (year, month, day) = date(&mut rest)?;
    let midnight = days_since_1970(year, month, day).checked_mul(DAY_MICROS)?;
    if rest.0.is_empty() {
        return Some(Timestamp::from_micros(midnight));
    }
    if !rest.take(|byte| matches!(byte, b'T' | b't' | b' ')) {
        return None;
    }
    let time = time(&mut rest)?;
    let offset = zone(rest)?;
    let micros = midnight.checked_add(time)?.checked_sub(offset)?;
    Some(Timestamp::from_micros(micros))
}

/// Milliseconds as a client wrote them, perhaps with a fraction.
fn millis(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !is_number(digits) || !is_number(fraction) {
        return None;
    }
    let micros = whole.parse::<i64>().ok()?.checked_mul(1_000)?;
    let more = (0..3).fold(0, |more, place| {
        more * 10 + i64::from(fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0'))
    });
    let more = if whole.starts_with('-') { -more } else { more };
    Some(Timestamp::from_micros(micros.checked_add(more)?))
}

/// What of a text has not been read yet.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    /// Reads one byte if it is one of these.
    fn take(&mut self, is_one: impl Fn(u8) -> bool) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if is_one(*first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn take_byte(&mut self, byte: u8) -> bool {
        self.take(|first| first == byte)
    }

    /// Reads exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(count)?;
        let number = head.iter().try_fold(0, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
            Some(number * 10 + digit)
        })?;
        self.0 = rest;
        Some(number)
    }
}

/// Year, month and day.
fn date(rest: &mut Rest<'_>) -> Option<(i64, i64, i64)> {
    let year = rest.digits(4)?;
    let month = rest.take_byte(b'-').then(|| rest.digits(2))??;
    let day = rest.take_byte(b'-').then(|| rest.digits(2))??;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last).contains(&day).then_some((year, month, day))
}

/// Microseconds since midnight. `24:00:00` is the next midnight, and a leap second is the second
/// after it.
fn time(rest: &mut Rest<'_>) -> Option<i64> {
    let hour = rest.digits(2)?;
    let minute = rest.take_byte(b':').then(|| rest.digits(2))??;
    let mut second = 0;
    let mut micros = 0;
    if rest.take_byte(b':') {
        second = rest.digits(2)?;
        if rest.take(|byte| matches!(byte, b'.' | b',')) {
            micros = fraction(rest)?;
        }
    }
    let total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    let is_time = hour <= 23 && minute <= 59 && second <= 60;
    (is_time || total == DAY_MICROS && minute == 0 && second == 0).then_some(total)
}

/// The microseconds of a fraction of a second; what is finer is cut off.
fn fraction(rest: &mut Rest<'_>) -> Option<i64> {
    let (mut micros, mut place) = (rest.digits(1)? * 100_000, 10_000);
    while let Some(digit) = rest.digits(1) {
        micros += digit * place;
        place /= 10;
    }
    Some(micros)
}

/// The zone's offset in microseconds: `Z`, `UTC`, `+01:00`, `+0100`, `+01`, or none for UTC.
fn zone(mut rest: Rest<'_>) -> Option<i64> {
    rest.take_byte(b' ');
    let is_utc = [&b""[..], b"Z", b"z", b"UTC", b"GMT"].contains(&rest.0);
    if is_utc {
        return Some(0);
    }
    let sign = match (rest.take_byte(b'+'), rest.take_byte(b'-')) {
        (true, false) => 1,
        (false, true) => -1,
        _ => return None,
    };
    let hours = rest.digits(2)?;
    let has_colon = rest.take_byte(b':');
    let minutes = match rest.0.is_empty() {
        true if !has_colon => 0,
        _ => rest.digits(2)?,
    };
    let is_zone = rest.0.is_empty() && hours <= 23 && minutes <= 59;
    is_zone.then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

/// The days from 1970-01-01 to a day of the Gregorian calendar, of the years 0 to 9999.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, so that the leap day is a year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let expect = expect.map(|text| Timestamp::parse_rfc3339(text).unwrap());
        assert_eq!(parse(text), expect, "{text}");
    }

    #[test]
    fn b69_moments_as_clients_write_them() {
        let hour = Some("2026-11-22T21:00:00Z");
        for text in [
            "2026-11-22T21:00:00Z",
            "2026-11-22t21:00:00z",
            "2026-11-22 21:00:00",
            "2026-11-22T21:00:00",
            "2026-11-22T21:00",
            "2026-11-22T21:00:00 UTC",
            "2026-11-22T22:00:00+0100",
            "2026-11-22T22:00:00+01:00",
            "2026-11-22T22:00:00+01",
            "2026-11-22 22:00:00 +0100",
            "2026-11-23T00:30:00.000+0330",
            "2026-11-22T13:00:00-08:00",
            "2026-11-22T21:00:00.000000000Z",
            "2026-11-22T20:59:60Z",
            "1795381200000",
            "1795381200000.0",
        ] {
            check(text, hour);
        }
        check("2026-11-22", Some("2026-11-22T00:00:00Z"));
        check("2026-11-21T24:00:00Z", Some("2026-11-22T00:00:00Z"));
        check("2026-12-31T24:00", Some("2027-01-01T00:00:00Z"));
        check("2026-11-22T21:00:00.5", Some("2026-11-22T21:00:00.5Z"));
        check(
            "2026-11-22T21:00:00,123456789",
            Some("2026-11-22T21:00:00.123456Z"),
        );
        check("1795381200000.25", Some("2026-11-22T21:00:00.00025Z"));
        check("-1.5", Some("1969-12-31T23:59:59.9985Z"));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-11-31",
            "2026-11-00",
            "2026-1-2",
            "26-11-22",
            "2026-11-22T",
            "2026-11-22T25:00:00",
            "2026-11-22T24:00:01",
            "2026-11-22T24:30",
            "2026-11-22T21:60",
            "2026-11-22T21:00:61",
            "2026-11-22T21:00:00.",
            "2026-11-22T21:00:00+1",
            "2026-11-22T21:00:00+01:0",
            "2026-11-22T21:00:00+24:00",
            "2026-11-22T21:00:00+01:00x",
            "2026-11-22T21:00:00+-01:00",
            "2026-11-22T21:00:00Europe/Berlin",
            "22.11.2026",
            "11/22/2026",
            "-",
            "1.5.6",
            "99999999999999999999",
            "+2026-11-22",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn every_day_of_the_calendar_is_where_rfc_3339_says() {
        for year in [0, 1, 1600, 1900, 1969, 1970, 2000, 2024, 2026, 2100, 9999] {
            for month in 1..=12 {
                for day in 1..=31 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    let long = Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
                    assert_eq!(parse(&text), long, "{text}");
                }
            }
        }
    }
}
