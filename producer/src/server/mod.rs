//! The edge as a stage of a process: it serves until it has to stop, then it drains.

mod refusals;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_http::{Extensions, HttpService};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use humantime::format_duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use topic::Writer;
use topic::clock::SharedClock;

use crate::accept::edge::Edge;
use crate::config::Config;
use crate::http::head::AwaitedHead;
use crate::http::observe::observe;
use crate::http::routes;
use crate::http::state::EdgeState;
use crate::metrics::Monitor;
use crate::shop::{self, Shop};
use crate::watched::watch;
use refusals::ParserRefusals;

/// How long a connection may idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take to close its side of a connection that the edge has closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the last answers may take to leave once no request is in flight. In whole
/// seconds, as actix takes it.
const SHUTDOWN_SECS: u64 = 1;

/// Why the edge did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener cannot be served.
    #[error("the edge cannot serve its listener: {0}")]
    Serve(#[from] io::Error),
    /// The topic did not settle all appends in time. The rest was not acknowledged.
    #[error(
        "the topic did not settle within {}; clients will send those clicks again",
        format_duration(*.0)
    )]
    Unsettled(Duration),
}

/// Serves the edge on `listener` until `shutdown`. Then it is no longer ready and takes no
/// more requests, those in flight get `config.drain` to finish, and the writer is flushed.
/// The workers have threads of their own, so this can be spawned on any multi-thread tokio
/// runtime.
///
/// # Errors
/// [`Error::Serve`] if the listener or a worker fails, [`Error::Unsettled`] if the writer
/// does not settle while draining.
pub async fn run(
    config: Config,
    listener: TcpListener,
    writer: Arc<dyn Writer>,
    clock: SharedClock,
    monitor: Monitor,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let drain = config.drain;
    let edge = Edge::new(&config, writer.clone(), clock);
    let state = Data::new(EdgeState::new(config, edge, monitor));
    let address = listener.local_addr()?;
    let closing = CancellationToken::new();
    if let Some(firewall) = &state.monitor.firewall {
        let firewall = firewall.clone();
        tokio::spawn(watch(move || firewall.reload(), closing.clone()));
    }
    if let Some(keys) = &state.monitor.keys {
        let keys = keys.clone();
        tokio::spawn(watch(move || keys.reload(), closing.clone()));
    }
    let sweeping = state.clone();
    let sweep = move || sweeping.edge.sweep_salts();
    tokio::spawn(watch(sweep, closing.clone()));
    let server = serve(state.clone(), listener, &closing)?;
    tracing::info!(%address, "the edge listens");
    let handle = server.handle();
    let mut serving = tokio::spawn(server);
    tokio::select! {
        ended = &mut serving => {
            return ended.map_err(io::Error::other)?.map_err(Error::Serve);
        }
        () = shutdown.cancelled() => {}
    }
    tracing::info!(
        in_flight = state.flight.len(),
        "the edge stops: it takes no more requests and drains"
    );
    state.draining.store(true, Ordering::Relaxed);
    handle.pause().await;
    state.flight.close();
    // Requests that are still in flight after the drain are cut off: they were not
    // acknowledged.
    let _ = tokio::time::timeout(drain, state.flight.wait()).await;
    closing.cancel();
    handle.stop(true).await;
    match writer.flush(drain).await {
        true => Ok(()),
        false => Err(Error::Unsettled(drain)),
    }
}

/// Serves as `HttpServer` does, but also sees the connections that end without any request. Idle
/// ones end with `closing`.
fn serve(
    state: Data<EdgeState>,
    listener: TcpListener,
    closing: &CancellationToken,
) -> io::Result<Server> {
    let config = state.config.clone();
    let (workers, address) = (config.workers.max(1), listener.local_addr()?);
    let shop = config.shop.then(|| Data::new(Shop::default()));
    let (metrics, head_timeout) = (state.monitor.metrics.clone(), config.head_timeout);
    let refusals = Arc::new(ParserRefusals::new(state.monitor.metrics.clone()));
    let app = move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(observe))
            .configure(routes::configure)
            .configure(|app| {
                if let Some(shop) = &shop {
                    shop::configure(app, shop.clone());
                }
            })
    };
    let closing = closing.clone();
    let service = move || {
        let (closing, refusals) = (closing.clone(), refusals.clone());
        let metrics = metrics.clone();
        let app = app()
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || closing.clone().cancelled_owned())
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(head_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(address)
            .on_connect_ext(move |_: &TcpStream, connection: &mut Extensions| {
                connection.insert(AwaitedHead::new(metrics.clone(), head_timeout));
            })
            .finish(map_config(app, |()| AppConfig::default()))
            .tcp()
            .map_err(move |error| refusals.count(&error))
    };
    let server = Server::build()
        .workers(workers)
        .shutdown_timeout(SHUTDOWN_SECS)
        .disable_signals()
        .listen("edge", listener, service)?
        .run();
    Ok(server)
}

#[cfg(test)]
mod tests;
