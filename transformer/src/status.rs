//! What a worker says of itself: to a scrape of its metrics, to health checks, and to a crawler
//! of the same process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use sink::{Footer, Reason};
use tokio::sync::Notify;
use topic::{Offset, Partition, Watermarks};

/// The upper bounds of the commit latency's buckets, in seconds.
const COMMIT_SECONDS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// A partition as its worker sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The next offset to be read.
    pub position: Offset,
    /// Where the lake ends, by this worker's last commit or by the tips.
    pub committed: Offset,
    /// Bytes of the open batch in memory.
    pub open_bytes: usize,
    /// Bytes of sealed batches that are not committed yet.
    pub sealed_bytes: usize,
    /// Why the partition is stopped; `None` if it is not.
    pub stopped: Option<Stopped>,
}

/// Why a partition is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The kind, as the metric's label names it.
    pub kind: &'static str,
    /// What happened and what to do.
    pub why: String,
}

/// A worker's status, shared with those that show it.
#[derive(Debug)]
pub struct Status {
    partitions: Mutex<BTreeMap<Partition, PartitionStatus>>,
    /// Where the topic ends, as asked last.
    highs: Mutex<BTreeMap<Partition, Offset>>,
    landed: Arc<Notify>,
    objects: Counter,
    rows: Counter,
    duplicates: Counter,
    absent: Counter,
    dead_letters: Family<LetterLabels, Counter>,
    commit_seconds: Histogram,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            partitions: Mutex::default(),
            highs: Mutex::default(),
            landed: Arc::default(),
            objects: Counter::default(),
            rows: Counter::default(),
            duplicates: Counter::default(),
            absent: Counter::default(),
            dead_letters: letters_of_each_reason(),
            commit_seconds: Histogram::new(COMMIT_SECONDS),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LetterLabels {
    reason: &'static str,
}

/// A counter at zero for each reason: one that first appears with its first letter hides that
/// letter from `rate` and `increase`.
fn letters_of_each_reason() -> Family<LetterLabels, Counter> {
    let letters = Family::default();
    for reason in Reason::ALL {
        let reason = reason.name();
        let _: Counter = letters.get_or_create_owned(&LetterLabels { reason });
    }
    letters
}

/// What a commit took, for the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitCosts {
    pub(crate) elapsed: Duration,
    /// How many dead letters of each reason the batch held.
    pub(crate) letters: BTreeMap<&'static str, u64>,
}

impl Status {
    /// Names the metrics in `registry`. Call it once for a process.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        let status = self.as_ref();
        let registry = registry.sub_registry_with_prefix("clickweir_transformer");
        registry.register("objects", "Objects committed", status.objects.clone());
        registry.register("rows", "Rows committed", status.rows.clone());
        registry.register(
            "duplicates",
            "Records left out as duplicates",
            status.duplicates.clone(),
        );
        registry.register(
            "absent",
            "Offsets that held no record",
            status.absent.clone(),
        );
        registry.register(
            "dead_letters",
            "Clicks that could not become rows, by reason",
            status.dead_letters.clone(),
        );
        registry.register(
            "commit_seconds",
            "Time from a sealed batch to its object in the lake",
            status.commit_seconds.clone(),
        );
        registry.register_collector(Box::new(Arc::clone(self)));
    }

    /// Every partition that the worker holds now.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<Partition, PartitionStatus> {
        self.partitions.lock().clone()
    }

    /// Notified of every object that the worker commits; several may share one notice.
    #[must_use]
    pub fn landed(&self) -> Arc<Notify> {
        self.landed.clone()
    }

    /// Notes where the topic ends, for the lag of the partitions.
    pub fn topic_ends(&self, watermarks: &BTreeMap<Partition, Watermarks>) {
        let highs = watermarks
            .iter()
            .map(|(partition, marks)| (*partition, marks.high));
        *self.highs.lock() = highs.collect();
    }

    /// Returns true if no partition is stopped.
    #[must_use]
    pub fn healthy(&self) -> bool {
        let partitions = self.partitions.lock();
        partitions.values().all(|status| status.stopped.is_none())
    }

    /// Checks that no partition is stopped.
    ///
    /// # Errors
    /// Fails with a sentence for each partition that is stopped, one a line.
    pub fn check(&self) -> Result<(), String> {
        let partitions = self.partitions.lock();
        let stopped = partitions.iter().filter_map(|(partition, status)| {
            let why = &status.stopped.as_ref()?.why;
            Some(format!("partition {partition} is stopped: {why}"))
        });
        let sentences: Vec<String> = stopped.collect();
        match sentences.is_empty() {
            true => Ok(()),
            false => Err(sentences.join("\n")),
        }
    }

    /// An object of this worker is in the lake.
    pub(crate) fn lands(&self, footer: &Footer, costs: &CommitCosts) {
        let counts = &footer.counts;
        self.objects.inc();
        self.rows.inc_by(counts.rows);
        self.duplicates.inc_by(counts.duplicates);
        self.absent.inc_by(counts.absent);
        for (&reason, count) in &costs.letters {
            let letters = self
                .dead_letters
                .get_or_create_owned(&LetterLabels { reason });
            letters.inc_by(*count);
        }
        self.commit_seconds.observe(costs.elapsed.as_secs_f64());
        self.committed(footer.partition, footer.end);
        self.landed.notify_one();
    }

    /// The lake ends there, so the partition is not stopped.
    pub(crate) fn committed(&self, partition: Partition, end: Offset) {
        let mut partitions = self.partitions.lock();
        let status = partitions.entry(partition).or_default();
        status.committed = end;
        status.position = status.position.max(end);
        status.stopped = None;
    }

    /// What the partition holds in memory, and how far it is read.
    pub(crate) fn holds(&self, partition: Partition, position: Offset, open: usize, sealed: usize) {
        let mut partitions = self.partitions.lock();
        let status = partitions.entry(partition).or_default();
        status.position = position;
        status.open_bytes = open;
        status.sealed_bytes = sealed;
    }

    /// The partition is stopped, and what it held is dropped.
    pub(crate) fn stopped(&self, partition: Partition, kind: &'static str, why: String) {
        let mut partitions = self.partitions.lock();
        let status = partitions.entry(partition).or_default();
        (status.open_bytes, status.sealed_bytes) = (0, 0);
        status.stopped = Some(Stopped { kind, why });
    }

    pub(crate) fn gone(&self, partition: Partition) {
        self.partitions.lock().remove(&partition);
    }
}

/// The gauges of the partitions that are held now: one that is gone leaves none behind.
impl Collector for Status {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let partitions = self.partitions();
        let highs = self.highs.lock().clone();
        let mut gauge =
            |name: &str, help: &str, of: &dyn Fn(Partition, &PartitionStatus) -> Option<u64>| {
                let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                for (&partition, status) in &partitions {
                    let Some(value) = of(partition, status) else {
                        continue;
                    };
                    let labels = [("partition", partition.0)];
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
                Ok::<(), fmt::Error>(())
            };
        gauge("position", "The next offset to be read", &|_, s| {
            Some(s.position.0)
        })?;
        gauge(
            "committed_end",
            "The offset at which the lake ends",
            &|_, s| Some(s.committed.0),
        )?;
        gauge(
            "lag_records",
            "Records in the topic that are not committed yet",
            &|p, s| {
                highs
                    .get(&p)
                    .map(|high| high.0.saturating_sub(s.committed.0))
            },
        )?;
        gauge(
            "open_bytes",
            "Bytes of the open batch in memory",
            &|_, s| Some(s.open_bytes as u64),
        )?;
        gauge(
            "sealed_bytes",
            "Bytes of sealed batches that are not committed yet",
            &|_, s| Some(s.sealed_bytes as u64),
        )?;
        let mut family = encoder.encode_descriptor(
            "partition_stopped",
            "1 for each partition that is stopped, with the reason",
            None,
            MetricType::Gauge,
        )?;
        for (partition, status) in &partitions {
            if let Some(Stopped { kind, .. }) = &status.stopped {
                let labels = [
                    ("partition", partition.to_string()),
                    ("reason", (*kind).to_owned()),
                ];
                ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
