//! The edge's figures: a handful of atomics, told in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// The upper bounds of the append latency's buckets, in seconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// What the edge counts. Counters only grow; they start at 0 with the process.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<u16, u64>>,
    accepted: AtomicU64,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    bytes: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len()],
    appends: AtomicU64,
    append_micros: AtomicU64,
}

impl Metrics {
    /// A request was answered with `status`.
    pub(crate) fn request(&self, status: u16) {
        *self.requests.lock().entry(status).or_default() += 1;
    }

    /// `clicks` clicks are durable.
    pub(crate) fn accepted(&self, clicks: usize) {
        self.accepted.fetch_add(clicks as u64, Ordering::Relaxed);
    }

    /// `count` bodies or items were refused for `reason`.
    pub(crate) fn rejected(&self, reason: &'static str, count: usize) {
        *self.rejected.lock().entry(reason).or_default() += count as u64;
    }

    /// A body of `count` bytes was read.
    pub(crate) fn bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The topic took `elapsed` to make an append durable.
    pub(crate) fn append(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.append_micros.fetch_add(micros, Ordering::Relaxed);
        self.appends.fetch_add(1, Ordering::Relaxed);
    }

    /// All figures in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut page = String::with_capacity(2_048);
        self.write(&mut page)
            .expect("writing to memory does not fail");
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let name = "clickweir_producer";
        head(
            page,
            "requests_total",
            "counter",
            "Requests by the status they got.",
        )?;
        for (status, count) in &*self.requests.lock() {
            writeln!(page, "{name}_requests_total{{status=\"{status}\"}} {count}")?;
        }
        head(
            page,
            "clicks_accepted_total",
            "counter",
            "Clicks that the topic has.",
        )?;
        let accepted = self.accepted.load(Ordering::Relaxed);
        writeln!(page, "{name}_clicks_accepted_total {accepted}")?;
        head(
            page,
            "rejected_total",
            "counter",
            "Bodies and items refused, by reason.",
        )?;
        for (reason, count) in &*self.rejected.lock() {
            writeln!(page, "{name}_rejected_total{{reason=\"{reason}\"}} {count}")?;
        }
        head(
            page,
            "body_bytes_total",
            "counter",
            "Bytes of bodies as they came.",
        )?;
        writeln!(
            page,
            "{name}_body_bytes_total {}",
            self.bytes.load(Ordering::Relaxed)
        )?;
        head(
            page,
            "append_seconds",
            "histogram",
            "From an append to its acknowledgement.",
        )?;
        let mut below = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            writeln!(
                page,
                "{name}_append_seconds_bucket{{le=\"{bound}\"}} {below}"
            )?;
        }
        let appends = self.appends.load(Ordering::Relaxed);
        writeln!(
            page,
            "{name}_append_seconds_bucket{{le=\"+Inf\"}} {appends}"
        )?;
        let seconds = Duration::from_micros(self.append_micros.load(Ordering::Relaxed));
        writeln!(page, "{name}_append_seconds_sum {}", seconds.as_secs_f64())?;
        writeln!(page, "{name}_append_seconds_count {appends}")
    }
}

fn head(page: &mut String, metric: &str, kind: &str, what: &str) -> std::fmt::Result {
    writeln!(page, "# HELP clickweir_producer_{metric} {what}")?;
    writeln!(page, "# TYPE clickweir_producer_{metric} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.request(202);
        metrics.request(202);
        metrics.accepted(3);
        metrics.rejected("malformed", 1);
        metrics.append(Duration::from_millis(2));
        metrics.append(Duration::from_secs(9));
        let page = metrics.text();
        for line in [
            "clickweir_producer_requests_total{status=\"202\"} 2",
            "clickweir_producer_clicks_accepted_total 3",
            "clickweir_producer_rejected_total{reason=\"malformed\"} 1",
            "clickweir_producer_append_seconds_bucket{le=\"0.001\"} 0",
            "clickweir_producer_append_seconds_bucket{le=\"0.0025\"} 1",
            "clickweir_producer_append_seconds_bucket{le=\"+Inf\"} 2",
            "clickweir_producer_append_seconds_count 2",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "{line} is in\n{page}"
            );
        }
    }
}
