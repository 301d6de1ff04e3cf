//! The tracking API of Matomo: a hit in the query or in a form, or `{"requests": ["?…", …]}`. A
//! hit has no id. The public reference is Matomo's "Tracking HTTP API".

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::form;
use super::object::{ObjectText, array};
use super::paths::{EventPaths, NO_PATHS, key_in};
use super::wire::WireFormat;
use crate::accept::fields::{ObjectFields, as_text, without};
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::{SplitBody, split};
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    visitor: &["cid", "_id", "uid"],
    items: "items",
    required: &["idsite"],
    personal: &["_id", "cid", "uid"],
    ..NO_PATHS
};
/// The key of a user of Matomo, and a whole address that any client may claim.
const LEFT_OUT: [&str; 2] = ["token_auth", "cip"];
/// What each place in an item of `ec_items` is.
const ITEM: [&[u8]; 5] = [b"sku", b"name", b"category", b"price", b"quantity"];

/// Hits of a page or a server.
#[derive(Debug)]
pub(crate) struct MatomoHits<'r> {
    pub(crate) query: &'r str,
}

impl WireFormat for MatomoHits<'_> {
    fn to_json(&self, body: Bytes, _: usize) -> Result<Bytes, Rejection> {
        if !form::is_json(&body) {
            return Ok(hit(self.query.as_bytes(), &body).into());
        }
        let text = BodyText::read(&body)?;
        let Some(requests) = requests(&text) else {
            return Err(Rejection::malformed(
                "the body is neither a form nor an object with a list `requests`",
            ));
        };
        let hits: Vec<_> = requests.into_iter().map(listed).collect();
        Ok(array(&hits).into())
    }

    fn key(&self, body: Bytes, _: usize) -> Option<String> {
        const KEY: &str = "token_auth";
        let of_query = |query: &[u8]| {
            let (_, key) = form::pairs(query).find(|(name, _)| name == KEY.as_bytes())?;
            String::from_utf8(key).ok()
        };
        if !form::is_json(&body) {
            return of_query(&body);
        }
        let of_first = || {
            let text = BodyText::read(&body).ok()?;
            let requests = requests(&text)?;
            let first = as_text(requests.first()?)?;
            of_query(first.rsplit('?').next()?.as_bytes())
        };
        key_in(&body, "requests", &[KEY]).or_else(of_first)
    }

    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        Ok(SplitBody::of(split(body, limit)?))
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        PATHS.read(click)
    }
}

/// The hits of a list; `None` if the body is none.
fn requests<'b>(body: &'b BodyText<'_>) -> Option<Vec<&'b RawValue>> {
    let fields = ObjectFields::read(body.as_str().trim()).ok()?;
    serde_json::from_str(fields.find("requests").ok()??.get()).ok()
}

/// An element of `requests`: a query, or an object of its parameters.
fn listed(request: &RawValue) -> Vec<u8> {
    let json = request.get();
    let query = match json.starts_with('"') {
        true => as_text(request),
        false => None,
    };
    match query {
        Some(query) => {
            let query = query.split_once('?').map_or(&*query, |(_, query)| query);
            hit(query.as_bytes(), b"")
        }
        None => without(request, &LEFT_OUT).get().as_bytes().to_vec(),
    }
}

/// The JSON of a hit. What both the query and the form say, the query decides.
fn hit(query: &[u8], body: &[u8]) -> Vec<u8> {
    let mut hit = ObjectText::new();
    let mut add = |name: &[u8], value: &[u8]| match name {
        _ if LEFT_OUT.iter().any(|out| out.as_bytes() == name) => {}
        b"ec_items" => match items(value) {
            Some(items) => hit.json(b"items", &items),
            None => hit.text(name, value),
        },
        b"items" => {}
        _ => hit.text(name, value),
    };
    let mut known = HashSet::new();
    for (name, value) in form::pairs(query) {
        add(&name, &value);
        known.insert(name);
    }
    for (name, value) in form::pairs(body) {
        if !known.contains(&name) {
            add(&name, &value);
        }
    }
    hit.end()
}

/// The items of an order as objects: `[["sku", "name", "category", price, quantity], …]`, of which
/// only the first is always there. `None` if the text is anything else.
fn items(text: &[u8]) -> Option<Vec<u8>> {
    let rows: Vec<Vec<&RawValue>> = serde_json::from_slice(text).ok()?;
    let item = |row: &Vec<&RawValue>| {
        let mut item = ObjectText::new();
        for (name, value) in ITEM.into_iter().zip(row) {
            item.json(name, value.get().as_bytes());
        }
        item.end()
    };
    let items: Vec<_> = rows.iter().map(item).collect();
    (!items.is_empty()).then(|| array(&items))
}
