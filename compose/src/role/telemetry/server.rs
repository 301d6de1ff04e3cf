//! `metrics.listen`: `/metrics`, `/healthz` and `/readyz` of every role.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use tokio_util::sync::CancellationToken;

use super::state::Telemetry;

/// How long open requests may take once the process stops, in seconds.
const SHUTDOWN_SECS: u64 = 1;

/// Serves until `stop`.
///
/// # Errors
/// Fails when the listener cannot be served.
pub(in crate::role) async fn serve(
    listener: TcpListener,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::from(telemetry.clone()))
            .route("/metrics", web::get().to(metrics))
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
            .default_service(web::to(missing))
    })
    .workers(1)
    .shutdown_timeout(SHUTDOWN_SECS)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    stop.cancelled().await;
    handle.stop(true).await;
    Ok(serving.await??)
}

async fn metrics(telemetry: Data<Telemetry>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body(telemetry.page().await)
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

async fn readyz(telemetry: Data<Telemetry>) -> HttpResponse {
    match telemetry.ready().await {
        Ok(()) => HttpResponse::Ok().body("ready\n"),
        Err(why) => HttpResponse::ServiceUnavailable().body(format!("{why}\n")),
    }
}

async fn missing() -> HttpResponse {
    HttpResponse::NotFound().body("there are /metrics, /healthz and /readyz\n")
}
