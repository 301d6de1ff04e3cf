//! The capture API of PostHog: one event, an array of them, or `{"batch": [event, …], …}`, plain
//! or in a form's `data`. The public reference is PostHog's "Capture API".

use bytes::Bytes;
use serde_json::value::RawValue;

use super::form;
use super::paths::{EventPaths, NO_PATHS, key_in, split_events};
use super::wire::WireFormat;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::SplitBody;
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    id: &["uuid", "properties.$insert_id"],
    visitor: &["distinct_id", "properties.distinct_id", "$distinct_id"],
    required: &["event"],
    cookieless: "properties.$cookieless_mode",
    personal: &[
        "distinct_id",
        "$distinct_id",
        "$set",
        "$set_once",
        "properties.distinct_id",
        "properties.alias",
        "properties.$anon_distinct_id",
        "properties.$device_id",
        "properties.$user_id",
        "properties.$session_id",
        "properties.$window_id",
        "properties.$groups",
        "properties.$set",
        "properties.$set_once",
    ],
    ..NO_PATHS
};
/// Where the libraries write the key of the project.
const KEYS: [&str; 3] = ["api_key", "token", "properties.token"];
/// The key of the project, which is for the edge only, wherever the libraries write it, and a whole
/// address that any client may claim.
const LEFT_OUT: [&str; 4] = ["api_key", "token", "properties.token", "properties.$ip"];

/// Events of the libraries of PostHog.
#[derive(Debug)]
pub(crate) struct PostHogEvents<'r> {
    pub(crate) query: &'r str,
}

impl WireFormat for PostHogEvents<'_> {
    fn to_json(&self, body: Bytes, limit: usize) -> Result<Bytes, Rejection> {
        form::unwrap(body, self.query, limit)
    }

    fn key(&self, body: Bytes, limit: usize) -> Option<String> {
        let body = form::unwrap(body, self.query, limit).ok()?;
        key_in(&body, "batch", &KEYS)
    }

    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        split_events(body, "batch", &LEFT_OUT, limit)
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        PATHS.read(click)
    }
}
