//! The envelope: what the edge adds around the client's own JSON.
//!
//! `{"v":1,"id":…,"id_generated":…,"item":…,"retried":…,"replaced":…,"redacted":…,"sample_rate":…,`
//! `"received_at":…,"format":…,"source":…,"ip":…,"user_agent":…,"visitor":…,"request":…,"shared":…,`
//! `"click":…}`,
//! spliced around the click's bytes, which are never serialised again. A flag that is false and a
//! value that is `None` are left out. `click` is the last field.

use std::borrow::Cow;
use std::io::Write;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// One click with what only the edge knows, borrowed from the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The envelope's version; see [`VERSION`].
    pub v: u32,
    /// The event's id: the client's own text, or a UUIDv7 that the edge made.
    pub id: Cow<'a, str>,
    /// True if the edge made the id.
    pub id_generated: bool,
    /// Which item of an event that holds several this record is, from 0; `None` if the event is
    /// one record. Each item's record holds the whole event.
    pub item: Option<u32>,
    /// True if the client says that it sends this click again.
    pub retried: bool,
    /// True if what was not Unicode in the click or its user agent is U+FFFD here.
    pub replaced: bool,
    /// True if a policy of privacy took something out of the click.
    pub redacted: bool,
    /// The share of visitors whose clicks are kept, above 0 and below 1; `None` if all are.
    pub sample_rate: Option<f64>,
    /// When the edge had the click, in microseconds of UTC.
    pub received_at: i64,
    /// The wire format of the click: `native`, `pixel`, …
    pub format: Cow<'a, str>,
    /// Where it came in: `http`, `import:FILE`, …
    pub source: Cow<'a, str>,
    /// The client's address, already cut to what the privacy policy keeps.
    pub ip: Option<Cow<'a, str>>,
    /// The client's user agent.
    pub user_agent: Option<Cow<'a, str>>,
    /// The visitor whom the edge made of the address and a salt of the day; `None` if the click
    /// itself says whose it is, or nobody is to know.
    pub visitor: Option<Cow<'a, str>>,
    /// What the edge captured of the request, as a JSON object whose values are texts.
    pub request: Option<&'a str>,
    /// What the body said once for all its clicks, as a JSON object.
    pub shared: Option<&'a str>,
    /// The client's JSON, byte for byte, unless `replaced` or `redacted` say otherwise; for query
    /// strings and for mapped lines of a file, the JSON that the edge made of them.
    pub click: &'a str,
}

impl<'a> Envelope<'a> {
    /// The record's value.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut json = Vec::with_capacity(self.click.len() + 256);
        self.write(&mut json).expect("writing to memory");
        Bytes::from(json)
    }

    fn write(&self, json: &mut Vec<u8>) -> std::io::Result<()> {
        write!(json, r#"{{"v":{},"id":"#, self.v)?;
        serde_json::to_writer(&mut *json, &self.id)?;
        if self.id_generated {
            json.extend_from_slice(GENERATED.as_bytes());
        }
        if let Some(item) = self.item {
            write!(json, "{ITEM}{item}")?;
        }
        let flags = [
            (self.retried, RETRIED),
            (self.replaced, REPLACED),
            (self.redacted, REDACTED),
        ];
        for (_, name) in flags.into_iter().filter(|(is_set, _)| *is_set) {
            json.extend_from_slice(name.as_bytes());
        }
        if let Some(rate) = self.sample_rate {
            json.extend_from_slice(SAMPLE_RATE.as_bytes());
            serde_json::to_writer(&mut *json, &rate)?;
        }
        write!(json, r#","received_at":{}"#, self.received_at)?;
        let texts = [
            ("format", Some(&self.format)),
            ("source", Some(&self.source)),
            ("ip", self.ip.as_ref()),
            ("user_agent", self.user_agent.as_ref()),
            ("visitor", self.visitor.as_ref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                write!(json, r#","{name}":"#)?;
                serde_json::to_writer(&mut *json, text)?;
            }
        }
        for (name, object) in [(REQUEST, self.request), (SHARED, self.shared)] {
            if let Some(object) = object {
                json.extend_from_slice(name.as_bytes());
                json.extend_from_slice(object.as_bytes());
            }
        }
        json.extend_from_slice(CLICK.as_bytes());
        json.extend_from_slice(self.click.as_bytes());
        json.push(b'}');
        Ok(())
    }

    /// Reads a record's value; the error is serde's own sentence. If the value looks
    /// like one of [`Envelope::encode`], the click itself is not parsed: if it turns out not to be
    /// JSON, [`Envelope::parse`] decides.
    pub fn decode(value: &'a [u8]) -> Result<Self, serde_json::Error> {
        match std::str::from_utf8(value).ok().and_then(cut) {
            Some(envelope) => Ok(envelope),
            None => Self::parse(value),
        }
    }

    /// Reads any record's value, and checks all of its JSON.
    pub fn parse(value: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value).map(Wire::envelope)
    }
}

const GENERATED: &str = r#","id_generated":true"#;
const ITEM: &str = r#","item":"#;
const RETRIED: &str = r#","retried":true"#;
const REPLACED: &str = r#","replaced":true"#;
const REDACTED: &str = r#","redacted":true"#;
const SAMPLE_RATE: &str = r#","sample_rate":"#;
const REQUEST: &str = r#","request":"#;
const SHARED: &str = r#","shared":"#;
const CLICK: &str = r#","click":"#;

/// An envelope as [`Envelope::encode`] writes it, where no text needed an escape: cut at the
/// text between the fields. JSON is parsed once, and that is the click, later. A value with
/// `shared` is left to the parser: nothing but reading it shows where it ends.
fn cut(text: &str) -> Option<Envelope<'_>> {
    let (id, rest) = quoted(text.strip_prefix(r#"{"v":1,"id":"#)?)?;
    let (id_generated, rest) = flag(rest, GENERATED);
    let (item, rest) = number(rest, ITEM)?;
    let (retried, rest) = flag(rest, RETRIED);
    let (replaced, rest) = flag(rest, REPLACED);
    let (redacted, rest) = flag(rest, REDACTED);
    let (sample_rate, rest) = number(rest, SAMPLE_RATE)?;
    let rest = rest.strip_prefix(r#","received_at":"#)?;
    let (received_at, rest) = rest.split_at(rest.find(',')?);
    // JSON has neither a plus nor leading zeros; before 1970 nothing was received.
    let is_number = received_at.starts_with(|first| matches!(first, '1'..='9'));
    let (format, rest) = quoted(rest.strip_prefix(r#","format":"#)?)?;
    let (source, rest) = quoted(rest.strip_prefix(r#","source":"#)?)?;
    let (ip, rest) = optional(rest, r#","ip":"#)?;
    let (user_agent, rest) = optional(rest, r#","user_agent":"#)?;
    let (visitor, rest) = optional(rest, r#","visitor":"#)?;
    let (request, rest) = match rest.strip_prefix(REQUEST) {
        Some(rest) => flat_object(rest).map(|(object, rest)| (Some(object), rest))?,
        None => (None, rest),
    };
    let click = rest.strip_prefix(CLICK)?.strip_suffix('}')?;
    // Anything but an object is rare enough for the parser.
    let is_object = click.starts_with('{') && click.ends_with('}');
    if !is_number || !is_object {
        return None;
    }
    Some(Envelope {
        v: 1,
        id: id.into(),
        id_generated,
        item,
        retried,
        replaced,
        redacted,
        sample_rate,
        received_at: received_at.parse().ok()?,
        format: format.into(),
        source: source.into(),
        ip: ip.map(Cow::Borrowed),
        user_agent: user_agent.map(Cow::Borrowed),
        visitor: visitor.map(Cow::Borrowed),
        request,
        shared: None,
        click,
    })
}

/// A text in quotes, without any escape, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let ends = |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let (inner, rest) = text.split_at(text.bytes().position(ends)?);
    Some((inner, rest.strip_prefix('"')?))
}

/// Whether the text begins with this flag, and what follows it.
fn flag<'a>(text: &'a str, name: &str) -> (bool, &'a str) {
    match text.strip_prefix(name) {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// A number after an optional name, and what follows it. JSON has neither a plus nor leading
/// zeros.
fn number<'a, N: FromStr>(text: &'a str, name: &str) -> Option<(Option<N>, &'a str)> {
    let Some(rest) = text.strip_prefix(name) else {
        return Some((None, text));
    };
    let (digits, rest) = rest.split_at(rest.find(',')?);
    let is_plain = match digits.as_bytes() {
        [b'0'] | [b'0', b'.', ..] => true,
        [first, ..] => matches!(first, b'1'..=b'9'),
        [] => false,
    };
    is_plain.then_some((Some(digits.parse().ok()?), rest))
}

/// An object whose values are texts, none with an escape, and what follows it.
fn flat_object(text: &str) -> Option<(&str, &str)> {
    let mut rest = text.strip_prefix('{')?;
    loop {
        rest = quoted(rest)?.1.strip_prefix(':')?;
        rest = quoted(rest)?.1;
        if let Some(after) = rest.strip_prefix('}') {
            return Some((&text[..text.len() - after.len()], after));
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// A text in quotes after an optional name, and what follows it.
fn optional<'a>(text: &'a str, name: &str) -> Option<(Option<&'a str>, &'a str)> {
    let Some(rest) = text.strip_prefix(name) else {
        return Some((None, text));
    };
    let (inner, rest) = quoted(rest)?;
    Some((Some(inner), rest))
}

/// Any envelope, also of another program.
#[derive(Deserialize)]
struct Wire<'a> {
    v: u32,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default)]
    id_generated: bool,
    #[serde(default)]
    item: Option<u32>,
    #[serde(default)]
    retried: bool,
    #[serde(default)]
    replaced: bool,
    #[serde(default)]
    redacted: bool,
    #[serde(default)]
    sample_rate: Option<f64>,
    received_at: i64,
    #[serde(borrow)]
    format: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "borrowed")]
    ip: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "borrowed")]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "borrowed")]
    visitor: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
    #[serde(borrow, default)]
    shared: Option<&'a RawValue>,
    #[serde(borrow)]
    click: &'a RawValue,
}

impl<'a> Wire<'a> {
    fn envelope(self) -> Envelope<'a> {
        Envelope {
            v: self.v,
            id: self.id,
            id_generated: self.id_generated,
            item: self.item,
            retried: self.retried,
            replaced: self.replaced,
            redacted: self.redacted,
            sample_rate: self.sample_rate,
            received_at: self.received_at,
            format: self.format,
            source: self.source,
            ip: self.ip,
            user_agent: self.user_agent,
            visitor: self.visitor,
            request: self.request.map(RawValue::get),
            shared: self.shared.map(RawValue::get),
            click: self.click.get(),
        }
    }
}

/// A text that may be left out; serde by itself borrows no `Cow` within an `Option`.
fn borrowed<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'a>>::deserialize(deserializer)?.map(|Text(text)| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written, cut and parsed: the same; cut only where nothing is escaped.
    fn check(envelope: &Envelope<'_>, is_cut: bool) {
        let value = envelope.encode();
        let text = std::str::from_utf8(&value).unwrap();
        assert_eq!(cut(text).is_some(), is_cut, "{text}");
        assert_eq!(Envelope::decode(&value).unwrap(), *envelope, "{text}");
        assert_eq!(Envelope::parse(&value).unwrap(), *envelope, "{text}");
    }

    #[test]
    fn the_clients_json_is_kept_byte_for_byte() {
        let plain = Envelope {
            v: VERSION,
            id: "x".into(),
            id_generated: false,
            item: None,
            retried: false,
            replaced: false,
            redacted: false,
            sample_rate: None,
            received_at: 1,
            format: "native".into(),
            source: "http".into(),
            ip: None,
            user_agent: Some("ägent/1".into()),
            visitor: None,
            request: None,
            shared: None,
            click: r#"{ "a" : 1.50, "a":2,"ü":"\u0041" }"#,
        };
        check(&plain, true);
        let id = Cow::Borrowed("x\"y");
        check(
            &Envelope {
                id,
                ..plain.clone()
            },
            false,
        );
        let user_agent = Some("a\nb".into());
        check(
            &Envelope {
                user_agent,
                ..plain.clone()
            },
            false,
        );
        check(
            &Envelope {
                v: 2,
                ..plain.clone()
            },
            false,
        );
        let click = "[1]";
        let received_at = -1;
        check(
            &Envelope {
                click,
                ..plain.clone()
            },
            false,
        );
        check(
            &Envelope {
                received_at,
                ..plain.clone()
            },
            false,
        );
        let flagged = Envelope {
            replaced: true,
            ..plain.clone()
        };
        check(&flagged, true);
        let known = Envelope {
            id_generated: true,
            replaced: true,
            ip: Some("192.0.2.0".into()),
            user_agent: None,
            ..plain.clone()
        };
        check(&known, true);
        for (request, is_cut) in [
            (r#"{"host":"shop.example","sec-ch-ua-platform":""}"#, true),
            (r#"{"x":"a\"b"}"#, false),
            ("{}", false),
        ] {
            let full = Envelope {
                item: Some(0),
                retried: true,
                redacted: true,
                sample_rate: Some(0.0001),
                visitor: Some("00ffa0".into()),
                request: Some(request),
                ..known.clone()
            };
            check(&full, is_cut);
        }
        let shared = Envelope {
            item: Some(17),
            sample_rate: Some(0.5),
            shared: Some(r#"{"sentAt":"x","context":{"a":[1]}}"#),
            ..plain
        };
        check(&shared, false);
    }

    #[test]
    fn input_32_an_envelope_of_somebody_else_s() {
        let check = |text: &str, click: Option<&str>| {
            let read = Envelope::decode(text.as_bytes());
            assert_eq!(read.as_ref().ok().map(|read| read.click), click, "{text}");
        };
        let spaced = r#"{ "click": {}, "v": 1, "id": "a", "received_at": 1, "format": "native", "source": "s", "more": 1 }"#;
        check(spaced, Some("{}"));
        check(
            r#"{"v":1,"id":"a","received_at":1,"format":"native","click":{}}"#,
            None,
        );
        check(
            r#"{"v":1,"id":"a","received_at":1,"format":"native","source":"s"}"#,
            None,
        );
        check(
            r#"{"v":1,"id":"a","received_at":x,"format":"f","source":"s","click":{}}"#,
            None,
        );
        let ours = r#"{"v":1,"id":"a","received_at":1,"format":"f","source":"s","click""#;
        for end in [r#": {}}"#, r#":{} }"#, r#":{},"#, r#":"{}"}"#, r#":nul}"#] {
            let text = format!("{ours}{end}");
            assert_eq!(cut(&text), None, "{text}");
        }
        for at in ["+1", "01", "1.0", "1e3", ""] {
            let text = ours.replace(":1,\"format", &format!(":{at},\"format"));
            assert_eq!(cut(&format!("{text}:{{}}}}")), None, "{text}");
        }
        check("[]", None);
        check("", None);
    }
}
