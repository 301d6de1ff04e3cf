//! Segment's and RudderStack's libraries, which read no more than the status.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderName;

use super::{Client, GET, POST, picture};
use crate::accept::format::SegmentEvents;
use crate::http::answer::header_text;

/// One path for each call, in full and as the browser's library shortens it, and those of batches.
pub(in crate::http) const SEGMENT: Client = Client {
    name: "segment",
    paths: &[
        "/v1/alias",
        "/v1/a",
        "/v1/batch",
        "/v1/b",
        "/v1/group",
        "/v1/g",
        "/v1/identify",
        "/v1/i",
        "/v1/import",
        "/v1/page",
        "/v1/p",
        "/v1/screen",
        "/v1/s",
        "/v1/track",
        "/v1/t",
        "/beacon/v1/batch",
    ],
    methods: POST,
    format: |request, query| {
        let retries = header_text(request, HeaderName::from_static("x-retry-count"));
        Box::new(SegmentEvents {
            call: call(request.path()),
            query,
            retried: retries.is_some_and(|retries| !matches!(retries.trim(), "" | "0")),
        })
    },
    answer: |_, _| HttpResponse::Ok().json(serde_json::json!({ "success": true })),
};

/// A picture in a mail or a page without scripts: its query has the event in JSON, mostly in base64.
pub(in crate::http) const PIXEL: Client = Client {
    name: "segment",
    paths: &[
        "/v1/pixel/alias",
        "/v1/pixel/group",
        "/v1/pixel/identify",
        "/v1/pixel/page",
        "/v1/pixel/screen",
        "/v1/pixel/track",
    ],
    methods: GET,
    format: |request, query| {
        Box::new(SegmentEvents {
            call: call(request.path()),
            query,
            retried: false,
        })
    },
    answer: |_, _| picture(),
};

/// The call that a path names.
fn call(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix("/v1/")?.trim_end_matches('/');
    let name = name.strip_prefix("pixel/").unwrap_or(name);
    let calls = ["alias", "group", "identify", "page", "screen", "track"];
    let is_call = |call: &&str| name == *call || name == &call[..1];
    calls.into_iter().find(is_call)
}
