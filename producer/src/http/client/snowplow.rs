//! Snowplow's trackers, which read no more than the status.

use actix_web::{HttpRequest, HttpResponse};

use super::{ANONYMOUS, Client, GET, POST, picture};
use crate::accept::format::SnowplowEvents;

/// Events in a body.
pub(in crate::http) const EVENTS: Client = Client {
    name: "snowplow",
    paths: &["/com.snowplowanalytics.snowplow/tp2"],
    methods: POST,
    format: |request, _| {
        Box::new(SnowplowEvents {
            query: None,
            network_user: network_user(request),
        })
    },
    answer: |_, _| HttpResponse::Ok().content_type("text/plain").body("ok"),
};

/// An event in the query of a picture.
pub(in crate::http) const EVENT: Client = Client {
    name: "snowplow",
    paths: &["/i"],
    methods: GET,
    format: |request, query| {
        Box::new(SnowplowEvents {
            query: Some(query),
            network_user: network_user(request),
        })
    },
    answer: |_, _| picture(),
};

/// The cookie by which collectors know a browser, unless the client asks that nobody does.
fn network_user(request: &HttpRequest) -> Option<String> {
    match request.headers().contains_key(ANONYMOUS) {
        true => None,
        false => cookie(request, "sp"),
    }
}

fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    let headers = request.headers().get_all(actix_web::http::header::COOKIE);
    let mut cookies = headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    let value = cookies.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    let value = value.map(|value| value.trim_matches('"').to_owned());
    value.filter(|value| !value.trim().is_empty())
}
