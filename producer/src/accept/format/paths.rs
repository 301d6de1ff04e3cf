//! Where a format's event says which one it is, and how its bodies are lists of events.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::accept::fault::parse_reason;
use crate::accept::fields::{ObjectFields, as_text, without};
use crate::accept::identity::{ClickIdentity, count_items, is_true};
use crate::accept::rejection::Rejection;
use crate::accept::scan::{self, MAX_DEPTH};
use crate::accept::split::{BodyItem, LIST_DEPTH, SplitBody, split, split_list};
use crate::accept::text::BodyText;
use crate::privacy::consent;

/// The paths of what the edge reads of an event: the keys from the event down, with a dot between
/// them. Of several paths the first that has a value counts.
pub(super) struct EventPaths {
    pub(super) id: &'static [&'static str],
    pub(super) visitor: &'static [&'static str],
    /// Empty if an event of this format is one record.
    pub(super) items: &'static str,
    /// What no event of this format lacks.
    pub(super) required: &'static [&'static str],
    /// Where the event says what its visitor consents to; empty if it does not.
    pub(super) consent: &'static str,
    /// Where it says that it has no ids on purpose; empty if it does not.
    pub(super) cookieless: &'static str,
    /// What tells whose event it is, and whose device, in the event and in what its body shares.
    pub(super) personal: &'static [&'static str],
}

/// A format of which the edge reads nothing.
pub(super) const NO_PATHS: EventPaths = EventPaths {
    id: &[],
    visitor: &[],
    items: "",
    required: &[],
    consent: "",
    cookieless: "",
    personal: &[],
};

impl EventPaths {
    /// Reads an event's identity.
    pub(super) fn read<'c>(&self, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        let unreadable = |reason| format!("the event's identity cannot be read: {reason}");
        let fields =
            ObjectFields::read(click.get()).map_err(|error| unreadable(parse_reason(&error)))?;
        for path in self.required {
            if text(&fields, &[path]).map_err(unreadable)?.is_none() {
                return Err(format!("the event has no `{path}`"));
            }
        }
        let find = |path: &str| match path.is_empty() {
            true => Ok(None),
            false => fields.find(path).map_err(unreadable),
        };
        Ok(ClickIdentity {
            id: text(&fields, self.id).map_err(unreadable)?,
            visitor: text(&fields, self.visitor).map_err(unreadable)?,
            items: find(self.items)?.map_or(0, count_items),
            retried: false,
            is_refused: find(self.consent)?.is_some_and(consent::refuses),
            is_cookieless: find(self.cookieless)?.is_some_and(is_true),
        })
    }
}

/// The first of some paths that has a value, as text.
fn text<'c>(fields: &ObjectFields<'c>, paths: &[&str]) -> Result<Option<Cow<'c, str>>, String> {
    for path in paths {
        if let Some(text) = fields.find(path)?.and_then(as_text) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// Splits a body that is events as native clicks are, or an object with a list of them. What is at
/// the paths `left_out` reaches no topic.
pub(super) fn split_events<'b>(
    body: &'b BodyText<'_>,
    list: &str,
    left_out: &[&str],
    limit: usize,
) -> Result<SplitBody<'b>, Rejection> {
    let found = match split_list(body, list, limit)? {
        Some(found) => found,
        None => SplitBody::of(split(body, limit)?),
    };
    Ok(leave_out(found, left_out))
}

/// The same for a format whose bodies are always an object with a list.
pub(super) fn split_listed<'b>(
    body: &'b BodyText<'_>,
    list: &str,
    left_out: &[&str],
    limit: usize,
) -> Result<SplitBody<'b>, Rejection> {
    match split_list(body, list, limit)? {
        Some(found) => Ok(leave_out(found, left_out)),
        None => {
            // What is not even an object has a sentence of its own.
            split(body, limit)?;
            Err(Rejection::malformed(format!(
                "the body is no object with a list `{list}`"
            )))
        }
    }
}

/// Finds the key of a body at the first of some paths that holds one: of the body, or of the first
/// event of its list that has one. `None` if there is none.
pub(super) fn key_in(body: &[u8], list: &str, paths: &[&str]) -> Option<String> {
    let body = BodyText::read(body).ok()?;
    let json = body.as_str().trim();
    scan::end(json, MAX_DEPTH + LIST_DEPTH).ok()?;
    let of_event = |event: &&RawValue| key_of_object(event.get(), paths);
    let of_events = |events: &str| {
        let events: Vec<&RawValue> = serde_json::from_str(events).ok()?;
        events.iter().find_map(of_event)
    };
    if json.starts_with('[') {
        return of_events(json);
    }
    let in_list = || {
        let found = ObjectFields::read(json).ok()?.find(list).ok()??;
        of_events(found.get())
    };
    key_of_object(json, paths).or_else(in_list)
}

fn key_of_object(json: &str, paths: &[&str]) -> Option<String> {
    let fields = ObjectFields::read(json).ok()?;
    text(&fields, paths).ok()?.map(Cow::into_owned)
}

/// Adds the visitor that the body names once for all its events, at the first of these paths that
/// holds one.
pub(super) fn with_visitor<'b>(
    mut found: SplitBody<'b>,
    paths: &[&str],
) -> Result<SplitBody<'b>, Rejection> {
    if let Some(shared) = &found.shared
        && let Ok(fields) = ObjectFields::read(shared.get())
    {
        let visitor = text(&fields, paths).map_err(Rejection::malformed)?;
        found.visitor = visitor.map(Cow::into_owned);
    }
    Ok(found)
}

/// Takes the values at some paths out of the clicks and out of what they share.
fn leave_out<'b>(mut found: SplitBody<'b>, paths: &[&str]) -> SplitBody<'b> {
    for item in &mut found.items {
        if let BodyItem::Click(click) = item
            && let Cow::Borrowed(whole) = *click
        {
            *click = without(whole, paths);
        }
    }
    let shared = found
        .shared
        .map(|shared| without(&shared, paths).into_owned());
    found.shared = shared.filter(|shared| shared.get() != "{}");
    found
}
