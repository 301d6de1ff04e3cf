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
use serde_json::value::RawValue;
use sink::Reason;
use topic::Envelope;

use super::defect::Defect;
use super::native::{self, NativeClick};
use foreign::Mapping;
use items::{native_click, nth};
use mapped::MAPPED;

pub(super) use epoch::{EpochUnit, moment};
pub(super) use foreign::{Entries, find, fitting, give_back};
pub use table::mapping_tables;

/// An item of a click of that format that holds several.
pub(super) fn item<'r>(format: &str, click: &Entries<'r>, item: u32) -> Option<&'r RawValue> {
    let items = match FormatReader::of(format)? {
        FormatReader::Mapped(mapping) => mapping.items,
        FormatReader::Kinesis => "data.items",
        FormatReader::Native => "items",
    };
    nth(find(click, items)?, item)
}

/// Returns true if clicks may have that format. Those of files are native ones.
pub(super) fn is_known(format: &str) -> bool {
    format != "import" && FormatReader::of(format).is_some()
}

/// Returns true if the clicks of a format are another tracker's.
pub(super) fn is_foreign(format: &str) -> bool {
    matches!(FormatReader::of(format), Some(FormatReader::Mapped(_)))
}

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
pub(super) mod tests;
