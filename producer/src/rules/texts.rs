//! The texts of a request in which patterns are looked for, each with its place.

use std::borrow::Cow;

use actix_web::http::header::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_OF_PARAMETERS;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::request::RequestHead;
use crate::accept::strings::JsonStrings;

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TextPart {
    Path,
    Query,
    Headers,
    Body,
}

impl TextPart {
    pub(super) const ALL: [Self; 4] = [Self::Path, Self::Query, Self::Headers, Self::Body];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Headers => "header",
            Self::Body => "body",
        }
    }
}

/// How often JSON may be in a string of JSON.
const MAX_JSON_DEPTH: usize = 2;
/// How many bytes of a body are gone through for each byte that may be looked at: the rest is
/// numbers and signs.
const MAX_MARKUP_SHARE: usize = 4;

/// One text of a request.
pub(super) struct RequestText<'r> {
    pub(super) part: TextPart,
    /// The parameter, header or key whose text it is; empty if there is none.
    pub(super) name: &'r str,
    pub(super) text: Cow<'r, str>,
}

/// How many bytes of texts may still be looked at.
#[derive(Debug)]
pub(super) struct TextBudget {
    left: usize,
    pub(super) is_cut: bool,
}

impl TextBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            left: bytes,
            is_cut: false,
        }
    }

    /// Takes a text, or what may still be looked at of it.
    fn take<'t>(&mut self, text: &'t str) -> &'t str {
        let taken = &text[..text.floor_char_boundary(self.left)];
        self.left -= taken.len();
        self.is_cut |= taken.len() < text.len();
        taken
    }
}

/// Headers that hold no text of a client's choice, or a secret and nothing else.
const PASSED_OVER: [&str; 10] = [
    "host",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "keep-alive",
];

/// Calls `look` with the texts of a head that are in `parts`, until it returns true or the budget is
/// used up. Returns true if `look` did.
pub(super) fn of_head(
    head: &RequestHead<'_>,
    parts: &[TextPart],
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    (parts.contains(&TextPart::Path) && of_path(head.path, budget, look))
        || (parts.contains(&TextPart::Query) && of_query(head.query, budget, look))
        || (parts.contains(&TextPart::Headers) && of_headers(head.headers, budget, look))
}

fn of_path(
    path: &str,
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    let path = budget.take(path);
    let mut say = |text| {
        look(RequestText {
            part: TextPart::Path,
            name: "",
            text,
        })
    };
    say(Cow::Borrowed(path)) || path.contains('+') && say(spaces(path))
}

fn of_query(
    query: &str,
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    form(query, TextPart::Query, budget, look)
}

/// The parameters of a query or of a form, and the whole of it, since attacks hold `&` too.
fn form(
    text: &str,
    part: TextPart,
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    if text.is_empty() {
        return false;
    }
    let text = budget.take(text);
    let mut holds_json = false;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let Some(json) = json_of_parameter(value) {
            holds_json = true;
            if strings(&json, part, MAX_JSON_DEPTH, budget, look) {
                return true;
            }
            continue;
        }
        let mut say = |name, text| look(RequestText { part, name, text });
        if say(name, spaces(value)) || say("", spaces(name)) {
            return true;
        }
    }
    // The quotes and braces of JSON are no signs of an attack.
    let mut whole = || {
        look(RequestText {
            part,
            name: "",
            text: spaces(text),
        })
    };
    !holds_json && whole()
}

/// The JSON that a parameter is, as trackers send it: plain, or in Base64. `None` if it is none.
fn json_of_parameter(value: &str) -> Option<String> {
    if value.starts_with("eyJ") || value.starts_with("W3si") {
        let plain = value.trim_end_matches(['=', '%']).replace("%3D", "");
        let bytes = BASE64_OF_PARAMETERS
            .decode(plain.replace('+', "-").replace('/', "_"))
            .ok()?;
        return String::from_utf8(bytes).ok();
    }
    let begins = ["%7B", "%7b", "%5B", "%5b", "{", "["];
    if !begins.iter().any(|begin| value.starts_with(begin)) {
        return None;
    }
    let value = spaces(value);
    let decoded = percent_decode_str(&value).decode_utf8_lossy();
    is_json(&decoded).then(|| decoded.into_owned())
}

/// Returns true if the text is an object or an array of JSON.
fn is_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The text with a form's plus signs as the spaces that they are.
fn spaces(text: &str) -> Cow<'_, str> {
    match text.contains('+') {
        true => Cow::Owned(text.replace('+', " ")),
        false => Cow::Borrowed(text),
    }
}

fn of_headers(
    headers: &HeaderMap,
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    for (name, value) in headers {
        let name = name.as_str();
        if PASSED_OVER.contains(&name) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = budget.take(&value);
        let found = match name {
            "cookie" => value.split(';').any(|pair| {
                let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
                let mut say = |name, text| header_text(name, text, look);
                say(name.trim(), text) || say("", name.trim())
            }),
            "referer" => {
                let query = value.split_once('?').map_or("", |(_, query)| query);
                header_text(name, value, look) || form_of_header(query, name, look)
            }
            _ => header_text(name, value, look),
        };
        if found {
            return true;
        }
    }
    false
}

fn header_text(name: &str, text: &str, look: &mut dyn FnMut(RequestText<'_>) -> bool) -> bool {
    look(RequestText {
        part: TextPart::Headers,
        name,
        text: Cow::Borrowed(text),
    })
}

/// The values of the parameters of an address that a header holds.
fn form_of_header(query: &str, name: &str, look: &mut dyn FnMut(RequestText<'_>) -> bool) -> bool {
    let values = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = values.map(|(_, value)| spaces(value));
    values.any(|text| {
        look(RequestText {
            part: TextPart::Headers,
            name,
            text,
        })
    })
}

/// Calls `look` with the texts of a body, as [`of_head`] does: the strings of JSON, and of anything
/// else the values of a form, quoted texts, and the whole.
pub(super) fn of_body(
    body: &[u8],
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    let seen = body.len().min(budget.left.saturating_mul(MAX_MARKUP_SHARE));
    let text = String::from_utf8_lossy(&body[..seen]);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let found = match text.as_bytes().first() {
        None => false,
        Some(b'{' | b'[') => strings(text, TextPart::Body, MAX_JSON_DEPTH, budget, look),
        Some(b'<') => strings(text, TextPart::Body, 0, budget, look) || whole(text, budget, look),
        Some(_) => form(text, TextPart::Body, budget, look),
    };
    budget.is_cut |= seen < body.len();
    found
}

/// Looks at the strings of JSON. A string that is JSON itself is gone through up to `depth` times.
fn strings(
    json: &str,
    part: TextPart,
    depth: usize,
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    for string in JsonStrings::of(json) {
        let name = if string.is_key { "" } else { string.key };
        let found = if depth > 0 && is_json(&string.text) {
            strings(&string.text, part, depth - 1, budget, look)
        } else {
            let text = Cow::Borrowed(budget.take(&string.text));
            look(RequestText { part, name, text })
        };
        if found || budget.is_cut {
            return found;
        }
    }
    false
}

fn whole(
    text: &str,
    budget: &mut TextBudget,
    look: &mut dyn FnMut(RequestText<'_>) -> bool,
) -> bool {
    look(RequestText {
        part: TextPart::Body,
        name: "",
        text: spaces(budget.take(text)),
    })
}
