//! The wire formats: how the fields of each client's click become those of a native one.

mod cloudevents;
mod epoch;
mod foreign;
mod google;
mod items;
mod kinesis;
mod matomo;
mod posthog;
mod segment;
mod snowplow;

use serde::de::IgnoredAny;
use sink::Reason;
use topic::Envelope;

use super::defect::Defect;
use super::native::{self, NativeClick};
use foreign::Mapping;
use items::native_click;

/// How the clicks of a wire format are read.
enum FormatReader {
    Native,
    Kinesis,
    Mapped(&'static Mapping),
}

impl FormatReader {
    /// The reader of a format; `None` if it is not known. Import and pixel clicks are native ones
    /// that came another way.
    fn of(format: &str) -> Option<Self> {
        match format {
            "native" | "pixel" | "import" => Some(Self::Native),
            "kinesis" => Some(Self::Kinesis),
            "segment" => Some(Self::Mapped(&segment::MAPPING)),
            "snowplow" => Some(Self::Mapped(&snowplow::MAPPING)),
            "posthog" => Some(Self::Mapped(&posthog::MAPPING)),
            "ga4" => Some(Self::Mapped(&google::MEASUREMENT_PROTOCOL)),
            "gtag" => Some(Self::Mapped(&google::TAG)),
            "matomo" => Some(Self::Mapped(&matomo::MAPPING)),
            "cloudevents" => Some(Self::Mapped(&cloudevents::MAPPING)),
            _ => None,
        }
    }
}

/// Reads the click in its wire format.
pub(super) fn parse<'r>(envelope: &Envelope<'r>) -> Result<NativeClick<'r>, Defect> {
    let reader = FormatReader::of(&envelope.format).ok_or_else(|| {
        let detail = format!("wire format {:?}", envelope.format);
        Defect::new(Reason::UnknownVersion, detail)
    })?;
    if !envelope.click.starts_with('{') {
        return Err(Defect::new(
            Reason::NotAnObject,
            "the click is not a JSON object",
        ));
    }
    let read = match reader {
        FormatReader::Native => native_click(envelope.click, envelope.item),
        FormatReader::Kinesis => kinesis::read(envelope),
        FormatReader::Mapped(mapping) => foreign::read(mapping, envelope),
    };
    read.map_err(|error| {
        let reason = if serde_json::from_str::<IgnoredAny>(envelope.click).is_err() {
            Reason::NotAnEnvelope
        } else if native::is_out_of_range(&error) {
            Reason::OutOfRange
        } else {
            Reason::WrongType
        };
        Defect::new(reason, error.to_string())
    })
}

#[cfg(test)]
mod tests;
