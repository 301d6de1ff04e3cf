//! A body as clicks: one object, an array of objects, or one object per line. The bytes
//! decide which it is; the content type is ignored.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fault::JsonFault;
use super::fields::ObjectFields;
use super::rejection::Rejection;
use super::scan::{self, MAX_DEPTH};
use super::text::BodyText;

/// How many levels a body that is an object with a list of clicks is above them.
pub(super) const LIST_DEPTH: usize = 2;

/// One item of a body.
#[derive(Debug)]
pub(crate) enum BodyItem<'b> {
    /// A well-formed object.
    Click(Cow<'b, RawValue>),
    /// Something else, as JSON, and why it is not a click.
    Bad(Cow<'b, RawValue>, Rejection),
}

/// A body as its clicks.
#[derive(Debug)]
pub(crate) struct SplitBody<'b> {
    /// At least one of them is a click.
    pub(crate) items: Vec<BodyItem<'b>>,
    /// What the body says once for all its clicks, as an object; `None` if it says nothing.
    pub(crate) shared: Option<Box<RawValue>>,
    /// The visitor of the clicks that name none; `None` if it is not known.
    pub(crate) visitor: Option<String>,
}

impl<'b> SplitBody<'b> {
    /// Clicks that share nothing.
    pub(crate) fn of(items: Vec<BodyItem<'b>>) -> Self {
        Self {
            items,
            shared: None,
            visitor: None,
        }
    }
}

/// Splits a body into at most `limit` items, of which at least one is a click. An item that is
/// none costs none of its neighbours.
pub(super) fn split<'b>(
    body: &'b BodyText<'_>,
    limit: usize,
) -> Result<Vec<BodyItem<'b>>, Rejection> {
    let text = body.as_str().trim_start_matches([' ', '\t', '\r', '\n']);
    let refused = |fault: JsonFault| fault.of("the body", body.place(text, fault.position));
    let items = match text.as_bytes().first() {
        None => return Err(Rejection::malformed("the body is empty")),
        Some(b'[') => array(body, text, limit, refused)?,
        _ => match one(text) {
            Ok(click) => vec![BodyItem::Click(Cow::Borrowed(click))],
            Err(_) if is_lines(text) => lines(body, text, limit)?,
            Err(fault) => return Err(refused(fault)),
        },
    };
    with_a_click(items)
}

/// Returns the items if one of them is a click; else why the first one is none.
fn with_a_click(items: Vec<BodyItem<'_>>) -> Result<Vec<BodyItem<'_>>, Rejection> {
    if items.iter().any(|item| matches!(item, BodyItem::Click(_))) {
        return Ok(items);
    }
    Err(match items.into_iter().next() {
        Some(BodyItem::Bad(_, rejection)) => rejection,
        _ => Rejection::malformed("the array is empty"),
    })
}

/// Splits a body that is an object with an array in its field `list`: the array's elements are
/// the items, and the other fields are what they share. `None` if the body is anything else.
pub(super) fn split_list<'b>(
    body: &'b BodyText<'_>,
    list: &str,
    limit: usize,
) -> Result<Option<SplitBody<'b>>, Rejection> {
    let text = body.as_str().trim();
    if !text.starts_with('{') || scan::end(text, MAX_DEPTH + LIST_DEPTH).is_err() {
        return Ok(None);
    }
    let Ok(fields) = ObjectFields::read(text) else {
        return Ok(None);
    };
    let mut found = None;
    let mut shared = Vec::new();
    for (name, value) in fields.0 {
        match name == list && value.get().starts_with('[') {
            true => found = Some(value.get()),
            false => shared.push((name, value)),
        }
    }
    let Some(found) = found else { return Ok(None) };
    let refused = |fault: JsonFault| fault.of("the body", body.place(found, fault.position));
    let items = array(body, found, limit, refused)?;
    Ok(Some(SplitBody {
        shared: (!shared.is_empty()).then(|| ObjectFields(shared).to_object()),
        ..SplitBody::of(with_a_click(items)?)
    }))
}

/// Reads the text as one object with nothing after it.
fn one(text: &str) -> Result<&RawValue, JsonFault> {
    if !text.starts_with('{') {
        return Err(match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => JsonFault::no_click("a click is a JSON object", 0),
            Err(error) => JsonFault::from_serde(&error, text),
        });
    }
    scan::end(text, MAX_DEPTH)?;
    serde_json::from_str(text).map_err(|error| JsonFault::from_serde(&error, text))
}

/// Reads a part of the body as a click.
fn item<'b>(body: &BodyText<'_>, part: &'b str, what: &str) -> BodyItem<'b> {
    match one(part) {
        Ok(click) => BodyItem::Click(Cow::Borrowed(click)),
        Err(fault) => {
            let rejection = fault.of(what, body.place(part, fault.position));
            BodyItem::Bad(as_json(part), rejection)
        }
    }
}

/// What is no click, as JSON: a scalar as it is, all else as a string, so that it is never taken
/// for a click.
fn as_json(part: &str) -> Cow<'_, RawValue> {
    let scalar = match part.starts_with(['{', '[']) {
        true => None,
        false => serde_json::from_str(part).ok(),
    };
    scalar.map_or_else(|| Cow::Owned(as_json_string(part)), Cow::Borrowed)
}

/// Text that is not JSON, as a JSON string.
pub(crate) fn as_json_string(raw: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(raw).expect("text is always a JSON string")
}

/// Returns true if the body is one object per line rather than one broken object: if its
/// first line of several looks like an object, or at least half of its lines do.
fn is_lines(text: &str) -> bool {
    // Quotes and brackets in pairs: whether it is JSON is that line's own affair.
    let is_whole = |line: &str| {
        line.starts_with('{') && scan::end(line, usize::MAX).is_ok_and(|end| end == line.len())
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().is_some_and(is_whole);
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return false;
    }
    if first {
        return true;
    }
    let (mut whole, mut others) = (0_usize, 1_usize);
    for line in lines {
        *(if is_whole(line) {
            &mut whole
        } else {
            &mut others
        }) += 1;
    }
    whole >= others
}

fn too_many(limit: usize) -> Rejection {
    Rejection::TooLarge {
        what: "the number of clicks",
        limit: limit.to_string(),
    }
}

/// One item per line.
fn lines<'b>(
    body: &BodyText<'_>,
    text: &'b str,
    limit: usize,
) -> Result<Vec<BodyItem<'b>>, Rejection> {
    let mut items = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if items.len() == limit {
            return Err(too_many(limit));
        }
        items.push(item(body, line, "the line"));
    }
    Ok(items)
}

fn array<'b>(
    body: &BodyText<'_>,
    text: &'b str,
    limit: usize,
    refused: impl Fn(JsonFault) -> Rejection,
) -> Result<Vec<BodyItem<'b>>, Rejection> {
    let (parts, end) = scan::items(text, limit).map_err(&refused)?;
    let behind = text[end..].trim_start_matches([' ', '\t', '\r', '\n']);
    if !behind.is_empty() {
        let position = text.len() - behind.len();
        return Err(refused(JsonFault::new("trailing characters", position)));
    }
    if parts.len() > limit {
        return Err(too_many(limit));
    }
    let parts = parts.into_iter().map(|part| text[part].trim());
    Ok(parts.map(|part| item(body, part, "the item")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<String, u16> {
        let body = BodyText::read(text.as_bytes()).map_err(|rejection| rejection.status())?;
        let items = split(&body, 4).map_err(|rejection| rejection.status())?;
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
        check(r#"[{"a":NaN},{"b":2}]"#, Ok(r#"!"{\"a\":NaN}" {"b":2}"#));
        check("{\"a\":NaN}\n{\"b\":2}", Ok(r#"!"{\"a\":NaN}" {"b":2}"#));
        check(r#"[{"a":1] ,{"b":2}]"#, Ok(r#"!"{\"a\":1]" {"b":2}"#));
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
            let marked = format!("\u{feff}{text}");
            let body = BodyText::read(marked.as_bytes()).unwrap();
            let Err(Rejection::Malformed { position, reason }) = split(&body, 4) else {
                panic!("{text} is refused");
            };
            assert_eq!(position, Some(expect), "{text}: {reason}");
        };
        check(r#"{"a":x}"#, 8);
        check("\n{\"a\":\nx}", 10);
        check(r#"{"a":1"#, 9);
        check("nope", 4);
    }

    #[test]
    fn attack_17_what_is_nested_too_deep_is_told_so_and_costs_its_neighbours_nothing() {
        for depth in [17, 18, 127, 128, 200] {
            let deep = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            let body = BodyText::read(deep.as_bytes()).unwrap();
            let rejection = split(&body, 4).unwrap_err();
            assert_eq!(
                rejection.to_string(),
                "the body is no click at byte 80: it is nested too deep (16 levels in a click)"
            );
            let shown = |text: String| shape(&text).map(|shape| shape.ends_with(r#" {"b":2}"#));
            assert_eq!(shown(format!("[{deep},{{\"b\":2}}]")), Ok(true));
            assert_eq!(shown(format!("{deep}\n{{\"b\":2}}")), Ok(true));
            assert_eq!(shown(format!("{deep}\n{deep}\n{{\"b\":2}}")), Ok(true));
        }
        let bare = BodyText::read(b"7").unwrap();
        let rejection = split(&bare, 4).unwrap_err();
        assert_eq!(
            rejection.to_string(),
            "the body is no click at byte 0: a click is a JSON object"
        );
    }
}
