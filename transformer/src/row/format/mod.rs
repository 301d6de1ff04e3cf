//! The wire formats: how the fields of each client's click become those of a native one.

mod actions;
mod cloudevents;
mod epoch;
mod foreign;
mod google;
mod items;
mod kinesis;
mod mapped;
mod matomo;
mod posthog;
mod segment;
mod snowplow;
mod table;

use serde::de::IgnoredAny;
use sink::Reason;
use topic::Envelope;

use super::defect::Defect;
use super::native::{self, NativeClick};
use foreign::Mapping;
use items::native_click;
use mapped::MAPPED;

pub use table::mapping_tables;

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
            _ => {
                let mapped = MAPPED.iter().find(|(name, ..)| *name == format);
                mapped.map(|(.., mapping)| Self::Mapped(mapping))
            }
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
