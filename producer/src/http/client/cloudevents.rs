//! Whatever sends `CloudEvents`: it is answered as a sender of native clicks is.

use actix_web::HttpRequest;
use actix_web::http::header;

use super::{Client, POST};
use crate::accept::format::CloudEvents;
use crate::http::answer::header_text;
use crate::http::intake::accepted;

/// What the names of an event's attributes begin with in headers.
const PREFIX: &str = "ce-";

/// Events as JSON, or one in headers and body.
pub(in crate::http) const CLOUDEVENTS: Client = Client {
    name: "cloudevents",
    paths: &["/v1/cloudevents"],
    methods: POST,
    format: |request, _| Box::new(format(request)),
    answer: |_, taken| accepted(&taken.appended),
};

fn format(request: &HttpRequest) -> CloudEvents<'_> {
    let attributes = request.headers().iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(PREFIX)?;
        let value = String::from_utf8_lossy(value.as_bytes());
        (!name.is_empty()).then_some((name, value))
    });
    CloudEvents {
        attributes: attributes.collect(),
        content_type: header_text(request, header::CONTENT_TYPE),
    }
}
