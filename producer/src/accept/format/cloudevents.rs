//! `CloudEvents` 1.0 over HTTP: an event or an array of them as JSON, or the attributes in headers
//! and the data as the body. The public reference is its "HTTP Protocol Binding".

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

use super::form;
use super::object::ObjectText;
use super::paths::{EventPaths, NO_PATHS};
use super::wire::WireFormat;
use crate::accept::identity::ClickIdentity;
use crate::accept::rejection::Rejection;
use crate::accept::split::{SplitBody, split};
use crate::accept::text::BodyText;

const PATHS: EventPaths = EventPaths {
    id: &["id"],
    visitor: &["data.visitor_id"],
    items: "data.items",
    required: &["id", "source", "type"],
    consent: "data.consent",
    cookieless: "data.cookieless",
    personal: &[
        "subject",
        "data.visitor_id",
        "data.session_id",
        "data.user_id",
    ],
};
const SOURCE: EventPaths = EventPaths {
    id: &["source"],
    ..NO_PATHS
};

/// Events, or one whose attributes are in the request's headers.
#[derive(Debug, Default)]
pub(crate) struct CloudEvents<'r> {
    /// The names and values of the attributes; empty if they are in the body.
    pub(crate) attributes: Vec<(&'r str, Cow<'r, str>)>,
    /// The type of the data that the body is.
    pub(crate) content_type: Option<&'r str>,
}

impl WireFormat for CloudEvents<'_> {
    fn to_json(&self, body: Bytes, _: usize) -> Result<Bytes, Rejection> {
        if self.attributes.is_empty() {
            return Ok(body);
        }
        let mut event = ObjectText::new();
        for (name, value) in &self.attributes {
            let value: Vec<u8> = percent_decode_str(value).collect();
            event.text(name.as_bytes(), &value);
        }
        if let Some(kind) = self.content_type {
            event.text(b"datacontenttype", kind.as_bytes());
        }
        self.write_data(&mut event, &body)?;
        Ok(event.end().into())
    }

    fn split<'b>(&self, body: &'b BodyText<'_>, limit: usize) -> Result<SplitBody<'b>, Rejection> {
        Ok(SplitBody::of(split(body, limit)?))
    }

    fn personal(&self) -> &'static [&'static str] {
        PATHS.personal
    }

    /// An id is unique within its source. No source holds a space.
    fn identify<'c>(&self, _: usize, click: &'c RawValue) -> Result<ClickIdentity<'c>, String> {
        let found = PATHS.read(click)?;
        let source = SOURCE.read(click)?.id.unwrap_or_default();
        let id = found.id.unwrap_or_default();
        Ok(ClickIdentity {
            id: Some(format!("{source} {id}").into()),
            ..found
        })
    }
}

impl CloudEvents<'_> {
    /// Adds the body as the event's data: JSON as it is, else as text or in base64.
    fn write_data(&self, event: &mut ObjectText, body: &[u8]) -> Result<(), Rejection> {
        let body = body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(body)
            .trim_ascii();
        let is_json_type = self.content_type.is_none_or(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.ends_with("/json") || kind.ends_with("+json")
        });
        if body.is_empty() {
            return Ok(());
        }
        if is_json_type || form::is_json(body) {
            // What is not Unicode is replaced later, with the rest of the event.
            let text = String::from_utf8_lossy(body);
            match serde_json::from_str::<&RawValue>(&text) {
                Ok(_) => {
                    event.json(b"data", body);
                    return Ok(());
                }
                Err(error) if is_json_type => {
                    let reason = format!("the event's data is not JSON: {error}");
                    return Err(Rejection::malformed(reason));
                }
                Err(_) => {}
            }
        }
        match std::str::from_utf8(body) {
            Ok(_) => event.text(b"data", body),
            Err(_) => event.text(b"data_base64", form::to_base64(body).as_bytes()),
        }
        Ok(())
    }
}
