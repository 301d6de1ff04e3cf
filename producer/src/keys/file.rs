//! The file of keys: TOML that can be copied to every edge.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::ring::{AwsKey, KeyRing, SourceKey};
use crate::hex::bytes_of;
use crate::http::origin::OriginList;
use crate::rate::{RequestRate, SourceRate};
use crate::sample::{ClickShare, SampleKey};

/// The prefix of a key's hash.
const HASH_PREFIX: &str = "sha256:";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default, rename = "key")]
    keys: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    #[serde(default)]
    hashes: Vec<String>,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default)]
    formats: Vec<String>,
    #[serde(default)]
    aws: Vec<AwsEntry>,
    share: Option<f64>,
    by: Option<SampleKey>,
    orders: Option<bool>,
    rate: Option<RequestRate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsEntry {
    id: String,
    secret: String,
}

/// Reads the text of a file of keys. The error says what is wrong with it, and never repeats a
/// secret.
pub(super) fn read(path: &Path, text: &str) -> Result<KeyRing, String> {
    parse(text).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(text: &str) -> Result<KeyRing, String> {
    // The message alone: the error's own text shows the line, which may hold a secret.
    let file: KeyFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        format!("line {line}: {}", error.message())
    })?;
    if file.keys.is_empty() {
        return Err("it holds no [[key]]; leave producer.keys empty for an open edge".into());
    }
    let mut names = HashSet::new();
    let mut keys = Vec::new();
    for entry in file.keys {
        let name = entry.name.clone();
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(format!(
                "the name {name:?} is not made of letters, digits, - and _"
            ));
        }
        if !names.insert(name.clone()) {
            return Err(format!("two keys have the name {name:?}"));
        }
        let key = key(entry).map_err(|why| format!("key {name:?}: {why}"))?;
        keys.push(key);
    }
    Ok(KeyRing::new(keys))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn key(entry: KeyEntry) -> Result<SourceKey, String> {
    if entry.hashes.is_empty() && entry.aws.is_empty() {
        return Err(
            "it has neither hashes nor aws; `clickweir key` makes a key and its hash".into(),
        );
    }
    if let Some(unknown) = entry.formats.iter().find(|format| !is_format(format)) {
        let known = FORMATS.join(", ");
        return Err(format!("{unknown:?} is not a format; those are {known}"));
    }
    let hashes = entry.hashes.iter().map(|hash| {
        let digits = hash.strip_prefix(HASH_PREFIX).and_then(bytes_of);
        let digest = digits.and_then(|bytes| bytes.try_into().ok());
        digest.ok_or_else(|| {
            format!("a hash is {HASH_PREFIX} and 64 hexadecimal digits; `clickweir key` makes one")
        })
    });
    let share = match (entry.share, entry.by, entry.orders) {
        (Some(share), by, orders) => {
            let by = by.unwrap_or(SampleKey::Visitor);
            Some(ClickShare::new(share, by, orders.unwrap_or(false))?)
        }
        (None, None, None) => None,
        (None, ..) => {
            return Err("by and orders are of a share; add share, or take them out".into());
        }
    };
    let rate = entry.rate.map(SourceRate::new).transpose()?;
    Ok(SourceKey {
        share,
        rate: rate.map(Arc::new),
        hashes: hashes.collect::<Result<_, _>>()?,
        aws: entry
            .aws
            .into_iter()
            .map(|AwsEntry { id, secret }| AwsKey { id, secret })
            .collect(),
        name: entry.name,
        origins: OriginList::of(&entry.origins),
        formats: entry.formats,
    })
}

/// The wire formats that a key may be limited to.
pub(crate) const FORMATS: [&str; 10] = [
    "native",
    "pixel",
    "segment",
    "snowplow",
    "posthog",
    "ga4",
    "gtag",
    "matomo",
    "cloudevents",
    "kinesis",
];

fn is_format(name: &str) -> bool {
    FORMATS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    #[test]
    fn a_file_of_keys_is_read_and_what_is_wrong_is_said() {
        let check = |text: &str, expect: Result<usize, &str>| {
            let read = parse(text).map(|ring| ring.len());
            match (read, expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{text}"),
                (Err(why), Err(expect)) => assert!(why.contains(expect), "{text}: {why}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        };
        let one = format!("[[key]]\nname = \"a\"\nhashes = [\"{HASH}\"]\n");
        check(&one, Ok(1));
        check(
            &format!("{one}formats = [\"native\"]\norigins = [\"https://a\"]"),
            Ok(1),
        );
        check(
            "[[key]]\nname = \"a\"\naws = [{ id = \"i\", secret = \"s\" }]",
            Ok(1),
        );
        check(
            &format!("{one}share = 0.1\nby = \"address\"\norders = true"),
            Ok(1),
        );
        check(&format!("{one}share = 0"), Err("share is 0, which is out"));
        check(&format!("{one}orders = true"), Err("add share"));
        check(
            &format!("{one}rate = {{ requests = 5, per = \"1s\" }}"),
            Ok(1),
        );
        check(
            &format!("{one}rate = {{ requests = 5, per = \"1us\" }}"),
            Err("key \"a\": rate is 5 requests per 1us, which is out of bounds"),
        );
        check("", Err("holds no [[key]]"));
        check("[[key]]\nname = \"a\"", Err("neither hashes nor aws"));
        check(&format!("{one}{one}"), Err("two keys have the name"));
        check(&one.replace("\"a\"", "\"a b\""), Err("letters, digits"));
        check(
            &format!("{one}formats = [\"x\"]"),
            Err("\"x\" is not a format"),
        );
        check(
            &format!("{one}colour = 1"),
            Err("line 4: unknown field `colour`"),
        );
        check(
            "[[key]]\nname = \"a\"\nhashes = [\"secret\"]",
            Err("`clickweir key`"),
        );
        check("[[key]]\nname = \"a\"\nhashes = \"secret\"", Err("line 3"));
    }

    #[test]
    fn input_18_no_error_repeats_what_may_be_a_secret() {
        for text in [
            "[[key]]\nname = \"a\"\nhashes = [\"hunter2\"]",
            "[[key]]\nname = \"a\"\nhunter2 hunter2",
            "[[key]]\nname = \"a\"\naws = [{ id = \"i\", secret = hunter2 }]",
        ] {
            let why = parse(text).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
