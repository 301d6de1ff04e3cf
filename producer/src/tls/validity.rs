//! From when to when a certificate is valid. No dependency of the edge tells it, so the few bytes of
//! DER before it are read here.

use chrono::NaiveDateTime;
use rustls::sign::CertifiedKey;

pub(super) const SECONDS_PER_DAY: i64 = 86_400;
/// How long before its end a certificate is called near it. Those that are renewed by a program are
/// renewed earlier.
const NEAR_DAYS: i64 = 14;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The field that has the version, absent in version 1.
const VERSION: u8 = 0xa0;

/// When a certificate begins and ends, in seconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    begins: i64,
    pub(super) ends: i64,
}

impl Validity {
    /// Returns that of the first certificate of a chain; `None` if it is written in some other way.
    pub(super) fn of(certified: &CertifiedKey) -> Option<Self> {
        Self::read(certified.cert.first()?)
    }

    fn read(certificate: &[u8]) -> Option<Self> {
        let (whole, _) = element(certificate, SEQUENCE)?;
        let (signed, _) = element(whole, SEQUENCE)?;
        let rest = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
        let (_, rest) = element(rest, INTEGER)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, _) = element(rest, SEQUENCE)?;
        let (begins, rest) = moment(validity)?;
        let (ends, _) = moment(rest)?;
        Some(Self { begins, ends })
    }

    /// Returns true from 14 days before the end on, or the last third of a short life.
    pub(super) fn is_near_end(&self, now: i64) -> bool {
        let life = self.ends.saturating_sub(self.begins);
        let near = (NEAR_DAYS * SECONDS_PER_DAY).min(life / 3);
        self.ends.saturating_sub(now) <= near
    }
}

/// Takes an element with a tag. Returns its content and what is behind it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Takes a time, in seconds of Unix time.
fn moment(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest) = match element(bytes, GENERALIZED_TIME) {
        Some((text, rest)) => (std::str::from_utf8(text).ok()?.to_owned(), rest),
        None => {
            let (text, rest) = element(bytes, UTC_TIME)?;
            let text = std::str::from_utf8(text).ok()?;
            // Two digits of a year are those from 1950 to 2049 (RFC 5280, 4.1.2.5.1).
            let century = if text < "5" { "20" } else { "19" };
            (format!("{century}{text}"), rest)
        }
    };
    let time = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?;
    Some((time.and_utc().timestamp(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::issued::Authority;

    #[test]
    fn a_certificate_says_when_it_begins_and_ends() {
        let authority = Authority::new();
        let day = |year, month, day| {
            let date = chrono::NaiveDate::from_ymd_opt(year, month, day).unwrap();
            date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp()
        };
        // After 2049 a certificate writes its time in another way.
        for ends in [(2031, 3, 4), (2063, 12, 31)] {
            let issued = authority.issue_until(ends);
            let expect = Validity {
                begins: day(2020, 1, 1),
                ends: day(ends.0, ends.1.into(), ends.2.into()),
            };
            assert_eq!(Validity::read(&issued.der), Some(expect));
            for cut in 0..issued.der.len() {
                assert_eq!(Validity::read(&issued.der[..cut]), None);
            }
        }
        assert_eq!(Validity::read(b"\x30\x84\xff\xff\xff\xff"), None);
        assert_eq!(
            moment(b"\x17\x0d491231235959Z").map(|(at, _)| at),
            Some(2_524_607_999)
        );
        assert_eq!(
            moment(b"\x17\x0d500101000000Z").map(|(at, _)| at),
            Some(-631_152_000)
        );
    }

    #[test]
    fn the_end_is_near_two_weeks_before_it_or_in_the_last_third() {
        let check = |days: i64, left: i64, expect: bool| {
            let validity = Validity {
                begins: 0,
                ends: days * SECONDS_PER_DAY,
            };
            let now = (days - left) * SECONDS_PER_DAY;
            assert_eq!(validity.is_near_end(now), expect, "{left} of {days}");
        };
        check(90, 30, false);
        check(90, 15, false);
        check(90, 14, true);
        check(90, -1, true);
        check(6, 3, false);
        check(6, 2, true);
    }
}
