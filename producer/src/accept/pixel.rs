//! The pixel: a click in a query string, for pages without scripts.

use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::Rejection;

/// A transparent GIF of 1×1.
pub(crate) const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\
    !\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;";

/// The native fields that are numbers where their text is one.
const NUMBERS: [&str; 3] = ["quantity", "price", "occurred_at"];

/// The native click that a query string says, each parameter a field.
pub(crate) fn click(query: &str) -> Result<Vec<u8>, Rejection> {
    let mut json = serde_json::Serializer::new(Vec::with_capacity(query.len() + 64));
    let mut click = json
        .serialize_map(None)
        .map_err(|error| unwritable(&error))?;
    let mut fields = 0;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        if value.is_empty() {
            continue;
        }
        fields += 1;
        match raw(&name, &value) {
            Some(raw) => click.serialize_entry(&name, raw),
            None => click.serialize_entry(&name, &value),
        }
        .map_err(|error| unwritable(&error))?;
    }
    click.end().map_err(|error| unwritable(&error))?;
    match fields {
        0 => Err(Rejection::malformed(
            "the pixel's query names no field of a click",
        )),
        _ => Ok(json.into_inner()),
    }
}

/// The value as it stands, where it is a number that belongs in a number's field, or
/// an object of properties.
fn raw<'v>(name: &str, value: &'v str) -> Option<&'v RawValue> {
    let begins_like_one = match name {
        "properties" => value.starts_with('{') && super::scan::end(value, 15).is_ok(),
        _ => NUMBERS.contains(&name) && value.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
    };
    begins_like_one
        .then(|| serde_json::from_str(value).ok())
        .flatten()
}

fn unwritable(error: &serde_json::Error) -> Rejection {
    Rejection::malformed(format!("the pixel's query cannot be read: {error}"))
}

/// Percent-decoding as forms do it, except that what is not UTF-8 is refused.
fn decoded(text: &str) -> Result<String, Rejection> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                plain.push(code);
                at += 3;
            }
            None => {
                plain.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8(plain).map_err(|_| Rejection::malformed("the pixel's query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_02_a_query_becomes_a_click() {
        let check = |query: &str, expect: Result<&str, u16>| {
            let found = click(query).map(|json| String::from_utf8(json).unwrap());
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
        check("city=%ff", Err(400));
        check("", Err(400));
        check("&&a=", Err(400));
    }
}
