//! The edge as a stage of a process: it serves until it is told to stop, then drains.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio_util::sync::CancellationToken;
use topic::Writer;
use topic::clock::SharedClock;

use crate::http::state::{self as door, Door};
use crate::{Config, Edge, shop};

/// How long a connection may idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After the requests in flight have ended: how long the last answers may take to
/// leave, in seconds.
const LAST_WORDS: u64 = 1;

/// Why the edge stopped other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener cannot be served.
    #[error("the edge cannot serve its listener: {0}")]
    Serve(#[from] io::Error),
    /// The topic had not settled all appends in time; none of these was acknowledged.
    #[error("the topic did not settle within {}; clients will send those clicks again", humantime(*.0))]
    Unsettled(Duration),
}

/// Serves the edge on `listener` until `shutdown`; then readiness ends, nothing is
/// accepted any more, requests in flight get `config.drain` to end, and the writer is
/// flushed. Can be spawned on any multi-thread tokio runtime: the workers have their
/// own threads.
///
/// # Errors
/// [`Error::Serve`] when the listener or a worker fails, [`Error::Unsettled`] when the
/// writer does not settle while draining.
pub async fn run(
    config: Config,
    listener: TcpListener,
    writer: Arc<dyn Writer>,
    clock: SharedClock,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let drain = config.drain;
    let edge = Edge::new(&config, writer.clone(), clock);
    let door = Data::new(Door::new(config, edge));
    let address = listener.local_addr()?;
    let server = serve(door.clone(), listener)?;
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
        in_flight = door.flight.len(),
        "the edge stops: it accepts no more and drains"
    );
    door.draining.store(true, Ordering::Relaxed);
    handle.pause().await;
    door.flight.close();
    // Past the deadline the rest is cut: it was not acknowledged.
    let _ = tokio::time::timeout(drain, door.flight.wait()).await;
    handle.stop(true).await;
    match writer.flush(drain).await {
        true => Ok(()),
        false => Err(Error::Unsettled(drain)),
    }
}

fn serve(door: Data<Door>, listener: TcpListener) -> io::Result<Server> {
    let config = door.config.clone();
    let shop = Data::new(shop::Shop::default());
    let app = move || {
        App::new()
            .app_data(door.clone())
            .app_data(shop.clone())
            .wrap(from_fn(door::watch))
            .configure(|app| shop::routes(app, door.config.shop))
            .configure(door::routes)
    };
    let server = HttpServer::new(app)
        .workers(config.workers.max(1))
        .client_request_timeout(config.head_timeout)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(LAST_WORDS)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

fn humantime(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
