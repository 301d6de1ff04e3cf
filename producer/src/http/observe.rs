//! The middleware around every request of the edge.

use std::sync::atomic::Ordering;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::answer::json;
use super::clients::is_clients_path;
use super::head::AwaitedHead;
use super::origin::PageOrigin;
use super::rules;
use super::state::EdgeState;
use crate::accept::rejection::error_body;

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
    let origin = match takes_clicks(request.path()) {
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
    metrics.request(uri.path(), response.status().as_u16());
    origin.allow(&method, response.headers_mut());
    if state.draining.load(Ordering::Relaxed) {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// Returns true for the paths to which pages of other origins send.
fn takes_clicks(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(path, "/v1/events" | "/pixel.gif") || is_clients_path(path)
}
