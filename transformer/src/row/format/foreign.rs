//! The click of another tracker: where its fields are, by a table for each format.

use std::borrow::Cow;

use serde_json::value::RawValue;
use topic::Envelope;

use super::nth;
use crate::row::native::{NativeClick, Scalar};
use crate::row::properties::entries;

/// Where the fields of a format's click are. A path names the keys from the click down, with a dot
/// between them.
pub(super) struct Mapping {
    /// Paths, each with the native field that its value is. The first path that has a value wins.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// The key of the object whose entries become properties of the row. Other keys that no path
    /// names become properties themselves.
    pub(super) properties: &'static str,
    /// The path of the items of an event that holds several.
    pub(super) items: &'static str,
    /// The keys of an item's fields, each with the native field that its value is.
    pub(super) item_fields: &'static [(&'static str, &'static str)],
}

/// An object's entries, in their order.
type Entries<'r> = Vec<(Cow<'r, str>, &'r RawValue)>;

/// Reads a click by its format's mapping. What the body says once for all its clicks holds where
/// the click itself is silent.
pub(super) fn read<'r>(
    mapping: &Mapping,
    envelope: &Envelope<'r>,
) -> Result<NativeClick<'r>, serde_json::Error> {
    let mut fields = entries(envelope.click)?;
    let shared = match envelope.shared {
        Some(shared) => entries(shared)?,
        None => Entries::new(),
    };
    let mut click = NativeClick::default();
    take(&mut click, mapping.fields, &mut fields, &shared)?;
    let item = envelope.item.and_then(|item| {
        let items = find(&fields, mapping.items)?;
        nth(items, item)
    });
    for (key, value) in fields {
        match key == mapping.properties {
            true => click
                .properties
                .nest(value)
                .map_err(serde::de::Error::custom)?,
            false => click.properties.insert(key, value),
        }
    }
    if let Some(item) = item {
        let mut fields = entries(item.get())?;
        let mut line = NativeClick::default();
        take(&mut line, mapping.item_fields, &mut fields, &Entries::new())?;
        for (key, value) in fields {
            line.properties.insert(key, value);
        }
        if let Some(list) = mapping.items.strip_prefix(mapping.properties) {
            // The lines are rows of their own.
            click.properties.remove(list.trim_start_matches('.'));
        }
        click.overlay(line);
    }
    Ok(click)
}

/// Moves the fields that have a path into the click.
fn take<'r>(
    click: &mut NativeClick<'r>,
    paths: &[(&str, &str)],
    fields: &mut Entries<'r>,
    shared: &Entries<'r>,
) -> Result<(), serde_json::Error> {
    for (path, name) in paths {
        let Some(value) = find(fields, path).or_else(|| find(shared, path)) else {
            continue;
        };
        let value: Scalar<'r> = serde_json::from_str(value.get())?;
        let place = click.field(name).expect("a mapping names native fields");
        if value.is_blank() || !place.is_blank() {
            continue;
        }
        *place = value;
        fields.retain(|(key, _)| key != path);
    }
    Ok(())
}

/// The value at a path; of equal keys the last one.
fn find<'r>(fields: &Entries<'r>, path: &str) -> Option<&'r RawValue> {
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    let (_, value) = fields.iter().rev().find(|(known, _)| known == key)?;
    match rest {
        None => Some(value),
        Some(rest) => find(&entries(value.get()).ok()?, rest),
    }
}
