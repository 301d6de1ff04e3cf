//! A decoder that shares nothing with the one that made the rows: a record's value read with
//! serde_json alone, and the id by the rule's own words.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a record's value says.
pub(super) struct Decoded {
    /// The event's id, in the 16 bytes that stand for it.
    pub(super) id: [u8; 16],
    /// What tells its row from all others: the id, and after the first item a hash of both.
    pub(super) identity: [u8; 16],
    /// True if it can be a row: its version is known, its click is a JSON object, and its id is no
    /// longer than an id may be.
    pub(super) is_click: bool,
}

/// The fields that an envelope has, also those that are not used here: a value that
/// lacks one, or holds something else there, is no envelope.
#[derive(Deserialize)]
struct Outer {
    v: u32,
    id: String,
    #[serde(default, rename = "id_generated")]
    _id_generated: bool,
    #[serde(default)]
    item: Option<u32>,
    #[serde(default, rename = "retried")]
    _retried: bool,
    #[serde(default, rename = "replaced")]
    _replaced: bool,
    #[serde(default, rename = "redacted")]
    _redacted: bool,
    #[serde(default, rename = "sample_rate")]
    _sample_rate: Option<f64>,
    #[serde(rename = "received_at")]
    _received_at: i64,
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(default, rename = "ip")]
    _ip: Option<String>,
    #[serde(default, rename = "user_agent")]
    _user_agent: Option<String>,
    click: Box<RawValue>,
}

/// Reads a value; `None` if it is no envelope, so that it has no id.
pub(super) fn decode(value: Option<&[u8]>) -> Option<Decoded> {
    let outer: Outer = serde_json::from_slice(value?).ok()?;
    // It is well-formed, since the envelope is; its values may be beyond serde's numbers, as 1e999.
    let is_object = outer.click.get().starts_with('{');
    let is_short = outer.id.len() <= 200;
    let id = id(&outer.id);
    Some(Decoded {
        id,
        identity: identity(id, outer.item),
        is_click: outer.v <= topic::envelope::VERSION && is_object && is_short,
    })
}

/// A UUID as it is, if it is written with its four dashes and nothing else; any other text as the
/// first 16 bytes of its SHA-256.
fn id(text: &str) -> [u8; 16] {
    let has_dashes =
        text.matches('-').count() == 4 && text.starts_with(|c: char| c.is_ascii_hexdigit());
    if let Ok(uuid) = Uuid::parse_str(text)
        && has_dashes
    {
        return *uuid.as_bytes();
    }
    let digest = Sha256::new_with_prefix(text.as_bytes()).finalize();
    std::array::from_fn(|place| digest[place])
}

/// The id, or for the second and later items the first 16 bytes of the SHA-256 of the id and the
/// item's number in eight bytes.
fn identity(id: [u8; 16], item: Option<u32>) -> [u8; 16] {
    match item {
        None | Some(0) => id,
        Some(item) => {
            let number = u64::from(item).to_be_bytes();
            let digest = Sha256::digest([&id[..], &number[..]].concat());
            std::array::from_fn(|place| digest[place])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_clicks_are_told_as_the_rows_are_made() {
        let check = |text: &str, expect: Option<bool>| {
            let decoded = decode(Some(text.as_bytes()));
            assert_eq!(decoded.as_ref().map(|read| read.is_click), expect, "{text}");
            if let Some(read) = decoded {
                assert_eq!(read.id, topic::id_key("tea"), "{text}");
            }
        };
        let envelope = |v: u32, click: &str| {
            format!(
                r#"{{"v":{v},"id":"tea","received_at":1,"format":"native","source":"s","click":{click}}}"#
            )
        };
        check(&envelope(1, r#"{"action":"view"}"#), Some(true));
        check(
            &envelope(1, r#"{"x":1e999,"y":12345678901234567890123}"#),
            Some(true),
        );
        check(&envelope(1, "[1]"), Some(false));
        check(&envelope(2, "{}"), Some(false));
        check(&envelope(1, "{"), None);
        check(r#"{"v":1,"id":"tea"}"#, None);
        check("", None);
        assert!(decode(None).is_none());
        let uuid = "0190ad12-0000-7000-8000-00000000000A";
        for text in [
            uuid,
            &uuid.replace('-', ""),
            &format!("{{{uuid}}}"),
            &format!("urn:uuid:{uuid}"),
            "a-b-c-d-e",
            "🦀",
            "",
        ] {
            assert_eq!(id(text), topic::id_key(text), "{text}");
        }
        for item in [None, Some(0), Some(1), Some(70_000)] {
            let expect = sink::row_identity(id(uuid), item.map(i64::from));
            assert_eq!(identity(id(uuid), item), expect, "{item:?}");
        }
    }
}
