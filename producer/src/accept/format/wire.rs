//! What every wire format does.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::SplitBody;
use crate::accept::text::BodyText;

/// The form in which a kind of client sends its clicks.
pub(crate) trait WireFormat: Sync {
    /// Makes JSON of a body that is something else, such as a form. What is compressed in it is
    /// inflated up to `limit` bytes.
    fn to_json(&self, body: Bytes, limit: usize) -> Result<Bytes, Rejection> {
        let _ = limit;
        Ok(body)
    }

    /// Finds the key that a client of this format writes into an inflated body; `None` if there is
    /// none. No such key is in what `split` returns.
    fn key(&self, body: Bytes, limit: usize) -> Option<String> {
        let _ = (body, limit);
        None
    }

    /// Splits a body into at most `limit` items, of which at least one is a click.
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection>;

    /// The paths of what tells whose click it is, in the click and in what its body shares.
    fn personal(&self) -> &'static [&'static str];

    /// Reads which click the item at `index` is. Fails with a sentence if that is not known.
    fn identify<'c>(&self, index: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String>;
}
