//! The click of another tracker: where its fields are, by a table for each format.

use std::borrow::Cow;

use serde_json::value::RawValue;
use topic::Envelope;

use super::actions;
use super::epoch::{EpochUnit, moment};
use super::items::nth;
use crate::row::native::{NativeClick, Scalar};
use crate::row::properties::entries;
use crate::row::value::{number, whole};

/// Where the fields of a format's click are. A path names the keys from the click down, with a dot
/// between them.
pub(super) struct Mapping {
    /// Paths, each with the native field that its value is. The first path that has a value wins,
    /// and what the click says wins over what its body says of all clicks. A value that does not
    /// fit the field's column stays where the client wrote it.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// Paths of the moment at which it happened, as a number of this unit since 1970.
    pub(super) moments: &'static [(&'static str, EpochUnit)],
    /// Paths that say what was done by being there, where no field says it.
    pub(super) kinds: &'static [(&'static str, &'static str)],
    /// A path, and the actions that are the format's own there, each with the lake's word for it.
    pub(super) words: (&'static str, &'static [(&'static str, &'static str)]),
    /// The key of the object whose entries become properties of the row. Other keys that no path
    /// names become properties themselves.
    pub(super) properties: &'static str,
    /// The path of the items of an event that holds several; empty if none does.
    pub(super) items: &'static str,
    /// The keys of an item's fields, each with the native field that its value is.
    pub(super) item_fields: &'static [(&'static str, &'static str)],
}

/// A format whose clicks have nothing but properties.
pub(super) const UNMAPPED: Mapping = Mapping {
    fields: &[],
    moments: &[],
    kinds: &[],
    words: ("", &[]),
    properties: "",
    items: "",
    item_fields: &[],
};

/// An object's entries, in their order.
pub(in crate::row) type Entries<'r> = Vec<(Cow<'r, str>, &'r RawValue)>;

/// Reads a click by its format's mapping. What the body says once for all its clicks holds where
/// the click itself is silent.
pub(super) fn read<'r>(
    mapping: &Mapping,
    envelope: &Envelope<'r>,
) -> Result<NativeClick<'r>, serde_json::Error> {
    let fields = entries(envelope.click)?;
    let mut click = NativeClick::default();
    let mut taken = take(&mut click, mapping.fields, &fields)?;
    let moment = take_moment(&mut click, mapping.moments, &fields);
    taken.extend(moment.map(|path| (path, "occurred_at")));
    if let Some(shared) = envelope.shared {
        let shared = entries(shared)?;
        take(&mut click, mapping.fields, &shared)?;
        take_moment(&mut click, mapping.moments, &shared);
    }
    if click.action.is_blank() {
        let mut kinds = mapping.kinds.iter();
        let kind = kinds.find(|(path, _)| find(&fields, path).is_some());
        click.action = kind.map_or(Scalar::Null, |(_, kind)| Scalar::Text((*kind).into()));
    }
    let (path, own) = mapping.words;
    let is_own = taken.contains(&(path, "action"));
    if let Scalar::Text(action) = &click.action
        && let Some(word) = actions::word(action, if is_own { own } else { &[] })
        && *action != word
    {
        // The client's own word stays where it was written.
        taken.retain(|(_, field)| *field != "action");
        click.action = Scalar::Text(word.into());
    }
    let item = envelope.item.and_then(|item| {
        let items = find(&fields, mapping.items)?;
        nth(items, item)
    });
    for (key, value) in fields {
        if taken.iter().any(|(path, _)| *path == key) {
            continue;
        }
        let is_nested = key == mapping.properties && click.properties.nest(value).is_ok();
        if !is_nested {
            click.properties.insert(key, value);
        }
    }
    let properties = |path: &'static str| {
        let below = path.strip_prefix(mapping.properties)?;
        below.strip_prefix('.')
    };
    for key in taken.into_iter().filter_map(|(path, _)| properties(path)) {
        click.properties.remove(key);
    }
    if let Some(item) = item {
        // The items are rows of their own.
        let list = properties(mapping.items).unwrap_or(mapping.items);
        click.properties.remove(list);
        click.overlay(line(mapping, item)?);
    }
    Ok(click)
}

/// What is given back counts against what was bought: its quantity is negative. Other trackers write how
/// many are given back.
pub(in crate::row) fn give_back(click: &mut NativeClick<'_>) {
    if !matches!(&click.action, Scalar::Text(action) if action == actions::CANCEL) {
        return;
    }
    match whole("quantity", &click.quantity) {
        Ok(None) => click.quantity = Scalar::Signed(-1),
        Ok(Some(many)) if many > 0 => click.quantity = Scalar::Signed(-many),
        Ok(_) | Err(_) => {}
    }
}

/// Reads an item of an event.
fn line<'r>(mapping: &Mapping, item: &'r RawValue) -> Result<NativeClick<'r>, serde_json::Error> {
    let fields = entries(item.get())?;
    let mut line = NativeClick::default();
    let taken = take(&mut line, mapping.item_fields, &fields)?;
    for (key, value) in fields {
        if !taken.iter().any(|(path, _)| *path == key) {
            line.properties.insert(key, value);
        }
    }
    Ok(line)
}

/// Copies the values that have a path into the click. Returns the paths, each with its field.
fn take<'r>(
    click: &mut NativeClick<'r>,
    paths: &'static [(&'static str, &'static str)],
    fields: &Entries<'r>,
) -> Result<Vec<(&'static str, &'static str)>, serde_json::Error> {
    let mut taken = Vec::new();
    for (path, name) in paths {
        let Some(value) = find(fields, path) else {
            continue;
        };
        let Some(value) = fitting(name, value)? else {
            continue;
        };
        let place = click.field(name).expect("a mapping names native fields");
        if !value.is_blank() && place.is_blank() {
            *place = value;
            taken.push((*path, *name));
        }
    }
    Ok(taken)
}

/// Copies the first moment into the click. Returns its path.
fn take_moment(
    click: &mut NativeClick<'_>,
    paths: &[(&'static str, EpochUnit)],
    fields: &Entries<'_>,
) -> Option<&'static str> {
    if !click.occurred_at.is_blank() {
        return None;
    }
    let (path, text) = paths.iter().find_map(|(path, unit)| {
        let text = moment(find(fields, path)?, *unit)?;
        Some((*path, text))
    })?;
    click.occurred_at = Scalar::Text(text.into());
    Some(path)
}

/// A value as its field's column takes it; `None` if it takes no such value. The moment is judged
/// later, for all clicks alike.
pub(in crate::row) fn fitting<'r>(
    name: &str,
    written: &'r RawValue,
) -> Result<Option<Scalar<'r>>, serde_json::Error> {
    let read = serde_json::from_str::<Scalar<'r>>(written.get());
    let value = match (name, read) {
        ("occurred_at", read) => return read.map(Some),
        (_, Err(_)) => return Ok(None),
        (_, Ok(value)) => value,
    };
    let is_fitting = match name {
        "quantity" => whole(name, &value).is_ok(),
        "price" => number(name, &value).is_ok(),
        _ => !matches!(value, Scalar::Nested | Scalar::Bool(_)),
    };
    Ok(match value {
        _ if !is_fitting => None,
        // An id that is a number keeps its digits.
        Scalar::Float(_) if name != "price" && name != "quantity" => {
            Some(Scalar::Text(written.get().into()))
        }
        value => Some(value),
    })
}

/// The value at a path; of equal keys the last one.
pub(in crate::row) fn find<'r>(fields: &Entries<'r>, path: &str) -> Option<&'r RawValue> {
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
