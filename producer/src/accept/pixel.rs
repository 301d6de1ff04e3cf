//! The pixel: a click in a query string, for pages without scripts.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::rejection::Rejection;
use super::scan::{self, MAX_DEPTH};

/// A transparent GIF of 1×1.
pub(crate) const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\
    !\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;";

/// The native fields that are numbers. Their text becomes a number if it is one.
const NUMBER_FIELDS: [&str; 3] = ["quantity", "price", "occurred_at"];

/// Makes the JSON of a native click from a query string: each parameter is a field.
pub(crate) fn click(query: &str) -> Result<Vec<u8>, Rejection> {
    let mut json = serde_json::Serializer::new(Vec::with_capacity(query.len() + 64));
    let mut click = json
        .serialize_map(None)
        .map_err(|error| unreadable(&error))?;
    let mut fields = 0;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if value.is_empty() {
            continue;
        }
        fields += 1;
        match as_json(&name, &value) {
            Some(raw) => click.serialize_entry(&name, raw),
            None => click.serialize_entry(&name, &value),
        }
        .map_err(|error| unreadable(&error))?;
    }
    click.end().map_err(|error| unreadable(&error))?;
    match fields {
        0 => Err(Rejection::malformed(
            "the pixel's query names no field of a click",
        )),
        _ => Ok(json.into_inner()),
    }
}

/// The value as it was written, if it is a number in a number's field or an object of
/// properties; `None` if it is text.
fn as_json<'v>(name: &str, value: &'v str) -> Option<&'v RawValue> {
    let may_be_json = match name {
        // The properties are one level below the click.
        "properties" => value.starts_with('{') && scan::end(value, MAX_DEPTH - 1).is_ok(),
        _ => {
            NUMBER_FIELDS.contains(&name)
                && value.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        }
    };
    may_be_json
        .then(|| serde_json::from_str(value).ok())
        .flatten()
}

fn unreadable(error: &serde_json::Error) -> Rejection {
    Rejection::malformed(format!("the pixel's query cannot be read: {error}"))
}

/// Decodes a name or a value as HTML forms encode it, but refuses what is not UTF-8.
fn decode(text: &str) -> Result<String, Rejection> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(Cow::into_owned)
        .map_err(|_| Rejection::malformed("the pixel's query is not UTF-8"))
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
        check("x=%+1", Ok(r#"{"x":"% 1"}"#));
        check("city=%ff", Err(400));
        check("", Err(400));
        check("&&a=", Err(400));
    }
}
