//! The formats of other trackers, and the mapping of each.

use super::foreign::Mapping;
use super::{cloudevents, google, matomo, posthog, segment, snowplow};

/// The formats of other trackers: their names in an envelope, whose they are, and where their fields are.
pub(super) const MAPPED: [(&str, &str, &Mapping); 7] = [
    ("segment", "Segment and RudderStack", &segment::MAPPING),
    ("snowplow", "Snowplow", &snowplow::MAPPING),
    ("posthog", "PostHog", &posthog::MAPPING),
    (
        "ga4",
        "Google Analytics 4, Measurement Protocol",
        &google::MEASUREMENT_PROTOCOL,
    ),
    ("gtag", "Google's tag", &google::TAG),
    ("matomo", "Matomo", &matomo::MAPPING),
    ("cloudevents", "CloudEvents", &cloudevents::MAPPING),
];
