//! The Measurement Protocol of Google Analytics 4: `{"client_id": …, "events": [event, …], …}`.
//! An event has no id.

use serde_json::value::RawValue;

use super::paths::{EventPaths, NO_PATHS, split_listed, with_visitor};
use super::wire::WireFormat;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::SplitBody;
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    items: "params.items",
    required: &["name"],
    personal: &[
        "client_id",
        "app_instance_id",
        "user_id",
        "user_properties",
        "user_data",
        "params.session_id",
        "params.ga_session_id",
    ],
    ..NO_PATHS
};
/// A key, and a whole address that any client may claim.
const LEFT_OUT: [&str; 2] = ["api_secret", "ip_override"];
/// Who sent the events, in a page or in an app.
const VISITOR: [&str; 3] = ["client_id", "app_instance_id", "user_id"];

/// Events of a server.
#[derive(Debug)]
pub(crate) struct MeasurementProtocol;

impl WireFormat for MeasurementProtocol {
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        with_visitor(split_listed(body, "events", &LEFT_OUT, limit)?, &VISITOR)
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        PATHS.read(click)
    }
}
