//! The middleware around every request of the edge.

use std::sync::atomic::Ordering;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::answer::json;
use super::state::EdgeState;
use crate::accept::rejection::error_body;

/// Counts the request, refuses a NUL in its URL, lets pages of listed origins read the
/// answer, and closes the connection while the edge is stopping.
pub(crate) async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request
        .app_data::<Data<EdgeState>>()
        .expect("every worker has the edge's state")
        .clone();
    let _flight = state.flight.token();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let uri = request.uri().clone();
    let has_nul = uri
        .path_and_query()
        .is_some_and(|uri| uri.as_str().contains("%00"));
    let mut response = if has_nul {
        let body = error_body("the URL holds a NUL", "take %00 out of the URL", None);
        request.into_response(json(StatusCode::BAD_REQUEST, body))
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let metrics = &state.monitor.metrics;
    metrics.request(uri.path(), response.status().as_u16());
    if let Some(allowed) = origin
        .as_ref()
        .and_then(|origin| state.allowed_origin(origin.to_str().ok()?))
    {
        let allowed = header::HeaderValue::from_str(allowed).expect("it came as a header");
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        response
            .headers_mut()
            .append(header::VARY, header::HeaderValue::from_static("Origin"));
    }
    if state.draining.load(Ordering::Relaxed) {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
