//! The edge's own routes: clicks in, health and metrics out.

use std::sync::atomic::Ordering;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use serde::Serialize;

use super::answer::{header_text, json, only_get, refusal, wrong_method};
use super::assets;
use super::state::EdgeState;
use crate::accept::edge::{EdgeFacts, RejectedItem};
use crate::accept::pixel;
use crate::accept::rejection::{Rejection, error_body};

/// The answer to a body of which at least one click was acknowledged.
#[derive(Serialize)]
struct EventsAnswer<'a> {
    accepted: usize,
    rejected: &'a [RejectedItem],
}

/// Adds the edge's routes, and an answer to every path that is not served.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(
        web::resource("/v1/events")
            .route(web::post().to(events))
            .route(web::method(Method::OPTIONS).to(preflight))
            .default_service(web::to(|| async { wrong_method("POST, OPTIONS") })),
    );
    app.service(assets::tracker());
    app.service(only_get("/pixel.gif", web::get().to(pixel)));
    app.service(only_get(
        "/healthz",
        web::get().to(|| async { HttpResponse::Ok().body("ok\n") }),
    ));
    app.service(only_get("/readyz", web::get().to(ready)));
    app.service(only_get("/metrics", web::get().to(metrics)));
    app.default_service(web::to(not_found));
}

async fn events(state: Data<EdgeState>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let appended = async {
        let (body, _held) = state.read_body(&request, payload).await?;
        let content_encoding = header_text(&request, header::CONTENT_ENCODING);
        let facts = EdgeFacts {
            content_encoding,
            ..state.facts(&request, "native")
        };
        state.append(&facts, body).await
    };
    match appended.await {
        Ok((accepted, rejected)) => HttpResponse::Accepted().json(EventsAnswer {
            accepted,
            rejected: &rejected,
        }),
        Err(rejection) => refuse(&state, &rejection),
    }
}

async fn pixel(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    let appended = async {
        let body = Bytes::from(pixel::click(request.query_string())?);
        state.append(&state.facts(&request, "pixel"), body).await
    };
    match appended.await {
        Ok(_) => HttpResponse::Ok()
            .content_type("image/gif")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(pixel::GIF),
        Err(rejection) => refuse(&state, &rejection),
    }
}

fn refuse(state: &EdgeState, rejection: &Rejection) -> HttpResponse {
    state.monitor.metrics.rejected(rejection.kind(), 1);
    refusal(rejection)
}

async fn preflight(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    let Some(origin) = header_text(&request, header::ORIGIN) else {
        return HttpResponse::NoContent()
            .insert_header((header::ALLOW, "POST, OPTIONS"))
            .finish();
    };
    if state.allowed_origin(origin).is_none() {
        let remedy = "add the page's origin to producer.origins";
        return json(
            StatusCode::FORBIDDEN,
            error_body("this origin is not listed", remedy, None),
        );
    }
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-encoding, content-type, x-retry-count",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

async fn ready(state: Data<EdgeState>) -> HttpResponse {
    if state.draining.load(Ordering::Relaxed) {
        return refusal(&Rejection::Unavailable("the edge is stopping".into()));
    }
    match state.edge.writer().ready() {
        Ok(()) => HttpResponse::Ok().body("ready\n"),
        Err(error) => refusal(&Rejection::Unavailable(error.to_string())),
    }
}

async fn metrics(state: Data<EdgeState>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body((state.monitor.exposition)().await)
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let remedy = match request.path() {
        "/" => {
            "this is the edge, which takes clicks: POST /v1/events, GET /pixel.gif, and the \
             tracker for pages at /clickweir.js; see /healthz, /readyz and /metrics for its \
             state, and set producer.shop to true for the demo shop"
        }
        _ => "send clicks to /v1/events",
    };
    let body = error_body("nothing is served at this path", remedy, None);
    json(StatusCode::NOT_FOUND, body)
}
