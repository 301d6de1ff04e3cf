//! What all requests share: the edge, its limits, and how many bytes of bodies it holds.

use std::borrow::Cow;
use std::iter;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::answer::header_text;
use super::credentials::key_of;
use super::origin::{OriginList, PageOrigin};
use crate::accept::edge::{Edge, EdgeFacts, LeftOutClicks, RejectedItem};
use crate::accept::format::WireFormat;
use crate::accept::rejection::Rejection;
use crate::address;
use crate::capture::CaptureSet;
use crate::config::Config;
use crate::keys::SourceKey;
use crate::metrics::{ITEM, Monitor, PRIVACY, SAMPLE};
use crate::privacy::policy;
use crate::rules::firewall::JudgedHead;
use crate::rules::request::RequestHead;
use crate::sample::ClickShare;

/// How much of an origin a refusal repeats.
const MAX_SHOWN_CHARS: usize = 200;
/// The headers by which proxies say that they pass a request on.
const FORWARDING: [&str; 4] = ["x-forwarded-for", "forwarded", "via", "x-real-ip"];

/// A body whose clicks were acknowledged.
#[derive(Debug, Default)]
pub(super) struct AppendedBody {
    /// How many clicks are in the topic.
    pub(super) clicks: usize,
    /// How many are not, because the owner does not want to keep them.
    pub(super) left_out: usize,
    pub(super) rejected: Vec<RejectedItem>,
}

/// The state that the requests of all workers share.
pub(crate) struct EdgeState {
    pub(crate) edge: Edge,
    pub(crate) config: Config,
    pub(crate) monitor: Monitor,
    /// True once the edge has begun to stop: it is not ready, and connections close.
    pub(crate) draining: AtomicBool,
    /// The requests in flight.
    pub(crate) flight: TaskTracker,
    /// What is kept of requests.
    pub(super) captures: CaptureSet,
    origins: OriginList,
    held_bytes: AtomicUsize,
}

impl EdgeState {
    pub(crate) fn new(config: Config, edge: Edge, monitor: Monitor) -> Self {
        let origins = OriginList::of(&config.origins);
        let captures = CaptureSet::of(
            &config.captures,
            config.ip,
            &config.trusted_proxies,
            &config.strip_query,
        );
        Self {
            edge,
            config,
            monitor,
            draining: AtomicBool::new(false),
            flight: TaskTracker::new(),
            captures,
            origins,
            held_bytes: AtomicUsize::new(0),
        }
    }

    /// Appends the clicks of a body and waits until the topic has acknowledged them.
    pub(super) async fn append(
        &self,
        format: &dyn WireFormat,
        facts: &EdgeFacts<'_>,
        body: Bytes,
    ) -> Result<AppendedBody, Rejection> {
        let pending = self.edge.accept_as(format, facts, body)?;
        let since = Instant::now();
        pending.delivery.await?;
        let metrics = &self.monitor.metrics;
        metrics.acknowledged(pending.clicks, since.elapsed());
        metrics.rejected(ITEM, pending.rejected.len());
        let left_out = pending.left_out.count();
        if left_out > 0 {
            self.count_left_out(&facts.shares, &pending.left_out);
        }
        Ok(AppendedBody {
            clicks: pending.clicks,
            rejected: pending.rejected,
            left_out,
        })
    }

    fn count_left_out(&self, shares: &[ClickShare], left_out: &LeftOutClicks) {
        self.monitor.metrics.rejected(PRIVACY, left_out.by_policy);
        for (share, &clicks) in shares.iter().zip(&left_out.by_shares) {
            self.monitor.metrics.rejected(SAMPLE, clicks);
            if let (Some(firewall), Some(rule)) = (&self.monitor.firewall, &share.rule) {
                firewall.left_out(rule, clicks);
            }
        }
    }

    /// The largest body of clicks, in bytes.
    pub(super) fn max_body(&self) -> usize {
        usize::try_from(self.config.max_body.as_u64()).unwrap_or(usize::MAX)
    }

    /// Reads the whole body, at most `limit` bytes, within the limits of time and memory.
    pub(crate) async fn read_body<'s>(
        &'s self,
        request: &HttpRequest,
        mut payload: Payload,
        limit: usize,
    ) -> Result<(Bytes, HeldBytes<'s>), Rejection> {
        let too_large = || Rejection::TooLarge {
            what: "the body",
            limit: format!("{limit} bytes"),
        };
        let length =
            header_text(request, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > limit as u64) {
            return Err(too_large());
        }
        let mut held = HeldBytes {
            state: self,
            bytes: 0,
        };
        let mut body = BytesMut::new();
        let reading = async {
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| unread(&error))?;
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
        let body = body.freeze();
        self.judge_body(request, &body)?;
        Ok((body, held))
    }

    /// Lets the rules judge a body that was read.
    fn judge_body(&self, request: &HttpRequest, body: &Bytes) -> Result<(), Rejection> {
        let Some(firewall) = &self.monitor.firewall else {
            return Ok(());
        };
        let mut extensions = request.extensions_mut();
        extensions.get_mut::<JudgedHead>().map_or(Ok(()), |judged| {
            let head = RequestHead::of(request, judged.client());
            firewall.judge_body(judged, &head, body)
        })
    }

    /// The shares of a request's clicks that the rules and its key keep.
    fn shares(&self, request: &HttpRequest, key: Option<&SourceKey>) -> Vec<ClickShare> {
        let mut shares = Vec::new();
        if self.monitor.firewall.is_some()
            && let Some(judged) = request.extensions().get::<JudgedHead>()
        {
            shares.extend_from_slice(judged.shares());
        }
        shares.extend(key.and_then(|key| key.share.clone()));
        shares
    }

    /// Returns what is known of a request whose body is in a wire `format`: its client, whose user
    /// agent is `agent`, and the source of its `key`.
    pub(super) fn facts<'r>(
        &self,
        request: &'r HttpRequest,
        format: &'r str,
        agent: Option<&'r str>,
        key: Option<&'r SourceKey>,
    ) -> EdgeFacts<'r> {
        self.watch_proxy(request);
        let (ip, name) = (self.client(request), key.map(|key| &*key.name));
        let captured = self
            .captures
            .capture(request, name, ip, self.edge.cleaner());
        let (captured, redacted) = captured.unzip();
        EdgeFacts {
            format,
            source: key.map_or("http", |key| &key.name),
            ip,
            user_agent: agent,
            content_encoding: header_text(request, header::CONTENT_ENCODING),
            request: captured,
            shares: self.shares(request, key),
            privacy: policy::by_signals(request.headers(), self.config.dnt, self.config.gpc),
            redacted: redacted.unwrap_or_default(),
        }
    }

    /// Notes whether a proxy that is not trusted passed the request on.
    fn watch_proxy(&self, request: &HttpRequest) {
        let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else {
            return;
        };
        let proxies = &self.monitor.proxies;
        let is_passed_on = request.headers().contains_key(header::X_FORWARDED_FOR);
        match is_passed_on && !address::is_within(peer, &self.config.trusted_proxies) {
            true => proxies.passed_on(peer),
            false => proxies.came_directly(),
        }
    }

    /// Returns the client's address, which a trusted proxy may have named.
    pub(crate) fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let forwarded = request.headers().get_all("x-forwarded-for");
        let forwarded: Vec<_> = forwarded
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let hops = forwarded.iter().map(|value| &**value);
        let trusted = &self.config.trusted_proxies;
        let peer = request.peer_addr()?.ip();
        Some(address::client(peer, hops, trusted))
    }

    /// Returns where the page is from that made the request.
    pub(crate) fn page_origin(&self, request: &HttpRequest) -> PageOrigin {
        let ring = self.monitor.keys.as_ref().map(|keys| keys.ring());
        let of_keys = ring.iter().flat_map(|ring| ring.origins());
        let lists: Vec<_> = iter::once(&self.origins).chain(of_keys).collect();
        self.page_by(request, &lists)
    }

    fn page_by(&self, request: &HttpRequest, lists: &[&OriginList]) -> PageOrigin {
        let peer = request.peer_addr().map(|peer| peer.ip());
        PageOrigin::of(request.headers(), peer, &self.config.trusted_proxies, lists)
    }

    /// Refuses a request that a page of an origin made which is not listed, neither for all nor for
    /// any key.
    pub(super) fn check_origin(&self, request: &HttpRequest) -> Result<(), Rejection> {
        refuse_foreign(self.page_origin(request))
    }

    /// Refuses a request without a key, or with one that is not for this page or format, or with
    /// which too many came. The key is in its head, or else what `in_body` finds. Returns the key's
    /// source; `None` if the edge is open. A page must have passed `check_origin`.
    pub(super) fn authorize(
        &self,
        request: &HttpRequest,
        format: &'static str,
        in_body: impl FnOnce() -> Option<String>,
    ) -> Result<Option<Arc<SourceKey>>, Rejection> {
        let Some(keys) = &self.monitor.keys else {
            return Ok(None);
        };
        let sent = key_of(request).or_else(|| in_body().map(Cow::Owned));
        let sent = sent.ok_or(Rejection::NoKey)?;
        let key = keys.ring().find(&sent).ok_or(Rejection::UnknownKey)?;
        if !key.is_for(format) {
            return Err(Rejection::ForeignFormat(format));
        }
        let list = match key.origins.is_empty() {
            true => &self.origins,
            false => &key.origins,
        };
        refuse_foreign(self.page_by(request, &[list]))?;
        key.take()?;
        Ok(Some(key))
    }

    /// Returns true if the request comes from this machine itself, or from an address of
    /// `producer.metrics_from`. What a proxy on this machine passes on does not.
    pub(super) fn may_read_metrics(&self, request: &HttpRequest) -> bool {
        let Some(client) = self.client(request) else {
            return false;
        };
        let headers = request.headers();
        let is_direct = !FORWARDING.iter().any(|name| headers.contains_key(*name));
        client.is_loopback() && is_direct || address::is_within(client, &self.config.metrics_from)
    }
}

fn refuse_foreign(page: PageOrigin) -> Result<(), Rejection> {
    let PageOrigin::Foreign(origin) = page else {
        return Ok(());
    };
    let shown = String::from_utf8_lossy(origin.as_bytes());
    let shown = shown.chars().take(MAX_SHOWN_CHARS).collect();
    Err(Rejection::ForeignOrigin(shown))
}

/// Why a body could not be read.
fn unread(error: &PayloadError) -> Rejection {
    match error {
        PayloadError::Incomplete(_) | PayloadError::Io(_) => Rejection::Incomplete,
        PayloadError::EncodingCorrupted => {
            Rejection::malformed("the body's chunks are not as HTTP/1.1 wants them")
        }
        other => Rejection::malformed(format!("the body cannot be read: {other}")),
    }
}

/// Bytes of a body that the edge holds in memory. Dropping it gives them back.
pub(crate) struct HeldBytes<'s> {
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
