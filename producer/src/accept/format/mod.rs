//! The wire formats: how a body is split into clicks, and where a click says which one it is.
//!
//! An adapter only splits, identifies and wraps. What a click means is decided in the
//! transformer, format by format.

mod cloudevents;
mod form;
mod ga4;
mod gtag;
mod kinesis;
mod matomo;
mod native;
mod object;
mod paths;
mod posthog;
mod segment;
mod snowplow;
mod wire;

pub(crate) use cloudevents::CloudEvents;
pub(crate) use form::is_json;
pub(crate) use ga4::MeasurementProtocol;
pub(crate) use gtag::GoogleTag;
pub(crate) use kinesis::{Kinesis, record_id};
pub(crate) use matomo::MatomoHits;
pub(crate) use native::Native;
pub(crate) use posthog::PostHogEvents;
pub(crate) use segment::SegmentEvents;
pub(crate) use snowplow::SnowplowEvents;
pub(crate) use wire::WireFormat;

#[cfg(test)]
mod tests;
