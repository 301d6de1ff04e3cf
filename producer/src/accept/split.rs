//! A body's clicks: one object, an array of objects, or one object per line. What the
//! body is, is seen from its bytes; its content type is not believed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::scan::{self, Fault, MAX_DEPTH};
use crate::Rejection;

/// One item of a body, in its order.
#[derive(Debug)]
pub(crate) enum Item<'b> {
    /// A well-formed object.
    Click(&'b RawValue),
    /// What is no click, as JSON, and why not.
    Bad(Cow<'b, RawValue>, String),
}

/// Splits `text` into at most `limit` items; at least one of them is a click.
/// `mark` is how many bytes the client sent before it.
pub(crate) fn split(text: &str, mark: usize, limit: usize) -> Result<Vec<Item<'_>>, Rejection> {
    let trimmed = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let before = mark + text.len() - trimmed.len();
    let items = match trimmed.as_bytes().first() {
        None => return Err(Rejection::malformed("the body is empty")),
        Some(b'[') => array(trimmed, limit).map_err(|refusal| refusal.at(before, limit))?,
        _ => match one(trimmed) {
            Ok(click) => vec![Item::Click(click)],
            Err(_) if is_lines(trimmed) => {
                lines(trimmed, limit).ok_or_else(|| Refusal::Many.at(before, limit))?
            }
            Err(_) if serde_json::from_str::<&RawValue>(trimmed).is_ok() => {
                return Err(Rejection::malformed(
                    "the body is a bare value: a click is a JSON object",
                ));
            }
            Err(fault) => return Err(fault.at(before)),
        },
    };
    match items.iter().any(|item| matches!(item, Item::Click(_))) {
        true => Ok(items),
        false if items.is_empty() => Err(Rejection::malformed("the array is empty")),
        false => Err(Rejection::malformed(
            "no item of the body is a click: each is to be an object",
        )),
    }
}

enum Refusal {
    Fault(Fault),
    Many,
}

impl Refusal {
    fn at(self, offset: usize, limit: usize) -> Rejection {
        match self {
            Self::Fault(fault) => fault.at(offset),
            Self::Many => Rejection::TooLarge {
                what: "the number of clicks",
                limit: limit.to_string(),
            },
        }
    }
}

/// The body as one object with nothing after it.
fn one(text: &str) -> Result<&RawValue, Fault> {
    if !text.starts_with('{') {
        return Err(match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Fault {
                reason: "a click is an object".into(),
                position: 0,
            },
            Err(error) => Fault::from_serde(&error, text),
        });
    }
    scan::end(text, MAX_DEPTH)?;
    serde_json::from_str(text).map_err(|error| Fault::from_serde(&error, text))
}

/// Whether the body is one object per line rather than one broken object: its first
/// line is an object, or at least half of its lines are.
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

fn lines(text: &str, limit: usize) -> Option<Vec<Item<'_>>> {
    let mut items = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if items.len() == limit {
            return None;
        }
        items.push(match one(line) {
            Ok(click) => Item::Click(click),
            Err(fault) => {
                let reason = format!(
                    "the line is no object at its byte {}: {}",
                    fault.position, fault.reason
                );
                Item::Bad(Cow::Owned(as_text(line)), reason)
            }
        });
    }
    Some(items)
}

/// What is not JSON, as a JSON string.
pub(crate) fn as_text(raw: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(raw).expect("text is always a JSON string")
}

fn array(text: &str, limit: usize) -> Result<Vec<Item<'_>>, Refusal> {
    scan::end(text, MAX_DEPTH + 1).map_err(Refusal::Fault)?;
    let fault = |error: serde_json::Error| Refusal::Fault(Fault::from_serde(&error, text));
    let mut parser = serde_json::Deserializer::from_str(text);
    let items = parser
        .deserialize_seq(Elements { limit })
        .map_err(fault)?
        .ok_or(Refusal::Many)?;
    parser.end().map_err(fault)?;
    Ok(items)
}

/// The elements of an array, borrowed; none where there are more than the limit.
struct Elements {
    limit: usize,
}

impl<'de> Visitor<'de> for Elements {
    type Value = Option<Vec<Item<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of clicks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if items.len() == self.limit {
                // The rest is walked over, so that the parser ends where the array does.
                while elements.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            items.push(match element.get().starts_with('{') {
                true => Item::Click(element),
                false => Item::Bad(Cow::Borrowed(element), "a click is an object".into()),
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
            Item::Click(raw) => raw.get().to_owned(),
            Item::Bad(raw, _) => format!("!{}", raw.get()),
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
