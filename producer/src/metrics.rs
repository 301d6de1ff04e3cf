//! The edge's metrics, and how the process hands in the page that shows them.

use std::fmt::{Debug, Formatter};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::accept::rejection::Rejection;
use crate::keys::KeyStore;
use crate::proxies::ProxyWatch;
use crate::rules::{Firewall, RuleMetrics};
use crate::tls::EdgeTls;

/// The upper bounds of the append latency's buckets, in seconds.
const APPEND_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// The reason of an item that was refused while the rest of its body was taken.
pub(crate) const ITEM: &str = "item";
/// The reason of a click that is not in the share that is kept.
pub(crate) const SAMPLE: &str = "sample";
/// The reason of a click that a policy of privacy does not let the edge keep.
pub(crate) const PRIVACY: &str = "privacy";
/// The reason of what was no HTTP request.
pub(crate) const NO_REQUEST: &str = "http";
/// The reason of what did not become TLS.
pub(crate) const NO_TLS: &str = "tls";

/// Writes the metrics of the whole process in Prometheus' text format 0.0.4.
pub type Exposition = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// What the edge counts into, and what `GET /metrics` answers.
#[derive(Clone)]
pub struct Monitor {
    /// The edge's own metrics.
    pub metrics: EdgeMetrics,
    /// The page of the process.
    pub exposition: Exposition,
    /// The rules that every request has to pass; `None` if there are none.
    pub firewall: Option<Arc<Firewall>>,
    /// The keys of those who may send clicks; `None` if everybody may.
    pub keys: Option<Arc<KeyStore>>,
    /// The certificate by which the edge speaks TLS; `None` if it speaks plain HTTP.
    pub tls: Option<Arc<EdgeTls>>,
    /// Notices a proxy that hides everybody.
    pub proxies: Arc<ProxyWatch>,
}

impl Debug for Monitor {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor")
            .field("metrics", &self.metrics)
            .field("firewall", &self.firewall)
            .finish_non_exhaustive()
    }
}

/// The edge's metrics. A clone counts into the same ones.
#[derive(Debug, Clone)]
pub struct EdgeMetrics {
    requests: Family<RequestLabels, Counter>,
    acknowledged: Counter,
    rejected: Family<RejectionLabels, Counter>,
    body_bytes: Counter,
    append_seconds: Histogram,
    certificate_ends: Gauge,
    rules: RuleMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    reason: &'static str,
}

/// A counter at zero for each reason: one that first appears with its first refusal hides that
/// refusal from `rate` and `increase`.
fn rejected_for_each_reason() -> Family<RejectionLabels, Counter> {
    let rejected = Family::default();
    for reason in Rejection::KINDS
        .into_iter()
        .chain([ITEM, SAMPLE, PRIVACY, NO_REQUEST, NO_TLS])
    {
        let _: Counter = rejected.get_or_create_owned(&RejectionLabels { reason });
    }
    rejected
}

impl EdgeMetrics {
    /// Makes the metrics and names them in `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("clickweir_producer");
        let metrics = Self {
            requests: Family::default(),
            acknowledged: Counter::default(),
            rejected: rejected_for_each_reason(),
            body_bytes: Counter::default(),
            append_seconds: Histogram::new(APPEND_SECONDS),
            certificate_ends: Gauge::default(),
            rules: RuleMetrics::register(registry),
        };
        registry.register(
            "requests",
            "Requests by route and status",
            metrics.requests.clone(),
        );
        registry.register(
            "clicks_acknowledged",
            "Clicks that the topic has made durable",
            metrics.acknowledged.clone(),
        );
        registry.register(
            "rejected",
            "Bodies and items refused, by reason",
            metrics.rejected.clone(),
        );
        registry.register(
            "body_bytes",
            "Bytes of bodies as they came",
            metrics.body_bytes.clone(),
        );
        registry.register(
            "append_seconds",
            "Time from an append to its acknowledgement",
            metrics.append_seconds.clone(),
        );
        registry.register(
            "certificate_ends_seconds",
            "Unix time at which the edge's certificate ends; 0 without TLS",
            metrics.certificate_ends.clone(),
        );
        metrics
    }

    /// What the rules count into.
    #[must_use]
    pub fn rules(&self) -> &RuleMetrics {
        &self.rules
    }

    /// When the edge's certificate ends.
    #[must_use]
    pub fn certificate_ends(&self) -> Gauge {
        self.certificate_ends.clone()
    }

    /// Counts a request to `route` that was answered with `status`.
    pub(crate) fn request(&self, route: &'static str, status: u16) {
        self.requests
            .get_or_create(&RequestLabels { route, status })
            .inc();
    }

    /// Counts what could not be read as a request, so that it has no path, and was answered with
    /// `status`.
    pub(crate) fn unread(&self, status: u16) {
        let route = "unread";
        self.requests
            .get_or_create(&RequestLabels { route, status })
            .inc();
    }

    /// Counts an append of `clicks` clicks that took `elapsed` until it was durable.
    pub(crate) fn acknowledged(&self, clicks: usize, elapsed: Duration) {
        self.acknowledged.inc_by(clicks as u64);
        self.append_seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts `count` bodies or items that were refused for `reason`.
    pub(crate) fn rejected(&self, reason: &'static str, count: usize) {
        if count > 0 {
            self.rejected
                .get_or_create(&RejectionLabels { reason })
                .inc_by(count as u64);
        }
    }

    /// Counts a body of `bytes` bytes.
    pub(crate) fn body(&self, bytes: usize) {
        self.body_bytes.inc_by(bytes as u64);
    }
}
