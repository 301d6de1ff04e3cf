//! SQL for programs, and a crawl on demand.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
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
    let (sql, other) = readings(request.query_string(), &url.sql);
    let rows = match (site.query(&request, "api", &sql).await, other) {
        (Err(problem), Some(other)) if problem.status == StatusCode::BAD_REQUEST => {
            let read = site.query(&request, "api", &other).await;
            read.map_err(|_| problem)?
        }
        (rows, _) => rows?,
    };
    format.response(&rows)
}

/// The SQL of a URL's query, and how it can be read otherwise. A plus is a space there, as forms
/// write it; but where spaces are written `%20`, a plus was meant as one.
fn readings(query: &str, sql: &str) -> (String, Option<String>) {
    let raw = query.split('&').find_map(|pair| pair.strip_prefix("sql="));
    let Some(raw) = raw.filter(|raw| raw.contains('+')) else {
        return (sql.to_owned(), None);
    };
    let plus = percent_decode_str(raw).decode_utf8_lossy().into_owned();
    match raw.contains("%20") {
        true => (plus, Some(sql.to_owned())),
        false => (sql.to_owned(), Some(plus)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b83_a_plus_in_sql_is_a_space_or_a_plus() {
        let check = |query: &str, first: &str, other: Option<&str>| {
            let url = Query::<SqlRequest>::from_query(query).unwrap();
            let (sql, second) = readings(query, &url.sql);
            assert_eq!((&*sql, second.as_deref()), (first, other), "{query}");
        };
        check("sql=SELECT%201", "SELECT 1", None);
        check("sql=SELECT%201%2B1", "SELECT 1+1", None);
        check("sql=SELECT%201+1", "SELECT 1+1", Some("SELECT 1 1"));
        check(
            "format=csv&sql=SELECT+1%2B1",
            "SELECT 1+1",
            Some("SELECT+1+1"),
        );
        check("sql=SELECT+1+1", "SELECT 1 1", Some("SELECT+1+1"));
    }
}
