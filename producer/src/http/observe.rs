//! The middleware around every request of the edge.

use std::sync::atomic::Ordering;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::answer::json;
use super::aws;
use super::clients::{client_of, is_documents_path};
use super::head::AwaitedHead;
use super::origin::PageOrigin;
use super::rules;
use super::state::EdgeState;
use crate::accept::rejection::error_body;

const ACCEPT_HINTS: HeaderName = HeaderName::from_static("accept-ch");
/// What a browser says of itself only if it is asked.
const ASKED_HINTS: &str =
    "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Full-Version-List";

/// Counts the request, refuses a NUL in its URL and what the rules refuse, lets pages of listed origins read what became of
/// their clicks, and closes the connection while the edge is stopping.
pub(crate) async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request
        .app_data::<Data<EdgeState>>()
        .expect("every worker has the edge's state")
        .clone();
    let _flight = state.flight.token();
    if let Some(head) = request.conn_data::<AwaitedHead>() {
        head.came();
    }
    let is_aws = request.path() == "/" && aws::is_aws(request.headers());
    let route = Route::of(request.path(), is_aws);
    let origin = match route.takes_clicks {
        true => state.page_origin(request.request()),
        false => PageOrigin::Own,
    };
    let method = request.method().clone();
    let uri = request.uri().clone();
    let has_nul = uri
        .path_and_query()
        .is_some_and(|uri| uri.as_str().contains("%00"));
    let mut response = if has_nul {
        let body = error_body("the URL holds a NUL", "take %00 out of the URL", None);
        request.into_response(json(StatusCode::BAD_REQUEST, body))
    } else if let Some(refused) = rules::refuse_head(&state, &mut request).await {
        request.into_response(refused)
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let metrics = &state.monitor.metrics;
    metrics.request(route.label, response.status().as_u16());
    origin.allow(&method, response.headers_mut());
    if state.captures.wants_hints && is_page(uri.path(), response.headers()) {
        let asked = HeaderValue::from_static(ASKED_HINTS);
        response.headers_mut().insert(ACCEPT_HINTS, asked);
    }
    if state.draining.load(Ordering::Relaxed) {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// Returns true for the answer to a page view, and for the tracker.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let is_html = |value: &HeaderValue| value.as_bytes().starts_with(b"text/html");
    path == "/clickweir.js" || headers.get(header::CONTENT_TYPE).is_some_and(is_html)
}

/// What is served at a path.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    /// Of the metrics. Paths that clients choose freely share one, so that no client makes the page
    /// grow.
    label: &'static str,
    /// True if pages of other origins send there.
    takes_clicks: bool,
}

impl Route {
    fn of(path: &str, is_aws: bool) -> Self {
        const OWN: [&str; 6] = [
            "/clickweir.js",
            "/healthz",
            "/readyz",
            "/metrics",
            "/rules",
            "/openapi.json",
        ];
        const CLICKS: [&str; 2] = ["/v1/events", "/pixel.gif"];
        let plain = path.strip_suffix('/').unwrap_or(path);
        let find = |known: &[&'static str]| known.iter().copied().find(|known| *known == plain);
        let (label, takes_clicks) = if let Some(known) = find(&CLICKS) {
            (known, true)
        } else if let Some(client) = client_of(plain) {
            (client, true)
        } else if is_documents_path(plain) {
            ("settings", true)
        } else if let Some(known) = find(&OWN) {
            (known, false)
        } else if is_aws {
            ("kinesis", false)
        } else {
            ("other", false)
        };
        Self {
            label,
            takes_clicks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_label_of_its_client_and_a_free_one_has_none() {
        let check = |path: &str, label: &str, takes_clicks: bool| {
            let route = Route::of(path, false);
            assert_eq!(
                (route.label, route.takes_clicks),
                (label, takes_clicks),
                "{path}"
            );
        };
        check("/v1/events/", "/v1/events", true);
        check("/pixel.gif", "/pixel.gif", true);
        check("/v1/track", "segment", true);
        check("/v1/b/", "segment", true);
        check("/i/v0/e/", "posthog", true);
        check("/matomo.php", "matomo", true);
        check("/com.snowplowanalytics.snowplow/tp2", "snowplow", true);
        check("/flags", "settings", true);
        check("/array/phc_free/config.js", "settings", true);
        check("/healthz", "/healthz", false);
        check("/product/tea", "other", false);
        check("/", "other", false);
        assert_eq!(Route::of("/", true).label, "kinesis");
    }
}
