//! What this process costs, under the names that Prometheus' own libraries give it.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The unit of the times in `/proc/self/stat`, in Hz: `USER_HZ`, which is 100 on every
/// architecture that we build for (proc(5)).
const CLOCK_TICKS: f64 = 100.0;

/// Reads `/proc` at each scrape. Elsewhere than on Linux it shows nothing.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time of this process, in user and system mode";
            let kind = ConstCounter::<f64>::TYPE;
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                kind,
            )?)?;
        }
        let mut gauge = |name, help, value: Option<u64>| {
            let Some(value) = value else { return Ok(()) };
            let kind = ConstGauge::<u64>::TYPE;
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, kind)?)
        };
        gauge(
            "process_resident_memory_bytes",
            "Memory of this process that is resident",
            resident_bytes(),
        )?;
        gauge(
            "process_open_fds",
            "File descriptors that are open",
            open_descriptors(),
        )
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name, which may hold spaces. Of the fields behind it
    // the 12th and the 13th are `utime` and `stime` (proc(5)).
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11);
    let user: f64 = times.next()?.parse().ok()?;
    let system: f64 = times.next()?.parse().ok()?;
    Some((user + system) / CLOCK_TICKS)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}
