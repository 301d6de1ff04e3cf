//! The pixel: a click in a query string, for pages without scripts.

use std::io::Write;

use percent_encoding::percent_decode;
use serde_json::value::RawValue;

use super::rejection::Rejection;
use super::scan::{self, MAX_DEPTH};

/// A transparent GIF of 1×1.
pub(crate) const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\
    !\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;";

/// The native fields that are numbers. Their text becomes a number if it is one.
const NUMBER_FIELDS: [&str; 3] = ["quantity", "price", "occurred_at"];

/// Makes the JSON of a native click from a query string: each parameter is a field. Bytes that
/// are not UTF-8 stay in it for the edge to replace.
pub(crate) fn click(query: &str) -> Result<Vec<u8>, Rejection> {
    let mut json = Vec::with_capacity(query.len() + 64);
    json.push(b'{');
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (field_name(name), decode(value.as_bytes()));
        // A key is for the edge alone.
        if value.is_empty() || name == b"key" {
            continue;
        }
        if json.len() > 1 {
            json.push(b',');
        }
        write_text(&mut json, &name);
        json.push(b':');
        match as_json(&name, &value) {
            Some(raw) => json.extend_from_slice(raw.get().as_bytes()),
            None => write_text(&mut json, &value),
        }
    }
    json.push(b'}');
    match json.len() {
        2 => Err(Rejection::malformed(
            "the pixel's query names no field of a click",
        )),
        _ => Ok(json),
    }
}

/// A field's name, without what is left of an ampersand that HTML wrote as `&amp;`, and the
/// campaign's in lower case.
fn field_name(text: &str) -> Vec<u8> {
    let mut name = text;
    while let Some(rest) = name.strip_prefix("amp;") {
        name = rest;
    }
    let mut name = decode(name.as_bytes());
    let head = name.get(..4);
    if head.is_some_and(|head| head.eq_ignore_ascii_case(b"utm_")) {
        name.make_ascii_lowercase();
    }
    name
}

/// The value as it was written, if it is a number in a number's field or an object of
/// properties; `None` if it is text.
fn as_json<'v>(name: &[u8], value: &'v [u8]) -> Option<&'v RawValue> {
    let value = std::str::from_utf8(value).ok()?;
    let may_be_json = match name {
        // The properties are one level below the click.
        b"properties" => value.starts_with('{') && scan::end(value, MAX_DEPTH - 1).is_ok(),
        _ => {
            NUMBER_FIELDS.iter().any(|field| field.as_bytes() == name)
                && value.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        }
    };
    may_be_json
        .then(|| serde_json::from_str(value).ok())
        .flatten()
}

/// Writes bytes as a string of JSON.
pub(super) fn write_text(json: &mut Vec<u8>, text: &[u8]) {
    json.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', *byte]),
            0..=0x1f => write!(json, "\\u{byte:04x}").expect("writing to memory"),
            _ => json.push(*byte),
        }
    }
    json.push(b'"');
}

/// Decodes a name or a value as HTML forms encode it.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let spaced = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    percent_decode(&text.iter().map(spaced).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_02_a_query_becomes_a_click() {
        let check = |query: &str, expect: Result<&str, u16>| {
            let found = click(query).map(|json| String::from_utf8_lossy(&json).into_owned());
            let found = found.as_deref().map_err(Rejection::status);
            assert_eq!(found, expect, "{query}");
        };
        check("id=a&action=view", Ok(r#"{"id":"a","action":"view"}"#));
        check(
            "price=9.50&quantity=-2&id=7",
            Ok(r#"{"price":9.50,"quantity":-2,"id":"7"}"#),
        );
        check("price=cheap", Ok(r#"{"price":"cheap"}"#));
        check(
            "product_name=Tea+%26+%22Cake%22&user_id=",
            Ok(r#"{"product_name":"Tea & \"Cake\""}"#),
        );
        check("city=K%C3%B6ln", Ok(r#"{"city":"Köln"}"#));
        check(
            "properties=%7B%22a%22%3A1%7D",
            Ok(r#"{"properties":{"a":1}}"#),
        );
        check("properties=%7B%22a%22", Ok(r#"{"properties":"{\"a\""}"#));
        check("x=100%25%2&y=%zz", Ok(r#"{"x":"100%%2","y":"%zz"}"#));
        check("x=%+1", Ok(r#"{"x":"% 1"}"#));
        check("city=%ff%01", Ok("{\"city\":\"\u{fffd}\\u0001\"}"));
        check(
            "id=a&amp;action=view&amp;amp;UTM_Campaign=x&utm_Source=y",
            Ok(r#"{"id":"a","action":"view","utm_campaign":"x","utm_source":"y"}"#),
        );
        check("", Err(400));
        check("&&a=", Err(400));
    }
}
