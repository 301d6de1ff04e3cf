//! The catalog's metrics: crawls, free SQL and the tail.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::error::Error;
use crate::query::rows::Rows;
use crate::registry::crawl::Crawl;
use crate::tail::memory::Tail;

/// The upper bounds of the buckets of crawls and queries, in seconds.
const SECONDS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The counters of one catalog. A clone counts into the same ones.
#[derive(Debug, Clone)]
pub(crate) struct CatalogMetrics {
    crawls: Family<OutcomeLabels, Counter>,
    crawl_seconds: Histogram,
    objects: Family<OutcomeLabels, Counter>,
    queries: Family<OutcomeLabels, Counter>,
    query_seconds: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// A counter at zero for each outcome: one that first appears with its first event hides that
/// event from `rate` and `increase`.
fn at_zero(outcomes: &[&'static str]) -> Family<OutcomeLabels, Counter> {
    let counters = Family::default();
    for &outcome in outcomes {
        let _: Counter = counters.get_or_create_owned(&OutcomeLabels { outcome });
    }
    counters
}

impl CatalogMetrics {
    pub(crate) fn new() -> Self {
        Self {
            crawls: at_zero(&["ok", "failed"]),
            crawl_seconds: Histogram::new(SECONDS),
            objects: at_zero(&["registered", "held", "refused"]),
            queries: at_zero(&[
                "answered",
                "cut",
                "refused",
                "timed_out",
                "too_large",
                "busy",
                "failed",
                "abandoned",
            ]),
            query_seconds: Histogram::new(SECONDS),
        }
    }

    /// Names the counters, and the gauges of `tail`, in `registry`.
    pub(crate) fn register(&self, tail: &Tail, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("clickweir");
        registry.register("crawls", "Crawls, by outcome", self.crawls.clone());
        registry.register(
            "crawl_seconds",
            "Time that a crawl took",
            self.crawl_seconds.clone(),
        );
        registry.register(
            "crawled_objects",
            "Objects that crawls met, by outcome; one that is held or refused counts at each crawl",
            self.objects.clone(),
        );
        registry.register("sql_queries", "Free SQL, by outcome", self.queries.clone());
        registry.register(
            "sql_seconds",
            "Time from a query to its answer",
            self.query_seconds.clone(),
        );
        registry.register_collector(Box::new(tail.clone()));
    }

    /// Counts a crawl.
    pub(crate) fn crawl(&self, crawl: &Result<Crawl, Error>, took: Duration) {
        let outcome = if crawl.is_ok() { "ok" } else { "failed" };
        self.crawls.get_or_create(&OutcomeLabels { outcome }).inc();
        self.crawl_seconds.observe(took.as_secs_f64());
        let Ok(crawl) = crawl else { return };
        for (outcome, count) in [
            ("registered", crawl.registered),
            ("held", crawl.held),
            ("refused", crawl.refused),
        ] {
            let objects = self.objects.get_or_create_owned(&OutcomeLabels { outcome });
            objects.inc_by(count);
        }
    }

    /// Counts a query.
    pub(crate) fn query(&self, answer: &Result<Rows, Error>, took: Duration) {
        let outcome = match answer {
            Ok(rows) if rows.truncated => "cut",
            Ok(_) => "answered",
            Err(Error::Refused(_) | Error::Invalid(_)) => "refused",
            Err(Error::TimedOut(_)) => "timed_out",
            Err(Error::TooLarge { .. }) => "too_large",
            Err(Error::Busy { .. }) => "busy",
            Err(Error::InUse { .. } | Error::Lake(_) | Error::Unavailable(_)) => "failed",
        };
        self.ended(outcome, took);
    }

    /// Counts a query whose caller did not wait for the answer.
    pub(crate) fn abandoned_query(&self, took: Duration) {
        self.ended("abandoned", took);
    }

    fn ended(&self, outcome: &'static str, took: Duration) {
        self.queries.get_or_create(&OutcomeLabels { outcome }).inc();
        self.query_seconds.observe(took.as_secs_f64());
    }
}

/// The gauges of the partitions that the tail keeps now.
impl Collector for Tail {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstGauge::<u64>::TYPE;
        let tails = self.snapshot().partitions;
        let help = "Memory that the tail takes for a partition";
        let mut family = encoder.encode_descriptor("tail_bytes", help, None, kind)?;
        for (partition, tail) in &tails {
            let bytes = ConstGauge::new(tail.bytes as u64);
            bytes.encode(family.encode_family(&[("partition", partition.0)])?)?;
        }
        let help = "The offset at which the tail of a partition ends";
        let mut family = encoder.encode_descriptor("tail_end", help, None, kind)?;
        for (partition, tail) in &tails {
            let end = ConstGauge::new(tail.end.0);
            end.encode(family.encode_family(&[("partition", partition.0)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text::encode;

    use super::*;

    #[test]
    fn crawls_and_queries_are_counted_by_outcome() {
        let (metrics, tail) = (CatalogMetrics::new(), Tail::new(1 << 20));
        tail.begin(sink::Partition(3), sink::Offset(7));
        let mut registry = Registry::default();
        metrics.register(&tail, &mut registry);
        let crawl = Crawl {
            registered: 2,
            held: 1,
            ..Crawl::default()
        };
        metrics.crawl(&Ok(crawl), Duration::from_millis(20));
        let failed = Err(Error::Unavailable("the disk is full".into()));
        metrics.crawl(&failed, Duration::from_millis(20));
        let slow = Err(Error::TimedOut(Duration::from_secs(30)));
        metrics.query(&slow, Duration::from_secs(30));
        metrics.abandoned_query(Duration::from_secs(1));
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        for line in [
            "clickweir_crawls_total{outcome=\"ok\"} 1",
            "clickweir_crawls_total{outcome=\"failed\"} 1",
            "clickweir_crawled_objects_total{outcome=\"registered\"} 2",
            "clickweir_crawled_objects_total{outcome=\"held\"} 1",
            "clickweir_crawl_seconds_count 2",
            "clickweir_sql_queries_total{outcome=\"timed_out\"} 1",
            "clickweir_sql_queries_total{outcome=\"abandoned\"} 1",
            "clickweir_sql_seconds_count 2",
            "clickweir_tail_end{partition=\"3\"} 7",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}: {page}");
        }
    }
}
