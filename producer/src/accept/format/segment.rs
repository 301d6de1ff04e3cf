//! The HTTP API of Segment, which RudderStack speaks too: one event, or
//! `{"batch": [event, …], …}`, whose other fields hold for all of its events. The public
//! reference is Segment's "HTTP Tracking API source".

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SplitBody, WireFormat};
use crate::accept::fault::parse_reason;
use crate::accept::identity::{ClickIdentity, as_text, count_items};
use crate::accept::rejection::Rejection;
use crate::accept::split::{split, split_list};
use crate::accept::text::BodyText;

/// Events of the calls `track`, `page`, `screen`, `identify`, `group`, `alias`, or a batch.
pub(crate) struct Segment;

/// What the edge reads of an event. A field that occurs twice is an error.
#[derive(Deserialize)]
struct EventFields<'c> {
    #[serde(borrow, default, rename = "messageId")]
    message_id: Option<&'c RawValue>,
    #[serde(borrow, default, rename = "anonymousId")]
    anonymous_id: Option<&'c RawValue>,
    #[serde(borrow, default, rename = "userId")]
    user_id: Option<&'c RawValue>,
    #[serde(borrow, default)]
    properties: Option<&'c RawValue>,
}

/// The lines of an order.
#[derive(Deserialize, Default)]
struct Products<'c> {
    #[serde(borrow, default)]
    products: Option<&'c RawValue>,
}

impl WireFormat for Segment {
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        match split_list(body, "batch", limit)? {
            Some(found) => Ok(found),
            None => Ok(SplitBody {
                items: split(body, limit)?,
                shared: None,
            }),
        }
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        let fields: EventFields<'_> = serde_json::from_str(click.get()).map_err(|error| {
            let reason = parse_reason(&error);
            format!("the event's identity cannot be read: {reason}")
        })?;
        let text =
            |field: Option<&'c RawValue>| -> Option<Cow<'c, str>> { field.and_then(as_text) };
        let products = fields.properties.and_then(|properties| {
            let read = serde_json::from_str::<Products<'_>>(properties.get());
            read.unwrap_or_default().products
        });
        Ok(ClickIdentity {
            id: text(fields.message_id),
            visitor: text(fields.anonymous_id).or_else(|| text(fields.user_id)),
            items: products.map_or(0, count_items),
            retried: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accept::split::BodyItem;

    /// Returns each event's id, visitor and number of items, and what they share; or the status.
    fn read(body: &str) -> Result<(Vec<String>, Option<String>), u16> {
        let text = BodyText::read(body.as_bytes()).unwrap();
        let split = Segment
            .split(&text, 3)
            .map_err(|refused| refused.status())?;
        let shown = split.items.iter().enumerate().map(|(index, item)| {
            let BodyItem::Click(click) = item else {
                return "!".to_owned();
            };
            let found = Segment.identify(index, click).unwrap();
            let text = |field: Option<Cow<'_, str>>| field.unwrap_or("-".into()).into_owned();
            format!("{} {} {}", text(found.id), text(found.visitor), found.items)
        });
        let shared = split.shared.map(|shared| shared.get().to_owned());
        Ok((shown.collect(), shared))
    }

    #[test]
    fn an_event_or_a_batch_of_them() {
        let check = |body: &str, events: &[&str], shared: Option<&str>| {
            let events = events.iter().map(|event| (*event).to_owned()).collect();
            assert_eq!(
                read(body),
                Ok((events, shared.map(str::to_owned))),
                "{body}"
            );
        };
        check(
            r#"{"messageId":"m","anonymousId":"a","userId":"u"}"#,
            &["m a 0"],
            None,
        );
        check(
            r#"{"messageId":"m","anonymousId":null,"userId":7}"#,
            &["m 7 0"],
            None,
        );
        check(r#"{"properties":{"products":[{},{}]}}"#, &["- - 2"], None);
        check(r#"{"properties":7,"batch":"x"}"#, &["- - 0"], None);
        check(
            r#"{"writeKey":"k","batch":[{"messageId":"a"},7, {"messageId":"b"}],"sentAt":"x"}"#,
            &["a - 0", "!", "b - 0"],
            Some(r#"{"writeKey":"k","sentAt":"x"}"#),
        );
        check(r#"{"batch":[{"messageId":"a"}]}"#, &["a - 0"], None);
    }

    #[test]
    fn a_batch_without_events_and_one_with_too_many_are_refused() {
        let check = |body: &str, expect: u16| assert_eq!(read(body), Err(expect), "{body}");
        check(r#"{"batch":[]}"#, 400);
        check(r#"{"batch":[1]}"#, 400);
        check(r#"{"batch":[{},{},{},{}]}"#, 413);
        check(r#"{"batch":[{}"#, 400);
        check("", 400);
    }
}
