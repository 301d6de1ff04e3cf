//! The texts in a record's value, whatever it is: JSON, JSON that was cut, or none.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// JSON in a text of JSON is looked into so many times.
const MAX_DEPTH: u32 = 3;
/// A text of so many letters may be something in base64, as trackers send it.
const MIN_BASE64_LETTERS: usize = 16;

/// Returns true if a text in the value is met: a string or a number of JSON, a word of a string, or
/// a text of JSON that a string holds.
pub(super) fn any_text(value: &[u8], meets: &dyn Fn(&str) -> bool) -> bool {
    within(value, MAX_DEPTH, meets)
}

fn within(value: &[u8], depth: u32, meets: &dyn Fn(&str) -> bool) -> bool {
    let mut rest = value;
    while let Some(&first) = rest.first() {
        let token;
        (token, rest) = match first {
            b'"' => string(rest),
            _ if is_between(first) => {
                rest = &rest[1..];
                continue;
            }
            _ => {
                let ends = |byte: &u8| *byte == b'"' || is_between(*byte);
                let end = rest.iter().position(ends).unwrap_or(rest.len());
                let (bare, rest) = rest.split_at(end);
                (String::from_utf8_lossy(bare), rest)
            }
        };
        if of_text(&token, depth, meets) {
            return true;
        }
    }
    false
}

const fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}')
}

/// The string that a value begins with, without its escapes, and what follows it.
fn string(value: &[u8]) -> (Cow<'_, str>, &[u8]) {
    let (mut end, mut escaped) = (1, false);
    while let Some(&byte) = value.get(end) {
        match byte {
            b'"' => break,
            b'\\' => {
                escaped = true;
                end += 2;
            }
            _ => end += 1,
        }
    }
    let end = end.min(value.len());
    let (inner, rest) = (
        &value[1.min(end)..end],
        value.get(end + 1..).unwrap_or_default(),
    );
    let whole = value.get(..=end).filter(|_| escaped);
    let text = match whole.and_then(|whole| serde_json::from_slice::<String>(whole).ok()) {
        Some(text) => Cow::Owned(text),
        None => String::from_utf8_lossy(inner),
    };
    (text, rest)
}

fn of_text(text: &str, depth: u32, meets: &dyn Fn(&str) -> bool) -> bool {
    if meets(text) {
        return true;
    }
    if depth > 0 && text.contains('"') && within(text.as_bytes(), depth - 1, meets) {
        return true;
    }
    if depth > 0 && text.len() >= MIN_BASE64_LETTERS {
        let text = text.trim_end_matches('=');
        let decoded = STANDARD_NO_PAD
            .decode(text)
            .or_else(|_| URL_SAFE_NO_PAD.decode(text));
        if decoded.is_ok_and(|inner| within(&inner, depth - 1, meets)) {
            return true;
        }
    }
    let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '+');
    let words = text.split(|c: char| !is_of_word(c));
    let mut words = words.filter(|word| !word.is_empty() && word.len() < text.len());
    words.any(|word| meets(word) || meets(word.trim_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_met_wherever_it_is_a_text_or_a_word() {
        let check = |value: &str, expect: bool| {
            let met = any_text(value.as_bytes(), &|text| text == "v-17");
            assert_eq!(met, expect, "{value}");
        };
        for value in [
            "v-17",
            r#"{"visitor_id":"v-17"}"#,
            r#"{"a":[1,{"b":["x","v-17"]}]}"#,
            r#"{"v-17":1}"#,
            r#"{"a":"v\u002d17"}"#,
            r#"{"a":"seen by v-17."}"#,
            r#"{"url":"https://shop/?visitor=v-17&x=1"}"#,
            r#"{"cut":"v-17"#,
            r#"{"cut":{"visitor_id":"v-17","#,
            r#"{"nested":"{\"visitor_id\":\"v-17\"}"}"#,
            r#"{"cx":"eyJ2aXNpdG9yX2lkIjoidi0xNyJ9"}"#,
            r#"{"cx":"eyJ2aXNpdG9yX2lkIjoidi0xNyIsImEiOjF9=="}"#,
            "\u{feff}garbage v-17\t",
            r#"{"bad\q":1,"a":"v-17"}"#,
        ] {
            check(value, true);
        }
        for value in [
            "",
            "\"",
            "\\",
            "\"\\",
            r#"{"visitor_id":"v-171"}"#,
            r#"{"visitor_id":"xv-17"}"#,
            r#"{"a":"v-1","b":"7"}"#,
            r#"{"a":"17"}"#,
        ] {
            check(value, false);
        }
        // A number is a text, and bytes that are not Unicode hide nothing behind them.
        assert!(any_text(br#"{"user_id":4711}"#, &|text| text == "4711"));
        assert!(any_text(b"\xff\xfe{\"a\":\"x\"}", &|text| text == "x"));
    }
}
