//! The server: its routes, its limits and its shutdown.

use std::future::{Ready, pending, ready};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Handler;
use actix_web::error::QueryPayloadError;
use actix_web::guard::{Any, Get, Head, Post};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, HttpServer, Resource, Responder, web,
};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::api::live::Shutdown;
use crate::api::{certificate, command, health, iceberg, index, live, panels, query};
use crate::http::guard::{AccessRule, guard};
use crate::http::problem::Problem;
use crate::http::{assets, params};
use crate::page::{counting, datasets, funnel, overview, pipeline, sql};
use crate::site::Site;

/// How long a client may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How many connections a worker holds.
const MAX_CONNECTIONS: usize = 1024;
/// How long open requests may continue after the shutdown, in seconds.
const SHUTDOWN_SECS: u64 = 3;

/// Why the dashboard ended before its shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener cannot be used.
    #[error("the dashboard cannot listen: {0}; set dashboard.listen to a free address")]
    Listen(#[source] std::io::Error),
    /// Others than this machine could ask without a token.
    #[error("the dashboard does not start: {0}")]
    Open(String),
    /// The server failed.
    #[error("the dashboard's server failed: {0}")]
    Serve(#[source] std::io::Error),
}

/// Serves the dashboard on `listener` until `shutdown`. Requests that are open at that time get
/// three seconds. The listener's own address decides which requests are let in, not
/// [`Config::listen`].
///
/// # Errors
/// [`Error::Listen`] if the listener cannot be used, [`Error::Open`] if its address is not a
/// loopback address and there is no token, [`Error::Serve`] if serving fails.
pub async fn run(
    config: Config,
    listener: TcpListener,
    site: Arc<Site>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Listen)?;
    let access = AccessRule::new(address, config.token.expose_secret()).map_err(Error::Open)?;
    let site = web::Data::from(site);
    let ending = Shutdown(shutdown.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(site.clone())
            .app_data(web::Data::new(site.bodies.clone()))
            .app_data(web::Data::new(access.clone()))
            .app_data(web::Data::new(ending.clone()))
            .configure(routes)
            .wrap(from_fn(guard))
    })
    .workers(config.workers.max(1))
    .client_request_timeout(HEAD_TIMEOUT)
    // A client that closes its connection cancels its query.
    .h1_allow_half_closed(false)
    .max_connections(MAX_CONNECTIONS)
    .shutdown_timeout(SHUTDOWN_SECS)
    .disable_signals()
    .listen(listener)
    .map_err(Error::Listen)?
    .run();

    let handle = server.handle();
    let stop = async {
        shutdown.cancelled().await;
        handle.stop(true).await;
        // This ends the server, and the other branch returns its result.
        pending::<()>().await;
    };
    tokio::select! {
        served = server => served.map_err(Error::Serve),
        () = stop => Ok(()),
    }
}

fn routes(service: &mut web::ServiceConfig) {
    service
        .app_data(web::QueryConfig::default().error_handler(query_refused))
        .service(read("/", overview::page))
        .service(read("/panels", overview::fragment))
        .service(read("/funnel", funnel::page))
        .service(read("/live", live::clicks))
        .service(read("/counting", counting::page))
        .service(read("/pipeline", pipeline::page))
        .service(read("/pipeline/panels", pipeline::fragment))
        .service(read("/datasets", datasets::page))
        .service(write("/datasets/{name}/refresh", datasets::refresh))
        .service(read("/sql", sql::page))
        .service(read("/assets/{file}", assets::asset))
        .service(read("/healthz", health::healthz))
        .service(read("/readyz", health::readyz))
        .service(read("/metrics", health::metrics))
        .service(read("/certificate-key.pem", certificate::key))
        .service(
            web::resource("/api/query")
                .route(web::get().to(query::get))
                .route(web::post().to(query::post))
                .default_service(web::to(|request: HttpRequest| {
                    not_allowed(&request, "GET, POST")
                })),
        )
        .service(write("/api/crawl", query::crawl))
        .service(read("/api", index::list))
        .service(read("/api/{panel}", panels::panel))
        .service(write("/command/{name}", command::run))
        .configure(iceberg_routes)
        .default_service(web::to(not_found));
}

/// What engines that read Iceberg ask.
fn iceberg_routes(service: &mut web::ServiceConfig) {
    const TABLE: &str = "/iceberg/v1/namespaces/{namespace}/tables/{table}";
    service
        .service(read("/iceberg/v1/config", iceberg::config))
        .service(read("/iceberg/v1/namespaces", iceberg::namespaces))
        .service(read(
            "/iceberg/v1/namespaces/{namespace}",
            iceberg::namespace,
        ))
        .service(read(
            "/iceberg/v1/namespaces/{namespace}/tables",
            iceberg::tables,
        ))
        .service(read(TABLE, iceberg::table))
        .service(write(&format!("{TABLE}/metrics"), iceberg::metrics));
}

/// A resource that is read. Other methods get 405.
fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::route().guard(Any(Get()).or(Head())).to(handler))
        .default_service(web::to(|request: HttpRequest| {
            not_allowed(&request, "GET, HEAD")
        }))
}

/// A resource that takes a POST. Other methods get 405.
fn write<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::route().guard(Post()).to(handler))
        .default_service(web::to(|request: HttpRequest| {
            not_allowed(&request, "POST")
        }))
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::not_found(request.path()).response(request.path())
}

fn not_allowed(request: &HttpRequest, allowed: &'static str) -> Ready<HttpResponse> {
    let error = format!("{} does not take {}", request.path(), request.method());
    let remedy = format!("use {allowed}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, &remedy);
    let mut response = problem.response(request.path());
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    ready(response)
}

fn query_refused(error: QueryPayloadError, request: &HttpRequest) -> actix_web::Error {
    let text = match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    };
    let remedy = match request.path() {
        "/api/query" | "/sql" => "the parameters are sql and format, each once".to_owned(),
        _ => params::known_params(),
    };
    refused(Problem::invalid(text, &remedy), request)
}

fn refused(problem: Problem, request: &HttpRequest) -> actix_web::Error {
    let text = problem.error.clone();
    actix_web::error::InternalError::from_response(text, problem.response(request.path())).into()
}
