//! Which click it is, whose, and how many records it becomes: what the edge itself reads.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use topic::clock::Clock;
use uuid::Uuid;

use super::fault::parse_reason;
use super::fields::as_text;
use crate::privacy::consent;

/// What the edge reads of a click, as its client wrote it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClickIdentity<'c> {
    /// `None` if the click names no id.
    pub(crate) id: Option<Cow<'c, str>>,
    /// `None` if the click names no visitor.
    pub(crate) visitor: Option<Cow<'c, str>>,
    /// How many items the click holds, each of which becomes a record; 0 if it is one record.
    pub(crate) items: usize,
    /// True if the client says that it sends the click again.
    pub(crate) retried: bool,
    /// True if the visitor refused to be counted.
    pub(crate) is_refused: bool,
    /// True if the client sent no ids on purpose, so that the edge makes a visitor.
    pub(crate) is_cookieless: bool,
}

#[derive(Deserialize)]
struct IdFields<'c> {
    #[serde(borrow, default)]
    id: Option<&'c RawValue>,
    #[serde(borrow, default)]
    visitor_id: Option<&'c RawValue>,
    #[serde(borrow, default)]
    items: Option<&'c RawValue>,
    #[serde(borrow, default)]
    retry: Option<&'c RawValue>,
    #[serde(borrow, default)]
    consent: Option<&'c RawValue>,
    #[serde(borrow, default)]
    cookieless: Option<&'c RawValue>,
}

impl<'c> ClickIdentity<'c> {
    /// Reads a native click's fields in one borrowed pass. Fails if one of them occurs twice,
    /// because then it is not known which click this is.
    pub(crate) fn of(click: &'c RawValue) -> Result<Self, String> {
        let fields: IdFields<'_> = serde_json::from_str(click.get()).map_err(|error| {
            let reason = parse_reason(&error);
            format!("the click's identity cannot be read: {reason}")
        })?;
        Ok(Self {
            id: fields.id.and_then(as_text),
            visitor: fields.visitor_id.and_then(as_text),
            items: fields.items.map_or(0, count_items),
            retried: fields.retry.is_some_and(|retry| retry.get() == "true"),
            is_refused: fields.consent.is_some_and(consent::refuses),
            is_cookieless: fields.cookieless.is_some_and(is_true),
        })
    }
}

/// Returns true for yes as JSON has it, or as a query does.
pub(crate) fn is_true(value: &RawValue) -> bool {
    matches!(value.get(), "true" | "1" | r#""true""# | r#""1""#)
}

/// Returns how many objects an array holds; 0 if anything else is in it, or if it is no array.
pub(crate) fn count_items(array: &RawValue) -> usize {
    if !array.get().starts_with('[') {
        return 0;
    }
    let items: Vec<&RawValue> = serde_json::from_str(array.get()).unwrap_or_default();
    match items.iter().all(|item| item.get().starts_with('{')) {
        true => items.len(),
        false => 0,
    }
}

/// Generates a UUIDv7 from the clock's time and fresh randomness.
pub(crate) fn generate_id(clock: &dyn Clock) -> Uuid {
    let millis = u64::try_from(clock.now().millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use topic::Timestamp;

    use super::*;
    use crate::testing::FixedClock;

    #[test]
    fn input_22_ids_are_taken_as_text() {
        let check = |json: &str, id: Option<&str>, visitor: Option<&str>| {
            let click: &RawValue = serde_json::from_str(json).unwrap();
            let found = ClickIdentity::of(click).unwrap();
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
    fn items_are_objects_in_an_array_and_a_retry_is_true() {
        let check = |json: &str, items: usize, retried: bool| {
            let click: &RawValue = serde_json::from_str(json).unwrap();
            let found = ClickIdentity::of(click).unwrap();
            assert_eq!((found.items, found.retried), (items, retried), "{json}");
        };
        check(
            r#"{"items":[{"product_id":"a"}, {}],"retry":true}"#,
            2,
            true,
        );
        check(r#"{"items":[],"retry":false}"#, 0, false);
        check(r#"{"items":[{},1],"retry":"true"}"#, 0, false);
        check(r#"{"items":{"0":{}},"retry":null}"#, 0, false);
        check(r#"{"properties":{"items":[{}],"retry":true}}"#, 0, false);
    }

    #[test]
    fn input_08_a_field_of_the_edges_own_must_stand_once() {
        for json in [
            r#"{"id":1,"id":2}"#,
            r#"{"visitor_id":1,"id":3,"visitor_id":1}"#,
            r#"{"id":1,"\u0069d":1}"#,
        ] {
            let click: &RawValue = serde_json::from_str(json).unwrap();
            let reason = ClickIdentity::of(click).unwrap_err();
            assert!(reason.contains("duplicate field"), "{json}");
        }
        let click: &RawValue =
            serde_json::from_str(r#"{"a":1,"a":2,"p":{"id":1,"id":2}}"#).unwrap();
        assert!(ClickIdentity::of(click).is_ok());
    }

    #[test]
    fn a_generated_id_carries_the_clocks_time() {
        let clock = FixedClock(Timestamp::from_micros(1_700_000_000_123_456));
        let id = generate_id(&clock);
        assert_eq!(id.get_version_num(), 7);
        let time = id.get_timestamp().unwrap();
        assert_eq!(time.to_unix(), (1_700_000_000, 123_000_000));
        assert_ne!(id, generate_id(&clock), "the rest of the id is random");
    }
}
