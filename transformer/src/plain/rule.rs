//! How a plain record becomes an envelope: which field is its id, and whose click it is.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use topic::{Envelope, Identity, Partition, Record, RecordFormat, RecordHeader};

/// The word for a record's key in place of a field.
const KEY: &str = "key";
/// The fields of a native click.
const ID: &str = "id";
const VISITOR: &str = "visitor_id";
/// What keeps the headers, or the other if the record has a field of that name.
const HEADERS: [&str; 2] = ["headers", "record_headers"];

/// Which part of a plain record says what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRule {
    id: RecordPart,
    visitor: RecordPart,
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RecordPart {
    Key,
    Field(String),
}

impl RecordPart {
    fn of(said: &str, native: &str) -> Self {
        match said {
            KEY => Self::Key,
            "" => Self::Field(native.to_owned()),
            field => Self::Field(field.to_owned()),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Key => None,
            Self::Field(name) => Some(name),
        }
    }

    /// The part's text; `None` if it is absent.
    fn text<'r>(&self, record: &'r Record, field: Option<&'r RawValue>) -> Option<Cow<'r, str>> {
        match self {
            Self::Key => record.key.as_deref().map(text),
            Self::Field(_) => field.and_then(scalar),
        }
        .filter(|text| !text.trim().is_empty())
    }
}

/// What a record's object has.
struct PlainFields<'r> {
    id: Option<&'r RawValue>,
    visitor: Option<&'r RawValue>,
    has_headers: bool,
}

impl PlainRule {
    /// The rule of a configuration; `None` if the records are envelopes.
    #[must_use]
    pub fn of(config: &topic::Config) -> Option<Self> {
        (config.format == RecordFormat::Json).then(|| Self {
            id: RecordPart::of(&config.json_id, ID),
            visitor: RecordPart::of(&config.json_visitor, VISITOR),
        })
    }

    /// Returns the record with an envelope around its value. One whose value is no object stays as
    /// it is, and becomes a dead letter.
    pub(super) fn enveloped(
        &self,
        identity: &Identity,
        partition: Partition,
        record: Record,
    ) -> Record {
        let value = self.envelope(identity, partition, &record);
        Record {
            value: value.or(record.value),
            ..record
        }
    }

    fn envelope(
        &self,
        identity: &Identity,
        partition: Partition,
        record: &Record,
    ) -> Option<Bytes> {
        let value = record.value.as_deref()?;
        let text = String::from_utf8_lossy(value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value));
        let json = text.trim();
        let fields = self.fields(json)?;
        let id = self.id.text(record, fields.id);
        let visitor = self.visitor.text(record, fields.visitor);
        let click = self.click(json, record, &fields, visitor.as_deref());
        let id_generated = id.is_none();
        let id = id.unwrap_or_else(|| generated(identity, partition, record).into());
        let envelope = Envelope {
            v: topic::envelope::VERSION,
            id,
            id_generated,
            item: None,
            retried: false,
            replaced: matches!(text, Cow::Owned(_)),
            redacted: false,
            sample_rate: None,
            received_at: record.appended_at.micros(),
            format: "native".into(),
            source: "topic".into(),
            ip: None,
            user_agent: None,
            visitor: None,
            request: None,
            shared: None,
            click: &click,
        };
        Some(envelope.encode())
    }

    /// Reads the fields that matter here; `None` if the text is no object.
    fn fields<'r>(&self, json: &'r str) -> Option<PlainFields<'r>> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let fields = FieldSeed(self).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(fields)
    }

    /// The click: the record's object, with what its key and its headers add.
    fn click<'r>(
        &self,
        json: &'r str,
        record: &Record,
        fields: &PlainFields<'_>,
        visitor: Option<&str>,
    ) -> Cow<'r, str> {
        let mut added = Vec::new();
        if let Some(visitor) = visitor.filter(|_| self.visitor.field() != Some(VISITOR)) {
            added.push((VISITOR, serde_json::Value::from(visitor)));
        }
        if !record.headers.is_empty() {
            let name = HEADERS[usize::from(fields.has_headers)];
            added.push((name, headers(&record.headers)));
        }
        if added.is_empty() {
            return Cow::Borrowed(json);
        }
        let mut click = json.strip_suffix('}').unwrap_or(json).trim_end().to_owned();
        for (name, value) in added {
            if !click.ends_with('{') {
                click.push(',');
            }
            click.push_str(&format!("\"{name}\":{value}"));
        }
        click.push('}');
        Cow::Owned(click)
    }
}

/// Reads an object's fields by a rule.
struct FieldSeed<'s>(&'s PlainRule);

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = PlainFields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = PlainFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = PlainFields {
            id: None,
            visitor: None,
            has_headers: false,
        };
        while let Some(name) = map.next_key::<String>()? {
            fields.has_headers |= name == HEADERS[0];
            let (is_id, is_visitor) = (
                self.0.id.field() == Some(&name),
                self.0.visitor.field() == Some(&name),
            );
            if !is_id && !is_visitor {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = map.next_value().map_err(A::Error::custom)?;
            // Of equal names the last counts, as everywhere in a click.
            if is_id {
                fields.id = Some(value);
            }
            if is_visitor {
                fields.visitor = Some(value);
            }
        }
        Ok(fields)
    }
}

/// The id of a record that has none: the same whenever it is read.
fn generated(identity: &Identity, partition: Partition, record: &Record) -> String {
    let digest: [u8; 32] =
        Sha256::digest(format!("{identity} {partition} {}", record.offset)).into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid().to_string()
}

/// All headers as an object. A name that comes several times has a list.
fn headers(headers: &[RecordHeader]) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for header in headers {
        let value = header.value.as_deref().map(text);
        let value = value.map_or(serde_json::Value::Null, |text| text.into_owned().into());
        match object.get_mut(&header.name) {
            None => {
                object.insert(header.name.clone(), value);
            }
            Some(serde_json::Value::Array(values)) => values.push(value),
            Some(first) => *first = serde_json::Value::Array(vec![first.take(), value]),
        }
    }
    object.into()
}

/// Bytes as text: UTF-8 as it is, others in base64.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(STANDARD.encode(bytes)),
    }
}

/// A value as text: a string's content, anything else as it is written; `None` for null.
fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    let written = value.get();
    match written.as_bytes().first() {
        Some(b'"') => Some(Cow::Owned(serde_json::from_str(written).ok()?)),
        _ if written == "null" => None,
        _ => Some(Cow::Borrowed(written)),
    }
}

#[cfg(test)]
mod tests {
    use topic::{Offset, Timestamp};

    use super::*;
    use crate::{Enrichment, transform};

    fn record(value: &str, key: Option<&str>, headers: &[(&str, Option<&[u8]>)]) -> Record {
        let header = |(name, value): &(&str, Option<&[u8]>)| RecordHeader {
            name: (*name).to_owned(),
            value: value.map(Bytes::copy_from_slice),
        };
        Record {
            offset: Offset(17),
            appended_at: Timestamp::from_millis(1_795_000_000_123),
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: headers.iter().map(header).collect(),
        }
    }

    fn read(id: &str, visitor: &str, record: Record) -> Record {
        let rule = PlainRule {
            id: RecordPart::of(id, ID),
            visitor: RecordPart::of(visitor, VISITOR),
        };
        let identity = Identity {
            cluster: "c".into(),
            topic: "t".into(),
        };
        rule.enveloped(&identity, Partition(3), record)
    }

    /// The id, whether it was generated, and the click.
    fn check(rule: (&str, &str), from: Record, expect: (&str, bool, &str)) {
        let made = read(rule.0, rule.1, from);
        let value = made.value.unwrap();
        let envelope = Envelope::decode(&value).unwrap();
        let found = (&*envelope.id, envelope.id_generated, envelope.click);
        assert_eq!(found, expect);
        assert_eq!(envelope.received_at, 1_795_000_000_123_000);
    }

    #[test]
    fn ids_and_visitors_are_fields_or_the_key() {
        let native = r#"{"id":"a","visitor_id":"v","action":"view"}"#;
        check(("", ""), record(native, None, &[]), ("a", false, native));
        check(
            ("event", "customer"),
            record(r#" {"event":17,"customer":{"a":1}} "#, None, &[]),
            (
                "17",
                false,
                r#"{"event":17,"customer":{"a":1},"visitor_id":"{\"a\":1}"}"#,
            ),
        );
        check(
            ("key", "key"),
            record("{ }", Some("k"), &[]),
            ("k", false, r#"{"visitor_id":"k"}"#),
        );
        check(
            ("", "key"),
            record(r#"{"id":"x\u00e9"}"#, None, &[]),
            ("xé", false, r#"{"id":"x\u00e9"}"#),
        );
        for (id, value) in [
            ("", "{}"),
            ("", r#"{"id":null}"#),
            ("", r#"{"id":" "}"#),
            ("key", "{}"),
        ] {
            let made = read(id, "", record(value, None, &[])).value.unwrap();
            let envelope = Envelope::decode(&made).unwrap();
            assert!(envelope.id_generated);
            assert_eq!(envelope.id.len(), 36);
            let again = read(id, "", record(value, None, &[])).value.unwrap();
            assert_eq!(made, again);
        }
    }

    #[test]
    fn headers_are_kept_beside_the_fields() {
        let headers: &[(&str, Option<&[u8]>)] = &[
            ("trace", Some(b"abc")),
            ("raw", Some(b"\xff\x00")),
            ("none", None),
            ("trace", Some("ü".as_bytes())),
        ];
        let kept = r#"{"none":null,"raw":"/wA=","trace":["abc","ü"]}"#;
        check(
            ("", ""),
            record(r#"{"id":"a"}"#, None, headers),
            ("a", false, &format!(r#"{{"id":"a","headers":{kept}}}"#)),
        );
        check(
            ("", ""),
            record(r#"{"id":"a","headers":1}"#, None, headers),
            (
                "a",
                false,
                &format!(r#"{{"id":"a","headers":1,"record_headers":{kept}}}"#),
            ),
        );
        let made = read("", "", record(r#"{"id":"a","price":"9.5"}"#, None, headers));
        let row = transform(Partition(3), &made, &Enrichment::default()).unwrap();
        assert_eq!((&*row.event_id, row.price), ("a", Some(9.5)));
        let properties = row.properties.unwrap();
        assert!(
            properties.contains(&format!(r#""headers":{kept}"#)),
            "{properties}"
        );
    }

    #[test]
    fn what_is_no_object_stays_and_is_a_dead_letter_that_says_so() {
        for value in ["[1]", "7", "null", "text", "", r#"{"a":1"#, "{} {}"] {
            let made = read("", "", record(value, Some("k"), &[]));
            assert_eq!(made.value.as_deref(), Some(value.as_bytes()));
            let defect = transform(Partition(3), &made, &Enrichment::default()).unwrap_err();
            assert!(defect.detail.contains("not a JSON object"), "{defect:?}");
            assert!(!defect.detail.contains("topic.format"), "{defect:?}");
        }
        // A record that nothing reads as plain says how it could be.
        let plain = record(r#"{"id":"a"}"#, None, &[]);
        let defect = transform(Partition(3), &plain, &Enrichment::default()).unwrap_err();
        assert!(
            defect.detail.contains("topic.format = \"json\""),
            "{defect:?}"
        );
    }

    #[test]
    fn b54_half_a_character_of_a_plain_record_is_replaced_and_flagged() {
        let mut broken = record("", None, &[]);
        broken.value = Some(Bytes::from_static(b"\xef\xbb\xbf{\"id\":\"a\xff\"}"));
        let made = read("", "", broken).value.unwrap();
        let envelope = Envelope::decode(&made).unwrap();
        assert_eq!((&*envelope.id, envelope.replaced), ("a\u{fffd}", true));
    }
}
