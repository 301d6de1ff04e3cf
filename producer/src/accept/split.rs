//! A body as clicks: one object, an array of objects, or one object per line. The bytes
//! decide which it is; the content type is ignored.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::JsonFault;
use super::rejection::Rejection;
use super::scan::{self, MAX_DEPTH};

/// One item of a body.
#[derive(Debug)]
pub(super) enum BodyItem<'b> {
    /// A well-formed object.
    Click(&'b RawValue),
    /// Something else, as JSON, and why it is not a click.
    Bad(Cow<'b, RawValue>, String),
}

/// Splits `text` into at most `limit` items, of which at least one is a click.
/// `offset` is the number of bytes before `text` in the body.
pub(super) fn split(
    text: &str,
    offset: usize,
    limit: usize,
) -> Result<Vec<BodyItem<'_>>, Rejection> {
    let trimmed = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let before = offset + text.len() - trimmed.len();
    let items = match trimmed.as_bytes().first() {
        None => return Err(Rejection::malformed("the body is empty")),
        Some(b'[') => array(trimmed, limit).map_err(|error| error.in_body(before, limit))?,
        _ => match one(trimmed) {
            Ok(click) => vec![BodyItem::Click(click)],
            Err(_) if is_lines(trimmed) => {
                lines(trimmed, limit).ok_or_else(|| SplitError::TooMany.in_body(before, limit))?
            }
            Err(_) if serde_json::from_str::<&RawValue>(trimmed).is_ok() => {
                return Err(Rejection::malformed(
                    "the body is a bare value: a click is a JSON object",
                ));
            }
            Err(fault) => return Err(fault.in_body(before)),
        },
    };
    match items.iter().any(|item| matches!(item, BodyItem::Click(_))) {
        true => Ok(items),
        false if items.is_empty() => Err(Rejection::malformed("the array is empty")),
        false => Err(Rejection::malformed(
            "no item of the body is a click: each must be an object",
        )),
    }
}

/// Why a body cannot be split.
enum SplitError {
    NotJson(JsonFault),
    TooMany,
}

impl SplitError {
    fn in_body(self, offset: usize, limit: usize) -> Rejection {
        match self {
            Self::NotJson(fault) => fault.in_body(offset),
            Self::TooMany => Rejection::TooLarge {
                what: "the number of clicks",
                limit: limit.to_string(),
            },
        }
    }
}

/// Reads the text as one object with nothing after it.
fn one(text: &str) -> Result<&RawValue, JsonFault> {
    if !text.starts_with('{') {
        return Err(match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => JsonFault {
                reason: "a click must be an object".into(),
                position: 0,
            },
            Err(error) => JsonFault::from_serde(&error, text),
        });
    }
    scan::end(text, MAX_DEPTH)?;
    serde_json::from_str(text).map_err(|error| JsonFault::from_serde(&error, text))
}

/// Returns true if the body is one object per line rather than one broken object: if its
/// first line is an object, or at least half of its lines are.
fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first_is_click = lines.next().is_some_and(|line| one(line.trim()).is_ok());
    let (mut clicks, mut others) = if first_is_click {
        (1, 0)
    } else {
        (0_usize, 1_usize)
    };
    for line in lines {
        if first_is_click {
            return true;
        }
        match one(line.trim()) {
            Ok(_) => clicks += 1,
            Err(_) => others += 1,
        }
    }
    clicks > 0 && clicks >= others
}

/// One item per line; `None` if there are more than `limit`.
fn lines(text: &str, limit: usize) -> Option<Vec<BodyItem<'_>>> {
    let mut items = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if items.len() == limit {
            return None;
        }
        items.push(match one(line) {
            Ok(click) => BodyItem::Click(click),
            Err(fault) => {
                let reason = format!(
                    "the line is not an object at its byte {}: {}",
                    fault.position, fault.reason
                );
                BodyItem::Bad(Cow::Owned(as_json_string(line)), reason)
            }
        });
    }
    Some(items)
}

/// Text that is not JSON, as a JSON string.
pub(crate) fn as_json_string(raw: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(raw).expect("text is always a JSON string")
}

fn array(text: &str, limit: usize) -> Result<Vec<BodyItem<'_>>, SplitError> {
    scan::end(text, MAX_DEPTH + 1).map_err(SplitError::NotJson)?;
    let fault = |error: serde_json::Error| SplitError::NotJson(JsonFault::from_serde(&error, text));
    let mut parser = serde_json::Deserializer::from_str(text);
    let items = parser
        .deserialize_seq(ArrayItems { limit })
        .map_err(fault)?
        .ok_or(SplitError::TooMany)?;
    parser.end().map_err(fault)?;
    Ok(items)
}

/// The elements of an array, borrowed; `None` if there are more than `limit`.
struct ArrayItems {
    limit: usize,
}

impl<'de> Visitor<'de> for ArrayItems {
    type Value = Option<Vec<BodyItem<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of clicks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if items.len() == self.limit {
                // Skip the rest, so that the parser ends where the array does.
                while elements.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            items.push(match element.get().starts_with('{') {
                true => BodyItem::Click(element),
                false => BodyItem::Bad(Cow::Borrowed(element), "a click must be an object".into()),
            });
        }
        Ok(Some(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<String, u16> {
        let items = split(text, 0, 4).map_err(|rejection| rejection.status())?;
        let shown = items.iter().map(|item| match item {
            BodyItem::Click(raw) => raw.get().to_owned(),
            BodyItem::Bad(raw, _) => format!("!{}", raw.get()),
        });
        Ok(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn bodies_are_sniffed_and_split() {
        let check = |text: &str, expect: Result<&str, u16>| {
            assert_eq!(shape(text), expect.map(str::to_owned), "{text}");
        };
        check(r#" {"a" : 1} "#, Ok(r#"{"a" : 1}"#));
        check("{\n\"a\":\n1}\n", Ok("{\n\"a\":\n1}"));
        check(r#"[{"a":1}, {"b":[]}]"#, Ok(r#"{"a":1} {"b":[]}"#));
        check("{\"a\":1}\n\n{\"b\":2}\r\n", Ok(r#"{"a":1} {"b":2}"#));
        check(r#"[{"a":1},7,null]"#, Ok(r#"{"a":1} !7 !null"#));
        check(
            "{\"a\":1}\nnope\n{\"b\":2}",
            Ok(r#"{"a":1} !"nope" {"b":2}"#),
        );
        check("no\"pe\n{\"b\":2}", Ok(r#"!"no\"pe" {"b":2}"#));
        check(
            "{\"a\":\n{\"b\":2}\n{\"c\":3}",
            Ok(r#"!"{\"a\":" {"b":2} {"c":3}"#),
        );
        check("{\"a\":1}\n[{\"b\":2}]", Ok(r#"{"a":1} !"[{\"b\":2}]""#));
        // One object per line, one too many, also in an array.
        check("{}\n{}\n{}\n{}", Ok("{} {} {} {}"));
        check("{}\n{}\n{}\n{}\n{}", Err(413));
        check("[{},{},{},{}]", Ok("{} {} {} {}"));
        check("[{},{},{},{},{}]", Err(413));
    }

    #[test]
    fn input_03_04_06_what_is_no_click_is_refused() {
        for text in [
            "",
            " \n ",
            "[]",
            "[ ]",
            "null",
            "7",
            "\"x\"",
            "true",
            "[1]",
            "[[{}]]",
            "{",
            "[{}",
            "{}}",
            "[{}]]",
            "{} {}",
            "{}{}",
            "{\"a\":}",
            "[{},]",
            "nope",
            "{\n\"a\":1,\n",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":01}",
            "{\"items\":[\n{\"a\":1},\n{\"a\":2}",
            "a\nb",
        ] {
            assert_eq!(shape(text), Err(400), "{text}");
        }
    }

    #[test]
    fn input_04_the_byte_position_is_told() {
        let check = |text: &str, expect: usize| {
            let Err(Rejection::Malformed { position, reason }) = split(text, 3, 4) else {
                panic!("{text} is refused");
            };
            assert_eq!(position, Some(expect), "{text}: {reason}");
        };
        check(r#"{"a":x}"#, 8);
        check("\n{\"a\":\nx}", 10);
        check(r#"{"a":1"#, 9);
        check("nope", 4);
    }
}
