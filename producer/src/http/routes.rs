//! The edge's own routes: clicks in, health and metrics out.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

use super::answer::{header_lossy, json, only_get, refusal, wrong_method};
use super::assets;
use super::aws;
use super::clients;
use super::credentials::kept_query;
use super::intake::{accepted, preflight, refuse};
use super::openapi::openapi;
use super::state::{AppendedBody, EdgeState};
use crate::accept::format::Native;
use crate::accept::pixel;
use crate::accept::rejection::{Rejection, error_body};

/// The content type of text for people.
const TEXT: &str = "text/plain; charset=utf-8";

/// Adds the edge's routes, and an answer to every path that is not served.
pub(crate) fn configure(app: &mut ServiceConfig) {
    // Two resources and both first: a path of its own is compared, two of one resource are a
    // regular expression.
    for path in ["/v1/events", "/v1/events/"] {
        app.service(
            web::resource(path)
                .route(web::post().to(events))
                .route(web::method(Method::OPTIONS).to(preflight))
                .default_service(web::to(|| async { wrong_method("POST, OPTIONS") })),
        );
    }
    aws::configure(app);
    clients::configure(app);
    app.service(assets::tracker());
    app.service(only_get("/pixel.gif", pixel));
    app.service(only_get("/healthz", || async {
        HttpResponse::Ok().content_type(TEXT).body("ok\n")
    }));
    app.service(only_get("/readyz", ready));
    app.service(only_get("/metrics", metrics));
    app.service(only_get("/rules", rules));
    app.service(only_get("/openapi.json", openapi));
    app.default_service(web::to(not_found));
}

async fn events(state: Data<EdgeState>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let appended = async {
        let (body, _held) = state.read_body(&request, payload, state.max_body()).await?;
        state.check_origin(&request)?;
        let key = state.authorize(&request, "native", || None)?;
        let agent = header_lossy(&request, header::USER_AGENT);
        let facts = state.facts(&request, "native", agent.as_deref(), key.as_deref());
        state.append(&Native, &facts, body).await
    };
    match appended.await {
        Ok(appended) => accepted(&appended),
        Err(rejection) => refuse(&state, &rejection),
    }
}

/// Takes the click of a GET. HEAD asks about the picture and is no click.
async fn pixel(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    let appended = async {
        state.check_origin(&request)?;
        if request.method() == Method::HEAD {
            return Ok(AppendedBody::default());
        }
        let key = state.authorize(&request, "pixel", || None)?;
        let query = kept_query(&request, key.as_deref());
        let cleaned = state.edge.cleaner().clean(&query);
        let body = Bytes::from(pixel::click(&cleaned)?);
        let agent = header_lossy(&request, header::USER_AGENT);
        let mut facts = state.facts(&request, "pixel", agent.as_deref(), key.as_deref());
        // The body is the edge's own.
        facts.content_encoding = None;
        facts.redacted |= matches!(cleaned, Cow::Owned(_));
        state.append(&Native, &facts, body).await
    };
    match appended.await {
        Ok(appended) if appended.left_out > 0 => HttpResponse::NoContent()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Ok(_) => HttpResponse::Ok()
            .content_type("image/gif")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
            .body(pixel::GIF),
        Err(rejection) => refuse(&state, &rejection),
    }
}

async fn ready(state: Data<EdgeState>) -> HttpResponse {
    if state.draining.load(Ordering::Relaxed) {
        return refusal(&Rejection::Unavailable("the edge is stopping".into()));
    }
    match state.edge.writer().ready() {
        Ok(()) => HttpResponse::Ok().content_type(TEXT).body("ready\n"),
        Err(error) => refusal(&Rejection::Unavailable(error.to_string())),
    }
}

async fn metrics(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    if !state.may_read_metrics(&request) {
        let remedy = "ask from the edge's own machine, scrape metrics.listen, or add the address \
                      to producer.metrics_from";
        let error = "the metrics are not for this address";
        return json(StatusCode::FORBIDDEN, error_body(error, remedy, None));
    }
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body((state.monitor.exposition)().await)
}

/// What the rules did, and the newest hits.
async fn rules(state: Data<EdgeState>, request: HttpRequest) -> HttpResponse {
    if !state.may_read_metrics(&request) {
        let remedy = "ask from the edge's own machine, or add the address to producer.metrics_from";
        let error = "what the rules did is not for this address";
        return json(StatusCode::FORBIDDEN, error_body(error, remedy, None));
    }
    match &state.monitor.firewall {
        Some(firewall) => HttpResponse::Ok().json(firewall.report()),
        None => {
            let remedy = "set producer.rules to a file of rules, or to starter";
            let body = error_body("this edge has no rules", remedy, None);
            json(StatusCode::NOT_FOUND, body)
        }
    }
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
