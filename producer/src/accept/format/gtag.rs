//! What Google's tag sends for Analytics 4: a hit in the query, or what several hits share in the
//! query and one hit a line in the body. A hit has no id.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::form;
use super::object::{ObjectText, array};
use super::paths::{EventPaths, NO_PATHS, split_listed, with_visitor};
use super::wire::WireFormat;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::SplitBody;
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    visitor: &["cid", "uid"],
    items: "params.items",
    required: &["en"],
    consent: "gcs",
    personal: &["cid", "uid", "sid", "_fid", "ecid", "em", "pscdl"],
    ..NO_PATHS
};

/// What the edge writes itself, and a whole address that any client may claim.
const UNKEPT: [&[u8]; 3] = [b"hits", b"params", b"_uip"];

/// Hits of a page.
#[derive(Debug)]
pub(crate) struct GoogleTag<'r> {
    pub(crate) query: &'r str,
}

impl WireFormat for GoogleTag<'_> {
    fn to_json(&self, body: Bytes, _: usize) -> Result<Bytes, Rejection> {
        let lines = body.split(|byte| matches!(byte, b'\r' | b'\n'));
        let lines = lines.filter(|line| !line.trim_ascii().is_empty());
        let mut hits: Vec<Vec<u8>> = lines.map(|line| hit(line).end()).collect();
        let mut whole = match hits.is_empty() {
            true => {
                hits.push(hit(self.query.as_bytes()).end());
                ObjectText::new()
            }
            false => hit(self.query.as_bytes()),
        };
        whole.json(b"hits", &array(&hits));
        Ok(whole.end().into())
    }

    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        with_visitor(split_listed(body, "hits", &[], limit)?, PATHS.visitor)
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        PATHS.read(click)
    }
}

/// The JSON of a hit: `ep.NAME` and `epn.NAME` are in `params`, as text and as numbers, and the
/// items `pr1`, `pr2` and so on in its `items`, which is where the Measurement Protocol has them.
fn hit(query: &[u8]) -> ObjectText {
    let (mut hit, mut params, mut items) = (ObjectText::new(), ObjectText::new(), Vec::new());
    for (name, value) in form::pairs(query) {
        if let Some(name) = name.strip_prefix(b"epn.") {
            params.number(name, &value);
        } else if let Some(name) = name.strip_prefix(b"ep.") {
            // The edge writes these itself.
            if name != b"items" {
                params.text(name, &value);
            }
        } else if is_item(&name) {
            items.push(item(&value));
        } else if !UNKEPT.contains(&&*name) {
            hit.text(&name, &value);
        }
    }
    if !items.is_empty() {
        params.json(b"items", &array(&items));
    }
    if !params.is_empty() {
        hit.json(b"params", &params.end());
    }
    hit
}

fn is_item(name: &[u8]) -> bool {
    let number = name.strip_prefix(b"pr").unwrap_or_default();
    !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

/// An item: `idSKU~nmName~pr9.99~qt1`, two letters that name each value, and names and values of
/// others by number: `k0colour~v0red`.
fn item(text: &[u8]) -> Vec<u8> {
    let (mut item, mut names) = (ObjectText::new(), Vec::new());
    for part in text.split(|byte| *byte == b'~') {
        let Some((code, value)) = part.split_at_checked(2) else {
            continue;
        };
        match code {
            [b'k', number] => names.push((*number, value)),
            [b'v', number] if number.is_ascii_digit() => {
                let name = names.iter().find(|(known, _)| known == number);
                item.text(name.map_or(code, |(_, name)| *name), value);
            }
            b"pr" | b"qt" => item.number(code, value),
            _ => item.text(code, value),
        }
    }
    item.end()
}
