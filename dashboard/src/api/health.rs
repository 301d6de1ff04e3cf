//! What machines ask: whether the process lives, whether it is ready, and its metrics.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

use crate::http::problem::Problem;
use crate::site::Site;

/// `GET /healthz`: this process answers.
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

/// `GET /readyz`: the catalog answers, and what it shows is recent.
pub(crate) async fn readyz(site: Data<Site>) -> Result<HttpResponse, Problem> {
    match site.ready().await {
        Ok(()) => Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("ready\n")),
        Err(why) => {
            let remedy = "look at the crawler's log; the lake may be out of reach";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why, remedy))
        }
    }
}

/// `GET /metrics`: Prometheus' text format.
pub(crate) async fn metrics(site: Data<Site>) -> HttpResponse {
    let page = (site.sources.exposition)().await;
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(page)
}
