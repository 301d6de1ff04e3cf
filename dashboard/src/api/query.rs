//! SQL for programs, and a crawl on demand.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::http::body::JsonBody;
use crate::http::format::ResultFormat;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::site::Site;

/// What `/api/query` takes, in its URL or as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SqlRequest {
    #[serde(default)]
    sql: String,
    format: Option<String>,
}

/// `GET /api/query?sql=…`: for tools that read a URL.
pub(crate) async fn get(
    site: Data<Site>,
    request: HttpRequest,
    url: Query<SqlRequest>,
) -> Result<HttpResponse, Problem> {
    let format = ResultFormat::wanted(url.format.as_deref(), request.headers())?;
    format.response(&site.query(&request, "api", &url.sql).await?)
}

/// `POST /api/query`: the same for SQL that is too long for a URL.
pub(crate) async fn post(
    site: Data<Site>,
    request: HttpRequest,
    url: Query<SqlRequest>,
    body: JsonBody<SqlRequest>,
) -> Result<HttpResponse, Problem> {
    let body = &body.value;
    let format = body.format.as_deref().or(url.format.as_deref());
    let format = ResultFormat::wanted(format, request.headers())?;
    format.response(&site.query(&request, "api", &body.sql).await?)
}

/// `POST /api/crawl`: crawls the lake now.
pub(crate) async fn crawl(site: Data<Site>) -> Result<HttpResponse, Problem> {
    Ok(reply::json(&site.catalog.crawl(false).await?))
}
