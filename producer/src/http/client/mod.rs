//! A kind of client: where it sends, in which format, and what it reads of the answer.

pub(super) mod cloudevents;
pub(super) mod documents;
pub(super) mod google;
pub(super) mod matomo;
pub(super) mod posthog;
pub(super) mod segment;
pub(super) mod snowplow;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use crate::accept::format::WireFormat;
use crate::accept::pixel::GIF;
use crate::http::state::AppendedBody;

/// By this header a client asks that nobody learns who sent its events.
pub(super) const ANONYMOUS: &str = "sp-anonymous";
/// Events come in bodies only.
pub(super) const POST: (&[Method], &str) = (&[Method::POST], "POST, OPTIONS");
/// An event may come in a query, too.
pub(super) const GET_AND_POST: (&[Method], &str) = (
    &[Method::GET, Method::HEAD, Method::POST],
    "GET, HEAD, POST, OPTIONS",
);
/// An event comes in a query only.
pub(super) const GET: (&[Method], &str) = (&[Method::GET, Method::HEAD], "GET, HEAD, OPTIONS");

/// A kind of client.
pub(super) struct Client {
    /// The name of its format in the envelope.
    pub(super) name: &'static str,
    /// Where it sends, without the slash that may be behind them.
    pub(super) paths: &'static [&'static str],
    /// The methods by which it sends, and the header `Allow` that says so.
    pub(super) methods: (&'static [Method], &'static str),
    /// The format of a request and its query, with what they say besides the body.
    pub(super) format: for<'r> fn(&'r HttpRequest, &'r str) -> Box<dyn WireFormat + 'r>,
    /// The answer to a body whose clicks were acknowledged.
    pub(super) answer: fn(&HttpRequest, &TakenBody) -> HttpResponse,
}

/// A body whose clicks were acknowledged.
#[derive(Debug, Default)]
pub(super) struct TakenBody {
    pub(super) appended: AppendedBody,
    /// As it came; empty if there was none.
    pub(super) body: Bytes,
}

/// Answers a transparent picture.
pub(super) fn picture() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("image/gif")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .body(GIF)
}

/// Returns a parameter of the request's query as it was written; `None` if it is absent.
pub(super) fn parameter<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let mut pairs = request.query_string().split('&');
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
