//! CloudFront's logs: the log or the configuration names the fields.
//!
//! CloudFront encodes what a client sent once more, the percent sign too: `/a%20b` is `/a%2520b`
//! in its log. In an address only that is undone, so that it stays an address.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use percent_encoding::percent_decode_str;

use super::entry::{LogEntry, present};
use super::fields::digit;

/// The fields of standard logs, for a file that lost its first lines.
const STANDARD: [&str; 33] = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
];
/// How many of them the oldest logs have.
const LEAST_FIELDS: usize = 12;
/// The fields that are numbers.
const NUMBERS: [&str; 12] = [
    "cs-bytes",
    "time-taken",
    "time-to-first-byte",
    "c-port",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
    "fle-encrypted-fields",
    "cs-headers-count",
    "origin-fbl",
    "origin-lbl",
    "asn",
];

/// The names of a log's fields, in their order.
#[derive(Debug)]
pub(super) struct FieldNames {
    names: Vec<String>,
    /// How many of them a line must have.
    least: usize,
    /// Who says the names, for the sentence about a line that has other fields.
    said_by: &'static str,
}

/// What the fields of a line say before they are put together.
#[derive(Default)]
struct LineParts {
    date: Option<NaiveDate>,
    time: Option<NaiveTime>,
    path: Option<String>,
    query: Option<String>,
    /// The host that the client asked for, and the distribution's own.
    host: Option<String>,
    distribution: Option<String>,
}

impl FieldNames {
    /// The fields of standard logs.
    pub(super) fn standard() -> Self {
        Self {
            names: STANDARD.map(str::to_owned).to_vec(),
            least: LEAST_FIELDS,
            said_by: "CloudFront writes at least",
        }
    }

    /// The fields of real-time logs.
    pub(super) fn configured(names: &[String]) -> Self {
        Self {
            names: names.to_vec(),
            least: names.len(),
            said_by: "import.realtime_fields names",
        }
    }

    /// Takes the names that a line beginning with `#` says, if it does.
    pub(super) fn directive(&mut self, line: &str) {
        if let Some(names) = line.strip_prefix("#Fields:") {
            self.names = names.split_whitespace().map(str::to_owned).collect();
            self.least = self.names.len();
            self.said_by = "#Fields: names";
        }
    }

    /// Reads a line.
    pub(super) fn entry(&self, line: &str) -> Result<LogEntry, String> {
        let count = line.split('\t').count();
        if count < self.least {
            let (least, said_by) = (self.least, self.said_by);
            return Err(format!(
                "the line has {count} fields, and {said_by} {least}"
            ));
        }
        let mut entry = LogEntry::default();
        let mut parts = LineParts::default();
        let mut fields = line.split('\t');
        for name in &self.names {
            if let Some(value) = fields.next().and_then(present) {
                self.set(&mut entry, &mut parts, name, value)?;
            }
        }
        let rest = fields.collect::<Vec<_>>().join("\t");
        entry.put("extra", present(&rest).map(str::to_owned));
        if let Some(date) = parts.date {
            let time = date.and_time(parts.time.unwrap_or(NaiveTime::MIN));
            entry.time = Some(time.and_utc());
        }
        entry.target = match (parts.path, parts.query) {
            // Real-time logs have the query twice.
            (Some(path), Some(query)) if !path.contains('?') => Some(format!("{path}?{query}")),
            (path, _) => path,
        };
        if let Some(distribution) = parts.distribution {
            if parts.host.is_some() {
                entry.put("distribution", Some(distribution));
            } else {
                parts.host = Some(distribution);
            }
        }
        entry.host = parts.host;
        if entry.host.is_some() {
            entry.scheme.get_or_insert_with(|| "https".into());
        }
        Ok(entry)
    }

    fn set(
        &self,
        entry: &mut LogEntry,
        parts: &mut LineParts,
        name: &str,
        value: &str,
    ) -> Result<(), String> {
        match name {
            "date" => parts.date = Some(read(name, value, "%Y-%m-%d", NaiveDate::parse_from_str)?),
            "time" => parts.time = Some(read(name, value, "%H:%M:%S", NaiveTime::parse_from_str)?),
            "timestamp" | "timestamp(ms)" => entry.time = Some(unix_time(name, value)?),
            "c-ip" => entry.client = Some(value.to_owned()),
            "cs-method" => entry.method = Some(value.to_owned()),
            "sc-status" => entry.set_status(Some(value.to_owned()))?,
            "sc-bytes" => entry.put_number("bytes", Some(value.to_owned())),
            "cs-protocol" => entry.scheme = Some(value.to_ascii_lowercase()),
            "cs-protocol-version" => entry.put("protocol", Some(value.to_owned())),
            "cs-uri-stem" => parts.path = Some(address(value)),
            "cs-uri-query" => parts.query = Some(address(value)),
            "cs(Referer)" | "cs-referer" => entry.referrer = Some(address(value)),
            "cs(User-Agent)" | "cs-user-agent" => entry.user_agent = Some(agent(value)),
            "c-country" => entry.country = Some(value.to_owned()),
            "x-forwarded-for" => entry.forwarded = Some(decoded(value)),
            "x-edge-request-id" => entry.put("request_id", Some(value.to_owned())),
            // Standard and real-time logs swap these two.
            "cs(Host)" => parts.distribution = Some(value.to_owned()),
            "cs-host" => parts.host = Some(value.to_owned()),
            "x-host-header" if self.names.iter().any(|other| other == "cs-host") => {
                parts.distribution = Some(value.to_owned());
            }
            "x-host-header" => parts.host = Some(value.to_owned()),
            _ if NUMBERS.contains(&name) => {
                entry.put_number(&property(name), Some(value.to_owned()));
            }
            _ => entry.put(&property(name), Some(decoded(value))),
        }
        Ok(())
    }
}

/// The name of the property that keeps a field: `cs(Cookie)` is `cs_cookie`.
fn property(name: &str) -> String {
    let name = name.trim_end_matches(')').to_ascii_lowercase();
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

fn read<T>(
    name: &str,
    value: &str,
    format: &str,
    parse: impl FnOnce(&str, &str) -> chrono::ParseResult<T>,
) -> Result<T, String> {
    parse(value, format).map_err(|_| format!("{name} is not written as {format}"))
}

/// Reads seconds, or milliseconds, since 1970, with or without a fraction.
fn unix_time(name: &str, value: &str) -> Result<DateTime<Utc>, String> {
    let wrong = || format!("{name} is no time since 1970: {value:?}");
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(fraction) {
        return Err(wrong());
    }
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    // Seconds have ten digits until the year 2286.
    if whole >= 100_000_000_000 {
        return DateTime::from_timestamp_millis(whole).ok_or_else(wrong);
    }
    let nanos = format!("{fraction:0<9.9}").parse().map_err(|_| wrong())?;
    DateTime::from_timestamp(whole, nanos).ok_or_else(wrong)
}

/// An address as the client sent it: the percent signs that CloudFront encoded are signs again.
fn address(value: &str) -> String {
    let mut address = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("%25") {
        let is_doubled = matches!(
            rest.as_bytes()[at + 3..],
            [high, low, ..] if digit(high).is_some() && digit(low).is_some()
        );
        let (kept, tail) = rest.split_at(at + 3);
        address.push_str(if is_doubled { &rest[..=at] } else { kept });
        rest = tail;
    }
    address.push_str(rest);
    address
}

/// A value as the client sent it.
fn decoded(value: &str) -> String {
    match value.contains('%') {
        true => percent_decode_str(value).decode_utf8_lossy().into_owned(),
        false => value.to_owned(),
    }
}

/// A user agent. Older logs encode it twice: a space is `%2520`.
fn agent(value: &str) -> String {
    let once = decoded(value);
    match value.contains("%25") && once.contains("%20") {
        true => decoded(&once),
        false => once,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cloudfront_encodes_is_decoded_once() {
        let check = |value: &str, as_address: &str, as_text: &str, as_agent: &str| {
            let found = (address(value), decoded(value), agent(value));
            let expect = (as_address.into(), as_text.into(), as_agent.into());
            assert_eq!(found, expect, "{value}");
        };
        check("/a%2520b", "/a%20b", "/a%20b", "/a b");
        check("/a%20b", "/a%20b", "/a b", "/a b");
        check("%2525", "%25", "%25", "%25");
        check("100%25", "100%25", "100%", "100%");
        check(
            "100%25&a=%25zz",
            "100%25&a=%25zz",
            "100%&a=%zz",
            "100%&a=%zz",
        );
        check("a%2520%2520b", "a%20%20b", "a%20%20b", "a  b");
        check("%25C3%25A4%C3%A4", "%C3%A4%C3%A4", "%C3%A4ä", "%C3%A4ä");
        check(
            "Mozilla/5.0%20(X11)",
            "Mozilla/5.0%20(X11)",
            "Mozilla/5.0 (X11)",
            "Mozilla/5.0 (X11)",
        );
        check("%", "%", "%", "%");
        check("%25", "%25", "%", "%");
    }

    #[test]
    fn times_since_1970_keep_their_fractions() {
        let check = |value: &str, expect: Option<&str>| {
            let found = unix_time("timestamp", value).ok();
            let found = found.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
            assert_eq!(found.as_deref(), expect, "{value}");
        };
        check("1576195696.123", Some("2019-12-13T00:08:16.123Z"));
        check("1576195696", Some("2019-12-13T00:08:16Z"));
        check("1576195696123", Some("2019-12-13T00:08:16.123Z"));
        check(
            "1576195696.1234567891",
            Some("2019-12-13T00:08:16.123456789Z"),
        );
        check("soon", None);
        check("1.-5", None);
        check("", None);
    }

    #[test]
    fn a_property_has_the_fields_name() {
        assert_eq!(property("cs(Cookie)"), "cs_cookie");
        assert_eq!(property("x-edge-location"), "x_edge_location");
    }
}
