//! `GET /api`: what programs can ask for, as a page for people and as JSON for programs.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;
use serde_json::json;

use crate::api::panels::{PANELS, Panel};
use crate::http::nav::Nav;
use crate::http::params::param_names;
use crate::http::reply;

/// The rest of the API: method, path, and what it does.
const OTHERS: [(&str, &str, &str); 7] = [
    (
        "GET",
        "/api/query?sql=…",
        "the result of a query, as json, csv, arrow or parquet (format=)",
    ),
    (
        "POST",
        "/api/query",
        "the same, with {\"sql\": \"…\", \"format\": \"…\"} as the body",
    ),
    ("POST", "/api/crawl", "reads the lake's newest objects now"),
    (
        "GET",
        "/live",
        "clicks as they arrive, as server-sent events",
    ),
    ("GET", "/metrics", "Prometheus metrics"),
    ("GET", "/healthz", "200 while this process answers"),
    ("GET", "/readyz", "200 while what it shows is up to date"),
];

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    nav: Nav,
    panels: &'static [Panel],
    others: &'static [(&'static str, &'static str, &'static str)],
    params: String,
}

/// `GET /api`
pub(crate) async fn list(request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    if accept.is_some_and(|kinds| kinds.contains("text/html")) {
        let page = ApiPage {
            nav: Nav::default(),
            panels: &PANELS,
            others: &OTHERS,
            params: param_names().join(", "),
        };
        return reply::html(StatusCode::OK, &page);
    }
    let panel = |panel: &Panel| {
        json!({
            "name": panel.name,
            "about": panel.about,
            "json": format!("/api/{}", panel.name),
            "csv": format!("/api/{}.csv", panel.name),
        })
    };
    let other = |&(method, path, about): &(&str, &str, &str)| json!({ "method": method, "path": path, "about": about });
    reply::json(&json!({
        "panels": PANELS.iter().map(panel).collect::<Vec<_>>(),
        "parameters": param_names(),
        "others": OTHERS.iter().map(other).collect::<Vec<_>>(),
    }))
}
