//! The wire formats: how the fields of each client's click become those of a native one.

mod cloudevents;
mod epoch;
mod foreign;
mod google;
mod matomo;
mod posthog;
mod segment;
mod snowplow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sink::Reason;
use topic::Envelope;

use super::defect::Defect;
use super::native::{self, NativeClick};

/// Reads the click in its wire format. Import and pixel clicks are native ones that came
/// another way.
pub(super) fn parse<'r>(envelope: &Envelope<'r>) -> Result<NativeClick<'r>, Defect> {
    let mapping = match &*envelope.format {
        "native" | "pixel" | "import" => None,
        "segment" => Some(&segment::MAPPING),
        "snowplow" => Some(&snowplow::MAPPING),
        "posthog" => Some(&posthog::MAPPING),
        "ga4" => Some(&google::MEASUREMENT_PROTOCOL),
        "gtag" => Some(&google::TAG),
        "matomo" => Some(&matomo::MAPPING),
        "cloudevents" => Some(&cloudevents::MAPPING),
        other => {
            let detail = format!("wire format {other:?}");
            return Err(Defect::new(Reason::UnknownVersion, detail));
        }
    };
    if !envelope.click.starts_with('{') {
        return Err(Defect::new(
            Reason::NotAnObject,
            "the click is not a JSON object",
        ));
    }
    let read = match mapping {
        None => native_click(envelope),
        Some(mapping) => foreign::read(mapping, envelope),
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

/// Reads a native click. Of one that holds several items, the fields of the envelope's item are
/// those of the click.
fn native_click<'r>(envelope: &Envelope<'r>) -> Result<NativeClick<'r>, serde_json::Error> {
    let mut click: NativeClick<'r> = serde_json::from_str(envelope.click)?;
    let Some(items) = click.items.take() else {
        return Ok(click);
    };
    match envelope.item {
        None => click.properties.insert("items".into(), items),
        Some(item) => {
            if let Some(item) = nth(items, item) {
                click.overlay(serde_json::from_str(item.get())?);
            }
        }
    }
    Ok(click)
}

/// Returns an array's element; `None` if there is none.
fn nth(array: &RawValue, place: u32) -> Option<&RawValue> {
    let items: Vec<&RawValue> = serde_json::from_str(array.get()).ok()?;
    items.get(usize::try_from(place).ok()?).copied()
}

#[cfg(test)]
mod tests;
