//! A record that was put to a stream of Kinesis or Firehose: `data` is what was put, read as a
//! native click if it is an object.

use topic::Envelope;

use super::items::native_click;
use crate::row::native::{NativeClick, Scalar};
use crate::row::properties::entries;

/// Reads a record. Its data's own `id` is a property: what such a stream holds may call anything
/// so.
pub(super) fn read<'r>(envelope: &Envelope<'r>) -> Result<NativeClick<'r>, serde_json::Error> {
    let mut click = NativeClick::default();
    let mut rest = Vec::new();
    for (key, value) in entries(envelope.click)? {
        match key == "data" && value.get().starts_with('{') {
            true => {
                click = native_click(value.get(), envelope.item)?;
                click.id = Scalar::Null;
                let id = entries(value.get())?
                    .into_iter()
                    .rfind(|(key, _)| key == "id");
                if let Some((key, id)) = id {
                    click.properties.insert(key, id);
                }
            }
            false => rest.push((key, value)),
        }
    }
    let shared = envelope.shared.map(entries).transpose()?;
    for (key, value) in rest.into_iter().chain(shared.into_iter().flatten()) {
        click.properties.insert(key, value);
    }
    Ok(click)
}
