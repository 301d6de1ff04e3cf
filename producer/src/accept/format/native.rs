//! The native click: an object whose fields have the columns' names.

use serde_json::value::RawValue;

use super::wire::WireFormat;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::{SplitBody, split};
use crate::accept::text::BodyText;

/// One object, an array of objects, or one object per line.
pub(crate) struct Native;

impl WireFormat for Native {
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        Ok(SplitBody::of(split(body, limit)?))
    }

    fn personal(&self) -> &'static [&'static str] {
        &["visitor_id", "session_id", "user_id"]
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        ClickIdentity::of(click)
    }
}
