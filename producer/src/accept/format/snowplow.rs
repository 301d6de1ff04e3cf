//! The tracker protocol of Snowplow: one event in the query of a GET, or
//! `{"schema": …, "data": [event, …]}`. The public reference is "Snowplow Tracker Protocol".

use bytes::Bytes;
use serde_json::value::RawValue;

use super::form;
use super::object::ObjectText;
use super::paths::{EventPaths, NO_PATHS, split_listed};
use super::wire::WireFormat;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::{SplitBody, split};
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    id: &["eid"],
    visitor: &["duid", "tnuid", "nuid"],
    required: &["e"],
    personal: &[
        "duid", "tnuid", "nuid", "uid", "sid", "vid", "fp", "co", "cx",
    ],
    ..NO_PATHS
};
/// The schema of all bodies says nothing of a click, and an address any client may claim.
const LEFT_OUT: [&str; 2] = ["schema", "ip"];

/// Events, and what the request says of their visitor.
#[derive(Debug, Default)]
pub(crate) struct SnowplowEvents<'r> {
    /// The event of a GET; `None` for a POST.
    pub(crate) query: Option<&'r str>,
    /// The cookie `sp`; `None` if there is none, or if it must not be read.
    pub(crate) network_user: Option<String>,
}

impl WireFormat for SnowplowEvents<'_> {
    fn to_json(&self, body: Bytes, _: usize) -> Result<Bytes, Rejection> {
        let Some(query) = self.query else {
            return Ok(body);
        };
        let mut event = ObjectText::new();
        for (name, value) in form::pairs(query.as_bytes()) {
            if name != b"ip" {
                event.text(&name, &value);
            }
        }
        Ok(event.end().into())
    }

    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        let mut found = match self.query {
            Some(_) => SplitBody::of(split(body, limit)?),
            None => split_listed(body, "data", &LEFT_OUT, limit)?,
        };
        if let Some(user) = &self.network_user {
            let mut shared = ObjectText::new();
            shared.text(b"nuid", user.as_bytes());
            let shared = String::from_utf8(shared.end()).expect("it is made of text");
            found.shared = RawValue::from_string(shared).ok();
            found.visitor = Some(user.clone());
        }
        Ok(found)
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        PATHS.read(click)
    }
}
