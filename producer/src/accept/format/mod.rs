//! The wire formats: how a body is split into clicks, and where a click says which one it is.
//!
//! An adapter only splits, identifies and wraps. What a click means is decided in the
//! transformer, format by format.

mod cloudevents;
mod form;
mod ga4;
mod gtag;
mod matomo;
mod native;
mod object;
mod paths;
mod posthog;
mod segment;
mod snowplow;

pub(crate) use cloudevents::CloudEvents;
pub(crate) use form::is_json;
pub(crate) use ga4::MeasurementProtocol;
pub(crate) use gtag::GoogleTag;
pub(crate) use matomo::MatomoHits;
pub(crate) use native::Native;
pub(crate) use posthog::PostHogEvents;
pub(crate) use segment::SegmentEvents;
pub(crate) use snowplow::SnowplowEvents;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::identity::ClickIdentity;
use super::rejection::Rejection;
use super::split::SplitBody;
use super::text::BodyText;

/// The form in which a kind of client sends its clicks.
pub(crate) trait WireFormat: Sync {
    /// Makes JSON of a body that is something else, such as a form. What is compressed in it is
    /// inflated up to `limit` bytes.
    fn to_json(&self, body: Bytes, limit: usize) -> Result<Bytes, Rejection> {
        let _ = limit;
        Ok(body)
    }

    /// Splits a body into at most `limit` items, of which at least one is a click.
    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection>;

    /// Reads which click the item at `index` is. Fails with a sentence if that is not known.
    fn identify<'c>(&self, index: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String>;
}

#[cfg(test)]
mod tests;
