//! What a line of an access log says, and the click that it becomes.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, percent_encode};
use serde_json::value::RawValue;

use super::super::batch::LineClick;
use super::super::map::json::{push_name, push_quoted};
use super::hit;
use crate::address::{self, IpPolicy};

/// The action of a request that carries no click.
const ACTION: &str = "request";
/// The time of a request as Apache writes it.
const CLF_TIME: &str = "%d/%b/%Y:%H:%M:%S %z";
/// The bytes that an address keeps as they are.
const KEPT: &AsciiSet = &AsciiSet::EMPTY;

/// What a line says.
#[derive(Debug, Default)]
pub(super) struct LogEntry {
    pub(super) time: Option<DateTime<Utc>>,
    /// The client's address as the log writes it, or its host's name.
    pub(super) client: Option<String>,
    pub(super) user: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) country: Option<String>,
    pub(super) referrer: Option<String>,
    pub(super) method: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) scheme: Option<String>,
    pub(super) host: Option<String>,
    /// What was asked for: a path with its query, or a whole address.
    pub(super) target: Option<String>,
    /// The addresses that a proxy added.
    pub(super) forwarded: Option<String>,
    /// The other fields, with their values as JSON.
    properties: Vec<(String, String)>,
}

impl LogEntry {
    /// A line of which only the time is known yet.
    pub(super) fn at(time: DateTime<Utc>) -> Self {
        Self {
            time: Some(time),
            ..Self::default()
        }
    }

    /// Keeps a text as a property, if it is there.
    pub(super) fn put(&mut self, name: &str, text: Option<String>) {
        if let Some(text) = text {
            let mut json = String::new();
            push_quoted(&mut json, &text);
            self.properties.push((name.to_owned(), json));
        }
    }

    /// Keeps a number as a property; what is none stays a text.
    pub(super) fn put_number(&mut self, name: &str, text: Option<String>) {
        match text {
            Some(text) if is_number(&text) => self.properties.push((name.to_owned(), text)),
            text => self.put(name, text),
        }
    }

    /// Reads a status, which each request has.
    pub(super) fn set_status(&mut self, text: Option<String>) -> Result<(), String> {
        let Some(text) = text else {
            return Ok(());
        };
        let status = (text.len() == 3).then(|| text.parse().ok()).flatten();
        self.status = Some(status.ok_or_else(|| format!("{text:?} is no status of HTTP"))?);
        Ok(())
    }

    /// Reads `GET /path?query HTTP/1.1`. What is no request of HTTP is kept as it was sent.
    pub(super) fn set_request(&mut self, raw: &[u8]) {
        let text = url_text(raw);
        if text.bytes().all(|byte| matches!(byte, b'-' | b' ')) {
            return;
        }
        let is_method = |word: &str| {
            let letter = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
            !word.is_empty() && word != "-" && word.bytes().all(letter)
        };
        let Some((method, rest)) = text.split_once(' ').filter(|(word, _)| is_method(word)) else {
            return self.put("request", Some(text));
        };
        let versioned = rest
            .rsplit_once(' ')
            .filter(|(_, version)| version.starts_with("HTTP/"));
        let (target, version) = match versioned {
            Some((target, version)) => (target, Some(version.to_owned())),
            None => (rest, None),
        };
        self.method = Some(method.to_owned());
        self.put("protocol", version);
        self.set_target(target.trim());
    }

    fn set_target(&mut self, target: &str) {
        match target.starts_with('/') || target.contains("://") {
            true => self.target = Some(target.to_owned()),
            // As of CONNECT, and of OPTIONS.
            false => self.put("target", present(target).map(str::to_owned)),
        }
    }

    /// The whole address, as far as the log knows it.
    fn url(&self) -> Option<String> {
        let target = self.target.as_deref()?;
        if let Some((scheme, rest)) = target
            .split_once("://")
            .filter(|_| !target.starts_with('/'))
        {
            let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            return Some(format!("{scheme}://{}{path}", without_port(scheme, host)));
        }
        let (Some(scheme), Some(host)) = (self.scheme.as_deref(), self.host.as_deref()) else {
            return Some(target.to_owned());
        };
        Some(format!("{scheme}://{}{target}", without_port(scheme, host)))
    }

    /// Makes the click: the one that the request carried, or the request itself.
    pub(super) fn click(mut self, ip: IpPolicy) -> Result<LineClick, String> {
        let url = self.url();
        let address = self.client.as_deref().and_then(address::parse);
        if address.is_none() && ip == IpPolicy::Full {
            let host = self.client.take();
            self.put("client", host);
        }
        let forwarded = self.forwarded.take().map(|hops| kept_hops(&hops, ip));
        self.put("forwarded_for", forwarded.filter(|hops| !hops.is_empty()));
        let time = self
            .time
            .map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let carried = match hit::query(self.method.as_deref(), self.status, url.as_deref()) {
            Some(query) => Some(hit::carried(
                query,
                time.as_deref(),
                self.referrer.as_deref(),
            )?),
            None => None,
        };
        let (json, visitor) = match carried {
            Some(carried) => carried,
            None => (self.request_json(time.as_deref(), url.as_deref()), None),
        };
        let replaced = json.contains(char::REPLACEMENT_CHARACTER);
        Ok(LineClick {
            items: 0,
            json: RawValue::from_string(json).map_err(|error| error.to_string())?,
            visitor,
            address,
            user_agent: self.user_agent,
            replaced,
            redacted: false,
            misfits: Vec::new(),
        })
    }

    fn request_json(&self, time: Option<&str>, url: Option<&str>) -> String {
        let fields = [
            ("action", Some(ACTION)),
            ("occurred_at", time),
            ("user_id", self.user.as_deref()),
            ("url", url),
            ("referrer", self.referrer.as_deref()),
            ("country", self.country.as_deref()),
        ];
        let mut json = String::from("{");
        for (name, text) in fields {
            if let Some(text) = text {
                push_name(&mut json, name);
                push_quoted(&mut json, text);
            }
        }
        let mut properties = String::from("{");
        if let Some(method) = &self.method {
            push_name(&mut properties, "method");
            push_quoted(&mut properties, method);
        }
        if let Some(status) = self.status {
            push_name(&mut properties, "status");
            properties.push_str(&status.to_string());
        }
        for (name, value) in &self.properties {
            push_name(&mut properties, name);
            properties.push_str(value);
        }
        if properties.len() > 1 {
            properties.push('}');
            push_name(&mut json, "properties");
            json.push_str(&properties);
        }
        json.push('}');
        json
    }
}

/// A field's text; `None` if the log says that there is none.
pub(super) fn present(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "-").then_some(text)
}

/// The same of an owned text.
pub(super) fn present_owned(text: Option<String>) -> Option<String> {
    text.filter(|text| present(text).is_some())
}

/// Reads a time as Apache writes it.
pub(super) fn clf_time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::<FixedOffset>::parse_from_str(text, CLF_TIME);
    // As nginx's $time_iso8601.
    let time = time.or_else(|_| DateTime::parse_from_rfc3339(text));
    time.map(|time| time.to_utc())
        .map_err(|_| "the time is not written as 17/May/2015:10:05:03 +0000".into())
}

/// Bytes of an address as text. What is not UTF-8 is encoded, as a browser would send it.
pub(super) fn url_text(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => percent_encode(raw, KEPT).to_string(),
    }
}

/// The host without the port that its scheme has anyway.
fn without_port<'h>(scheme: &str, host: &'h str) -> &'h str {
    let port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => return host,
    };
    host.strip_suffix(port).unwrap_or(host)
}

/// What the policy keeps of a list of addresses.
fn kept_hops(hops: &str, ip: IpPolicy) -> String {
    let kept = hops.split(',').filter_map(|hop| {
        let hop = hop.trim();
        match address::parse(hop) {
            Some(address) => address::anonymize(address, ip),
            None => (ip == IpPolicy::Full && !hop.is_empty()).then(|| hop.to_owned()),
        }
    });
    kept.collect::<Vec<_>>().join(", ")
}

/// Returns true if the text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_apart_and_what_is_none_is_kept() {
        let check = |raw: &[u8], method: Option<&str>, url: Option<&str>, properties: &str| {
            let mut entry = LogEntry::default();
            entry.set_request(raw);
            assert_eq!(entry.method.as_deref(), method);
            assert_eq!(entry.url().as_deref(), url);
            entry.method = None;
            let json = entry.request_json(None, None);
            assert_eq!(json, format!("{{\"action\":\"request\"{properties}}}"));
        };
        let version = ",\"properties\":{\"protocol\":\"HTTP/1.1\"}";
        check(b"GET /a?b=c HTTP/1.1", Some("GET"), Some("/a?b=c"), version);
        check(b"GET /a b HTTP/1.1", Some("GET"), Some("/a b"), version);
        check(b"GET /", Some("GET"), Some("/"), "");
        check(
            b"GET https://shop.example:443/a HTTP/1.1",
            Some("GET"),
            Some("https://shop.example/a"),
            version,
        );
        check(
            b"GET /r?to=https://x.example:443/ HTTP/1.1",
            Some("GET"),
            Some("/r?to=https://x.example:443/"),
            version,
        );
        check(b"GET /\xe4 HTTP/1.1", Some("GET"), Some("/%E4"), version);
        check(b"-", None, None, "");
        check(b"- - -", None, None, "");
        check(
            b"OPTIONS * HTTP/1.1",
            Some("OPTIONS"),
            None,
            ",\"properties\":{\"protocol\":\"HTTP/1.1\",\"target\":\"*\"}",
        );
        check(
            b"\x16\x03\x01",
            None,
            None,
            ",\"properties\":{\"request\":\"\\u0016\\u0003\\u0001\"}",
        );
    }

    #[test]
    fn input_31_addresses_in_any_field_obey_the_policy() {
        let check = |ip: IpPolicy, expect: &str| {
            assert_eq!(
                kept_hops("203.0.113.9, unknown,2001:db8:1:2::3", ip),
                expect
            );
        };
        check(IpPolicy::Truncate, "203.0.113.0, 2001:db8:1::");
        check(IpPolicy::Full, "203.0.113.9, unknown, 2001:db8:1:2::3");
        check(IpPolicy::None, "");
    }
}
