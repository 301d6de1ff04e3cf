//! The wire formats: how a body is split into clicks, and where a click says which one it is.
//!
//! An adapter only splits, identifies and wraps. What a click means is decided in the
//! transformer, format by format.

mod native;
mod segment;

pub(crate) use native::Native;
pub(crate) use segment::Segment;

use serde_json::value::RawValue;

use super::identity::ClickIdentity;
use super::rejection::Rejection;
use super::split::BodyItem;
use super::text::BodyText;

/// A body as its clicks.
#[derive(Debug)]
pub(crate) struct SplitBody<'b> {
    /// At least one of them is a click.
    pub(crate) items: Vec<BodyItem<'b>>,
    /// What the body says once for all its clicks, as an object; `None` if it says nothing.
    pub(crate) shared: Option<Box<RawValue>>,
}

/// The form in which a kind of client sends its clicks.
pub(crate) trait WireFormat: Sync {
    /// Splits a body into at most `limit` items, of which at least one is a click.
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection>;

    /// Reads which click the item at `index` is. Fails with a sentence if that is not known.
    fn identify<'c>(&self, index: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String>;
}
