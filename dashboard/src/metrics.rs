//! The metrics of the dashboard: its requests, and gauges that are set at each scrape.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Writes the metrics of the whole process in Prometheus' text format 0.0.4.
pub type Exposition = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// The dashboard's metrics. A clone is the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageMetrics {
    requests: Family<PageLabels, Counter>,
    gauges: Arc<CatalogGauges>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PageLabels {
    route: String,
    status: u16,
}

/// The gauges of the last scrape. Each is there only while it is known.
#[derive(Debug, Default)]
struct CatalogGauges(Mutex<Vec<GaugeFamily>>);

/// A gauge, or one for each partition.
#[derive(Debug, Clone)]
pub(crate) struct GaugeFamily {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// The values. The partition is `None` if there is only one.
    pub(crate) values: Vec<(Option<u32>, GaugeValue)>,
}

/// A count, which is shown without a point, or a measure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GaugeValue {
    Count(u64),
    Measure(f64),
}

impl PageMetrics {
    /// Makes the metrics and names them in `registry`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("clickweir");
        registry.register(
            "dashboard_requests",
            "Requests by route and status",
            metrics.requests.clone(),
        );
        registry.register_collector(Box::new(metrics.gauges.clone()));
        metrics
    }

    /// Replaces the gauges.
    pub(crate) fn set_gauges(&self, gauges: Vec<GaugeFamily>) {
        *self.gauges.0.lock() = gauges;
    }

    /// Counts a request. `route` is the pattern that its path matched; `None` if it matched none.
    pub(crate) fn request(&self, route: Option<String>, status: u16) {
        let route = route.unwrap_or_else(|| "other".to_owned());
        self.requests
            .get_or_create(&PageLabels { route, status })
            .inc();
    }
}

impl Collector for CatalogGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = MetricType::Gauge;
        for GaugeFamily { name, help, values } in self.0.lock().iter() {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (partition, value) in values {
                let labels = partition.map(|n| ("partition", n));
                let labels = labels.as_slice();
                let encoder = family.encode_family(&labels)?;
                match value {
                    GaugeValue::Count(count) => ConstGauge::new(*count).encode(encoder)?,
                    GaugeValue::Measure(measure) => ConstGauge::new(*measure).encode(encoder)?,
                }
            }
        }
        Ok(())
    }
}
