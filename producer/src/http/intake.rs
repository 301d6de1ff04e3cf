//! What every route that takes clicks does.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::answer::{header_text, refusal};
use super::state::{AppendedBody, EdgeState};
use crate::accept::edge::RejectedItem;
use crate::accept::rejection::Rejection;

/// The headers that a page may add in any case.
const ALLOWED_HEADERS: &str = "authorization, content-encoding, content-type, x-retry-count";
const PRIVATE_NETWORK_ASKED: &str = "access-control-request-private-network";
const PRIVATE_NETWORK_ALLOWED: &str = "access-control-allow-private-network";

/// Counts a refusal and answers it.
pub(super) fn refuse(state: &EdgeState, rejection: &Rejection) -> HttpResponse {
    state.monitor.metrics.rejected(rejection.kind(), 1);
    refusal(rejection)
}

/// The answer to a body of which at least one click was acknowledged or left out.
#[derive(Serialize)]
struct EventsAnswer<'a> {
    accepted: usize,
    rejected: &'a [RejectedItem],
    /// Absent if it is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
}

/// Answers a sender of native clicks: 204 if nothing of the body is kept.
pub(super) fn accepted(appended: &AppendedBody) -> HttpResponse {
    let left_out = (appended.left_out > 0).then_some(appended.left_out);
    if left_out.is_some() && appended.clicks == 0 && appended.rejected.is_empty() {
        return HttpResponse::NoContent().finish();
    }
    HttpResponse::Accepted().json(EventsAnswer {
        accepted: appended.clicks,
        rejected: &appended.rejected,
        left_out,
    })
}

/// Answers a browser that asks whether a page may send.
pub(super) async fn preflight(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    if let Err(rejection) = state.check_origin(&request) {
        return refuse(&state, &rejection);
    }
    if header_text(&request, header::ORIGIN).is_none() {
        return HttpResponse::NoContent()
            .insert_header((header::ALLOW, "POST, OPTIONS"))
            .finish();
    }
    // What a page adds to its request changes nothing here, so it may add what it asks for.
    let asked = header_text(&request, header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = [Some(ALLOWED_HEADERS), asked].into_iter().flatten();
    let allowed = allowed.collect::<Vec<_>>().join(", ");
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"));
    // A page from the internet may ask whether an edge in its own network takes its clicks.
    if request.headers().contains_key(PRIVATE_NETWORK_ASKED) {
        answer.insert_header((PRIVATE_NETWORK_ALLOWED, "true"));
    }
    answer.finish()
}
