//! A text and what it says once it is decoded: by the escapes of JSON, and by percent-encoding, some
//! layers deep. What is found in a layer is a range of the text itself.

use std::ops::Range;

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use super::addresses::{self, Layer};
use super::names::SecretNames;
use super::suspicion::{hex, is_suspect};

/// How many layers are taken off: an address within an address within another, in JSON in a text.
const MAX_LAYERS: usize = 4;

/// A text that was decoded.
struct DecodedLayer {
    bytes: Vec<u8>,
    /// How often each of them was percent-decoded.
    levels: Vec<u8>,
    /// Where each of the bytes begins in the text that was decoded, and the end of that.
    starts: Vec<usize>,
}

/// Adds the ranges of a text that have to go.
pub(super) fn find(text: &[u8], names: &SecretNames, found: &mut Vec<Range<usize>>) {
    find_below(plain(text), names, MAX_LAYERS, found);
}

/// A text of which nothing was percent-decoded.
fn plain(bytes: &[u8]) -> Layer<'_> {
    Layer { bytes, levels: &[] }
}

/// Adds the ranges of the strings of JSON that have to go.
pub(super) fn find_in_json(json: &[u8], names: &SecretNames, found: &mut Vec<Range<usize>>) {
    find_in_strings(json, names, MAX_LAYERS, found);
}

fn find_in_strings(json: &[u8], names: &SecretNames, layers: usize, found: &mut Vec<Range<usize>>) {
    each_string(json, |start, text| {
        let before = found.len();
        // An escape is one character: its letters are none of the text.
        match memchr(b'\\', text) {
            None => find_below(plain(text), names, layers, found),
            Some(_) => find_decoded(plain(text), false, names, layers, found),
        }
        for range in &mut found[before..] {
            *range = start + range.start..start + range.end;
        }
    });
}

/// Adds the ranges that are found in the first layer that has any: without them the next layer may
/// be read otherwise.
fn find_below(text: Layer<'_>, names: &SecretNames, layers: usize, found: &mut Vec<Range<usize>>) {
    let (before, bytes) = (found.len(), text.bytes);
    if !is_suspect(bytes, names) {
        return;
    }
    let may_be_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    if may_be_json && layers > 0 {
        find_in_strings(bytes, names, layers - 1, found);
        if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
            return;
        }
    }
    if found.len() == before {
        addresses::find(text, names, found);
    }
    if found.len() == before && layers > 0 && memchr2(b'%', b'\\', bytes).is_some() {
        find_decoded(text, true, names, layers - 1, found);
    }
}

/// Adds the ranges of a text that are found in what it says once it is decoded.
fn find_decoded(
    text: Layer<'_>,
    percent: bool,
    names: &SecretNames,
    layers: usize,
    found: &mut Vec<Range<usize>>,
) {
    let decoded = decoded(text, percent);
    if decoded.bytes.len() == text.bytes.len() {
        return;
    }
    let before = found.len();
    let inner = Layer {
        bytes: &decoded.bytes,
        levels: &decoded.levels,
    };
    find_below(inner, names, layers, found);
    for range in &mut found[before..] {
        *range = decoded.starts[range.start]..decoded.starts[range.end];
    }
}

/// Calls `see` with each string of well-formed JSON, without its quotes, and where it begins.
fn each_string<'j>(json: &'j [u8], mut see: impl FnMut(usize, &'j [u8])) {
    let mut at = 0;
    while let Some(quote) = memchr(b'"', &json[at..]) {
        let start = at + quote + 1;
        let mut end = start;
        loop {
            let Some(next) = json.get(end..).and_then(|rest| memchr2(b'"', b'\\', rest)) else {
                return;
            };
            end += next;
            if json[end] == b'"' {
                break;
            }
            end += 2;
        }
        see(start, &json[start..end]);
        at = end + 1;
    }
}

/// Decodes the escapes of JSON, and percent-encoding if `percent`. What is neither stays.
fn decoded(text: Layer<'_>, percent: bool) -> DecodedLayer {
    let bytes = text.bytes;
    let mut decoded = DecodedLayer {
        bytes: Vec::with_capacity(bytes.len()),
        levels: Vec::with_capacity(bytes.len()),
        starts: Vec::with_capacity(bytes.len() + 1),
    };
    let mut at = 0;
    while at < bytes.len() {
        let (start, level) = (at, text.level(at));
        let mut push = |bytes: &[u8], level: u8| {
            decoded.bytes.extend_from_slice(bytes);
            decoded.levels.extend(bytes.iter().map(|_| level));
            decoded.starts.extend(bytes.iter().map(|_| start));
        };
        match bytes[at] {
            b'%' if percent && let Some(byte) = hex(bytes.get(at + 1..at + 3)) => {
                push(&[byte], level + 1);
                at += 3;
            }
            b'\\' => {
                let (letter, length) = escape(&bytes[at..]);
                push(letter.encode_utf8(&mut [0; 4]).as_bytes(), level);
                at += length;
            }
            byte => {
                push(&[byte], level);
                at += 1;
            }
        }
    }
    decoded.starts.push(bytes.len());
    decoded
}

/// The character of the escape at the beginning, and the length of that.
fn escape(text: &[u8]) -> (char, usize) {
    match text.get(1) {
        Some(b'u') => match (unit(text), unit(text.get(6..).unwrap_or_default())) {
            (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                let letter = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(letter).unwrap_or_default(), 12)
            }
            (Some(unit), _) => (
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
                6,
            ),
            (None, _) => ('\\', 1),
        },
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(letter @ (b'"' | b'\\' | b'/')) => (char::from(*letter), 2),
        _ => ('\\', 1),
    }
}

/// The UTF-16 unit of the `\uXXXX` at the beginning; `None` if something else is there.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?;
    let [high, low] = [hex(digits.get(..2)), hex(digits.get(2..4))];
    Some(u32::from(high?) << 8 | u32::from(low?))
}
