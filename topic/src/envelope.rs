//! The envelope: what the edge adds around the client's own JSON.
//!
//! `{"v":1,"id":…,"received_at":…,"format":…,"source":…,"ip":…,"user_agent":…,"click":…}`,
//! spliced around the client's bytes, which are never serialised again.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// One click with what only the edge knows, borrowed from the record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The envelope's version; see [`VERSION`].
    pub v: u32,
    /// The event's id: the client's own text, or a UUIDv7 that the edge made.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// True where the edge made the id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub id_generated: bool,
    /// When the edge had the click, in microseconds of UTC.
    pub received_at: i64,
    /// Whose wire format the click is in: `native`, `pixel`, …
    #[serde(borrow)]
    pub format: Cow<'a, str>,
    /// Where it came in: `http`, `import:FILE`, …
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// The client's address, already cut to what the privacy policy keeps.
    #[serde(
        borrow,
        default,
        deserialize_with = "borrowed",
        skip_serializing_if = "Option::is_none"
    )]
    pub ip: Option<Cow<'a, str>>,
    /// The client's user agent.
    #[serde(
        borrow,
        default,
        deserialize_with = "borrowed",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_agent: Option<Cow<'a, str>>,
    /// The client's JSON, byte for byte.
    #[serde(borrow)]
    pub click: &'a RawValue,
}

/// A text that may be left out; serde by itself borrows no `Cow` within an `Option`.
fn borrowed<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'a>>::deserialize(deserializer)?.map(|Text(text)| text))
}

impl<'a> Envelope<'a> {
    /// The record's value. Serialising cannot fail: every part is text, a number
    /// or JSON that was checked.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut buffer = Vec::with_capacity(self.click.get().len() + 256);
        serde_json::to_writer(&mut buffer, self).expect("an envelope of text and checked JSON");
        Bytes::from(buffer)
    }

    /// Reads a record's value; the error is serde's own sentence.
    pub fn decode(value: &'a [u8]) -> Result<Self, serde_json::Error> {
        match std::str::from_utf8(value) {
            // Text that was checked once is not checked again, part by part.
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_json_is_kept_byte_for_byte() {
        let json = r#"{ "a" : 1.50, "a":2,"ü":"\u0041" }"#;
        let click: &RawValue = serde_json::from_str(json).unwrap();
        let envelope = Envelope {
            v: VERSION,
            id: "x\"y".into(),
            id_generated: false,
            received_at: 1,
            format: "native".into(),
            source: "http".into(),
            ip: None,
            user_agent: Some("agent".into()),
            click,
        };
        let value = envelope.encode();
        let read = Envelope::decode(&value).unwrap();
        assert_eq!(read.click.get(), json);
        assert_eq!(read.id, "x\"y");
        assert!(!read.id_generated);
    }
}
