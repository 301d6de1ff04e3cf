//! Which click it is and whose: the two fields that the edge itself reads.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use topic::clock::Clock;
use uuid::Uuid;

/// The id and the visitor as the client wrote them; absent where it wrote none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity<'c> {
    pub(crate) id: Option<Cow<'c, str>>,
    pub(crate) visitor: Option<Cow<'c, str>>,
}

#[derive(Deserialize)]
struct Named<'c> {
    #[serde(borrow, default)]
    id: Option<&'c RawValue>,
    #[serde(borrow, default)]
    visitor_id: Option<&'c RawValue>,
}

/// One borrowed pass over a well-formed click. Fails where one of the two fields
/// stands there twice, for then nobody can say which click it is.
pub(crate) fn of(click: &RawValue) -> Result<Identity<'_>, String> {
    let named: Named<'_> = serde_json::from_str(click.get()).map_err(|error| {
        let sentence = error.to_string();
        let cause = sentence.split(" at line ").next().unwrap_or(&sentence);
        format!("the click's identity cannot be read: {cause}")
    })?;
    Ok(Identity {
        id: named.id.and_then(spoken),
        visitor: named.visitor_id.and_then(spoken),
    })
}

/// A field's text: a string's own, a number's digits, anything else as it was written.
/// An empty text names nothing.
pub(crate) fn spoken(raw: &RawValue) -> Option<Cow<'_, str>> {
    let written = raw.get();
    let Some(quoted) = written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return (written != "null").then_some(Cow::Borrowed(written));
    };
    let text = match quoted.contains('\\') {
        true => Cow::Owned(serde_json::from_str(written).ok()?),
        false => Cow::Borrowed(quoted),
    };
    (!text.trim().is_empty()).then_some(text)
}

/// A UUIDv7 of the clock's time and fresh randomness.
pub(crate) fn made(clock: &dyn Clock) -> Uuid {
    let millis = u64::try_from(clock.now().millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_22_ids_are_taken_as_text() {
        let check = |json: &str, id: Option<&str>, visitor: Option<&str>| {
            let click: &RawValue = serde_json::from_str(json).unwrap();
            let found = of(click).unwrap();
            assert_eq!(
                (found.id.as_deref(), found.visitor.as_deref()),
                (id, visitor),
                "{json}"
            );
        };
        check(r#"{"id":"x","visitor_id":"v"}"#, Some("x"), Some("v"));
        check(
            r#"{"id":17.50,"visitor_id":17850}"#,
            Some("17.50"),
            Some("17850"),
        );
        check(r#"{"id":"a\u00e9\n\ud83d\ude00"}"#, Some("aé\n😀"), None);
        check(r#"{"\u0069d":"x"}"#, Some("x"), None);
        check(r#"{"id":null,"visitor_id":""}"#, None, None);
        check(r#"{"id":" "}"#, None, None);
        check(r#"{"id":{"a":1}}"#, Some(r#"{"a":1}"#), None);
        check(r#"{"properties":{"id":"not me"}}"#, None, None);
        check("{}", None, None);
    }

    #[test]
    fn input_08_a_field_of_the_edges_own_must_stand_once() {
        for json in [
            r#"{"id":1,"id":2}"#,
            r#"{"visitor_id":1,"id":3,"visitor_id":1}"#,
            r#"{"id":1,"\u0069d":1}"#,
        ] {
            let click: &RawValue = serde_json::from_str(json).unwrap();
            assert!(of(click).unwrap_err().contains("duplicate field"), "{json}");
        }
        let click: &RawValue =
            serde_json::from_str(r#"{"a":1,"a":2,"p":{"id":1,"id":2}}"#).unwrap();
        assert!(of(click).is_ok());
    }

    #[test]
    fn made_ids_carry_the_clocks_time() {
        let first = made(&topic::clock::SystemClock);
        assert_eq!(first.get_version_num(), 7);
        assert_ne!(first, made(&topic::clock::SystemClock));
    }
}
