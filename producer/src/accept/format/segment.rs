//! The HTTP API of Segment, which RudderStack speaks too: one event, or
//! `{"batch": [event, …], …}`, whose other fields hold for all of its events. The public
//! reference is Segment's "HTTP Tracking API source".

use bytes::Bytes;
use serde_json::value::RawValue;

use super::form;
use super::object::ObjectText;
use super::paths::{EventPaths, NO_PATHS, key_in, split_events};
use super::wire::WireFormat;
use crate::accept::fields::ObjectFields;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::{BodyItem, SplitBody};
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    id: &["messageId"],
    visitor: &["anonymousId", "userId"],
    items: "properties.products",
    required: &[],
    consent: "context.consent.categoryPreferences",
    personal: &[
        "anonymousId",
        "userId",
        "previousId",
        "groupId",
        "traits",
        "integrations",
        "context.traits",
        "context.groupId",
        "context.sessionId",
        "context.device.id",
        "context.device.advertisingId",
        "context.device.token",
        "properties.session_id",
    ],
    ..NO_PATHS
};
/// The key of the source, which is for the edge only, and a whole address that any client may claim.
const LEFT_OUT: [&str; 2] = ["writeKey", "context.ip"];

/// Events of the calls `track`, `page`, `screen`, `identify`, `group`, `alias`, or a batch.
#[derive(Debug, Default)]
pub(crate) struct SegmentEvents<'r> {
    /// The call that the request's path names; `None` for a batch.
    pub(crate) call: Option<&'static str>,
    pub(crate) query: &'r str,
    /// True if the request says that it is not the first with these events.
    pub(crate) retried: bool,
}

impl WireFormat for SegmentEvents<'_> {
    fn to_json(&self, body: Bytes, limit: usize) -> Result<Bytes, Rejection> {
        form::unwrap(body, self.query, limit)
    }

    fn key(&self, body: Bytes, limit: usize) -> Option<String> {
        let body = form::unwrap(body, self.query, limit).ok()?;
        key_in(&body, "batch", &["writeKey"])
    }

    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        let mut found = split_events(body, "batch", &LEFT_OUT, limit)?;
        if let (Some(call), None) = (self.call, &found.shared)
            && found.items.iter().any(lacks_type)
        {
            let mut shared = ObjectText::new();
            shared.text(b"type", call.as_bytes());
            let shared = String::from_utf8(shared.end()).expect("a call's name is ASCII");
            found.shared = RawValue::from_string(shared).ok();
        }
        Ok(found)
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        Ok(ClickIdentity {
            retried: self.retried,
            ..PATHS.read(click)?
        })
    }
}

/// Returns true for an event that leaves it to the path which call it is.
fn lacks_type(item: &BodyItem<'_>) -> bool {
    match item {
        BodyItem::Click(click) => ObjectFields::read(click.get())
            .is_ok_and(|fields| matches!(fields.find("type"), Ok(None))),
        BodyItem::Bad(..) => false,
    }
}
