//! What all requests share: the edge, its limits, and how many bytes of bodies it holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::answer::header_text;
use crate::accept::edge::{Edge, EdgeFacts, RejectedItem};
use crate::accept::rejection::Rejection;
use crate::address;
use crate::config::Config;
use crate::metrics::Monitor;

/// The state that the requests of all workers share.
pub(crate) struct EdgeState {
    pub(crate) edge: Edge,
    pub(crate) config: Config,
    pub(crate) monitor: Monitor,
    /// True once the edge has begun to stop: it is not ready, and connections close.
    pub(crate) draining: AtomicBool,
    /// The requests in flight.
    pub(crate) flight: TaskTracker,
    held_bytes: AtomicUsize,
}

impl EdgeState {
    pub(crate) fn new(config: Config, edge: Edge, monitor: Monitor) -> Self {
        Self {
            edge,
            config,
            monitor,
            draining: AtomicBool::new(false),
            flight: TaskTracker::new(),
            held_bytes: AtomicUsize::new(0),
        }
    }

    /// Appends the clicks of a body and waits until the topic has acknowledged them.
    /// Returns their number, and the items that are not clicks.
    pub(super) async fn append(
        &self,
        facts: &EdgeFacts<'_>,
        body: Bytes,
    ) -> Result<(usize, Vec<RejectedItem>), Rejection> {
        let pending = self.edge.accept(facts, body)?;
        let since = Instant::now();
        pending.delivery.await?;
        let metrics = &self.monitor.metrics;
        metrics.acknowledged(pending.clicks, since.elapsed());
        metrics.rejected("item", pending.rejected.len());
        Ok((pending.clicks, pending.rejected))
    }

    /// Reads the whole body, within the limits of size, time and memory.
    pub(super) async fn read_body<'s>(
        &'s self,
        request: &HttpRequest,
        mut payload: Payload,
    ) -> Result<(Bytes, HeldBytes<'s>), Rejection> {
        let limit = usize::try_from(self.config.max_body.as_u64()).unwrap_or(usize::MAX);
        let too_large = || Rejection::TooLarge {
            what: "the body",
            limit: format!("{limit} bytes"),
        };
        let length =
            header_text(request, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > self.config.max_body.as_u64()) {
            return Err(too_large());
        }
        let mut held = HeldBytes {
            state: self,
            bytes: 0,
        };
        let mut body = BytesMut::new();
        let reading = async {
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| {
                    Rejection::malformed(format!("the body cannot be read: {error}"))
                })?;
                if body.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                held.grow(chunk.len())?;
                body.extend_from_slice(&chunk);
            }
            Ok(())
        };
        timeout(self.config.body_timeout, reading)
            .await
            .map_err(|_| Rejection::Slow)??;
        self.monitor.metrics.body(body.len());
        Ok((body.freeze(), held))
    }

    /// Returns what is known of the request's client.
    pub(super) fn facts<'r>(&self, request: &'r HttpRequest, format: &'r str) -> EdgeFacts<'r> {
        let forwarded = request.headers().get_all("x-forwarded-for");
        let forwarded: Vec<_> = forwarded.filter_map(|value| value.to_str().ok()).collect();
        let ip = request.peer_addr().map(|peer| {
            address::client(
                peer.ip(),
                forwarded.into_iter(),
                &self.config.trusted_proxies,
            )
        });
        EdgeFacts {
            format,
            source: "http",
            ip,
            user_agent: header_text(request, header::USER_AGENT),
            content_encoding: None,
        }
    }

    /// Returns the `Access-Control-Allow-Origin` for a page of `origin`; `None` if the
    /// origin is not listed.
    pub(super) fn allowed_origin<'o>(&self, origin: &'o str) -> Option<&'o str> {
        let is_listed = |wanted: &str| self.config.origins.iter().any(|listed| listed == wanted);
        if is_listed("*") {
            Some("*")
        } else {
            is_listed(origin).then_some(origin)
        }
    }
}

/// Bytes of a body that the edge holds in memory. Dropping it gives them back.
pub(super) struct HeldBytes<'s> {
    state: &'s EdgeState,
    bytes: usize,
}

impl HeldBytes<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.bytes += bytes;
        let held = self.state.held_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match held as u64 > self.state.config.max_held.as_u64() {
            true => Err(Rejection::Unavailable(
                "the edge holds as many bytes of bodies as it may".into(),
            )),
            false => Ok(()),
        }
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        self.state
            .held_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
