//! SQL for programs, and a crawl on demand.

use actix_web::web::{Data, Json, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::http::format::Format;
use crate::http::problem::{self, Problem};
use crate::page::sql::ask;
use crate::site::Site;

/// What `/api/query` takes: in its URL, or as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    #[serde(default)]
    sql: String,
    format: Option<String>,
}

/// `GET /api/query?sql=…`: for tools that read an address.
pub(crate) async fn get(
    site: Data<Site>,
    request: HttpRequest,
    question: Query<Question>,
) -> Result<HttpResponse, Problem> {
    let format = Format::wanted(question.format.as_deref(), request.headers())?;
    format.answer(&ask(&site, &request, "api", &question.sql).await?)
}

/// `POST /api/query`: the same, with SQL that no address would hold.
pub(crate) async fn post(
    site: Data<Site>,
    request: HttpRequest,
    address: Query<Question>,
    question: Json<Question>,
) -> Result<HttpResponse, Problem> {
    let format = question.format.as_deref().or(address.format.as_deref());
    let format = Format::wanted(format, request.headers())?;
    format.answer(&ask(&site, &request, "api", &question.sql).await?)
}

/// `POST /api/crawl`: a crawl now.
pub(crate) async fn crawl(site: Data<Site>) -> Result<HttpResponse, Problem> {
    Ok(problem::json(&site.catalog.crawl(false).await?))
}
