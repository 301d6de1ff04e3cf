//! The edge as a stage of a process: it serves until it has to stop, then it drains.

mod connections;
mod refusals;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use humantime::format_duration;
use tokio_util::sync::CancellationToken;
use topic::Writer;
use topic::clock::SharedClock;

use crate::accept::edge::Edge;
use crate::config::Config;
use crate::http::state::EdgeState;
use crate::metrics::Monitor;
use crate::shop::Shop;
use crate::watched::watch;
use connections::Connections;
use refusals::Refusals;

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
    if let Some(tls) = &state.monitor.tls {
        let tls = tls.clone();
        tokio::spawn(watch(move || tls.reload(), closing.clone()));
    }
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
    let (workers, tls) = (state.config.workers.max(1), state.monitor.tls.clone());
    let head_timeout = state.config.head_timeout;
    let connections = Connections {
        address: listener.local_addr()?,
        shop: state.config.shop.then(|| Data::new(Shop::default())),
        refusals: Arc::new(Refusals::new(state.monitor.metrics.clone())),
        closing: closing.clone(),
        state,
    };
    let server = Server::build()
        .workers(workers)
        .shutdown_timeout(SHUTDOWN_SECS)
        .disable_signals();
    let server = match tls {
        None => server.listen("edge", listener, move || connections.plain())?,
        Some(tls) => {
            let handshake = tls.handshake(head_timeout);
            server.listen("edge", listener, move || connections.tls(&handshake))?
        }
    };
    Ok(server.run())
}

#[cfg(test)]
mod tests;
