//! A read-only Iceberg REST catalog over what is published in the lake.
//!
//! The paths and documents are those of the Iceberg REST catalog specification (`v1`). Tables are in
//! one namespace. An answer is what the store has, so that every process gives the same.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::http::problem::{IcebergProblem, Problem};
use crate::http::reply;
use crate::site::Site;

/// The one namespace.
const NAMESPACE: &str = "clickweir";
/// What this catalog answers, as clients ask before they try.
const ENDPOINTS: [&str; 7] = [
    "GET /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
];

/// A table as a client loads it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LoadedTable<'t> {
    metadata_location: &'t str,
    metadata: &'t RawValue,
    config: &'t BTreeMap<String, String>,
}

/// `GET /iceberg/v1/config`.
pub(crate) async fn config() -> HttpResponse {
    reply::json(&json!({"defaults": {}, "overrides": {}, "endpoints": ENDPOINTS}))
}

/// `GET /iceberg/v1/namespaces`.
pub(crate) async fn namespaces(request: HttpRequest) -> HttpResponse {
    // What is asked for below another namespace is none.
    let is_below = request.query_string().contains("parent=");
    let namespaces = match is_below {
        true => json!([]),
        false => json!([[NAMESPACE]]),
    };
    reply::json(&json!({"namespaces": namespaces}))
}

/// `GET /iceberg/v1/namespaces/{namespace}`.
pub(crate) async fn namespace(name: Path<String>) -> Result<HttpResponse, IcebergProblem> {
    check(&name)?;
    Ok(reply::json(
        &json!({"namespace": [NAMESPACE], "properties": {}}),
    ))
}

/// `GET /iceberg/v1/namespaces/{namespace}/tables`.
pub(crate) async fn tables(
    site: Data<Site>,
    name: Path<String>,
) -> Result<HttpResponse, IcebergProblem> {
    check(&name)?;
    let tables = site.catalog.iceberg_tables().await?;
    let named = tables
        .iter()
        .map(|table| json!({"namespace": [NAMESPACE], "name": table}));
    Ok(reply::json(
        &json!({"identifiers": named.collect::<Vec<_>>()}),
    ))
}

/// `GET /iceberg/v1/namespaces/{namespace}/tables/{table}`.
pub(crate) async fn table(
    site: Data<Site>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, IcebergProblem> {
    let (namespace, name) = path.into_inner();
    // A client that asks for `table.snapshots` asks for a table in another namespace first, and goes
    // on only if that table is missing.
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let found = match namespace == NAMESPACE && is_word {
        true => site.catalog.iceberg_table(&name).await?,
        false => None,
    };
    let table = found.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no table {name:?}"),
            "a table is there once it was published: wait for catalog.publish_every, or run \
             clickweir publish",
        )
    })?;
    let loaded = LoadedTable {
        metadata_location: &table.metadata_location,
        metadata: serde_json::from_slice(&table.metadata)
            .map_err(|error| Problem::from(catalog::Error::Unavailable(error.to_string())))?,
        config: &table.config,
    };
    Ok(reply::json(&loaded))
}

/// `POST /iceberg/v1/namespaces/{namespace}/tables/{table}/metrics`: what a client says of its scan
/// is not kept.
pub(crate) async fn metrics() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

fn check(namespace: &str) -> Result<(), Problem> {
    match namespace == NAMESPACE {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no namespace {namespace:?}"),
            &format!("the tables are in {NAMESPACE}"),
        )),
    }
}
