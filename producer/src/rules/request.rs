//! A request as rules see it.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};

/// What is known of a request before its body.
pub(crate) struct RequestHead<'r> {
    pub(crate) method: &'r Method,
    pub(crate) path: &'r str,
    /// The query as it is written; empty if there is none.
    pub(crate) query: &'r str,
    pub(crate) headers: &'r HeaderMap,
    /// The client's whole address, which a trusted proxy may have named; `None` if it is not known.
    pub(crate) client: Option<IpAddr>,
}

impl<'r> RequestHead<'r> {
    pub(crate) fn of(request: &'r HttpRequest, client: Option<IpAddr>) -> Self {
        Self {
            method: request.method(),
            path: request.path(),
            query: request.query_string(),
            headers: request.headers(),
            client,
        }
    }

    /// Returns true for a browser's question whether a page may send.
    pub(super) fn is_preflight(&self) -> bool {
        let asks = header::ACCESS_CONTROL_REQUEST_METHOD;
        *self.method == Method::OPTIONS && self.headers.contains_key(asks)
    }

    /// The size of the body in bytes, if the head says it.
    pub(super) fn body_bytes(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH)?.parse().ok()
    }

    /// A header as text; `None` if it is absent or not ASCII.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Returns true for what operators ask and rules never touch: a rule that is wrong must not take
/// an edge out of its service.
pub(crate) fn is_exempt(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(path, "/healthz" | "/readyz" | "/metrics" | "/rules")
}
