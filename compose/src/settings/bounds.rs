//! The least and the greatest value of every number. Beyond them a process would not start, or
//! would take the whole machine.

use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use bytesize::ByteSize;
use figment::Figment;
use figment::value::Value;

use super::misread::place;
use super::shown::shown;

/// What a number counts, and its least and greatest value, as the file writes it.
#[derive(Clone, Copy)]
pub(super) enum Bounds {
    Count(u64, u64),
    Time(&'static str, &'static str),
    Size(&'static str, &'static str),
}

use Bounds::{Count, Size, Time};

/// Every key that is a number.
pub(super) const BOUNDS: [(&str, Bounds); 42] = [
    // Each partition of an embedded topic has files and memory of its own.
    ("topic.partitions", Count(1, 1_024)),
    ("topic.retention", Time("1s", "100years")),
    ("topic.retention_size", Size("0B", "1PiB")),
    ("topic.queue", Size("1MiB", "1TiB")),
    ("topic.max_record", Size("64KiB", "1GiB")),
    ("topic.append_timeout", Time("10ms", "1h")),
    ("topic.linger", Time("0s", "10s")),
    ("topic.session_timeout", Time("100ms", "1h")),
    // A reader that still holds a replaced object must be done with it.
    ("lake.grace", Time("6s", "365days")),
    // An object each time: more would fill the lake with objects and no query with rows.
    ("sink.max_age", Time("50ms", "1day")),
    ("sink.max_bytes", Size("64KiB", "1GiB")),
    ("sink.max_rows", Count(1, 1_000_000_000)),
    ("sink.max_open_rows", Count(1, 1_000_000_000)),
    ("sink.max_memory", Size("1MiB", "1TiB")),
    ("sink.handover", Time("0s", "1h")),
    ("sink.max_silence", Time("1s", "7days")),
    // Each turn lists the lake.
    ("compaction.every", Time("100ms", "1day")),
    ("compaction.cpu_percent", Count(1, 100)),
    ("transformer.window", Time("0s", "30days")),
    ("transformer.window_records", Count(0, 1_000_000_000)),
    ("producer.workers", Count(1, 1_024)),
    ("producer.max_body", Size("1KiB", "1GiB")),
    ("producer.max_inflated", Size("1KiB", "1GiB")),
    ("producer.max_click", Size("1KiB", "64MiB")),
    ("producer.max_clicks", Count(1, 1_000_000)),
    ("producer.max_held", Size("1KiB", "1TiB")),
    ("producer.head_timeout", Time("100ms", "1h")),
    ("producer.body_timeout", Time("100ms", "1h")),
    ("producer.drain", Time("0s", "1h")),
    ("catalog.every", Time("50ms", "1day")),
    ("catalog.full_every", Time("1s", "365days")),
    // With less DuckDB cannot even open its file.
    ("catalog.memory", Size("64MiB", "1PiB")),
    ("catalog.tail_memory", Size("0B", "1TiB")),
    ("catalog.fold_rows", Count(1, 1_000_000_000)),
    ("catalog.threads", Count(1, 1_024)),
    ("catalog.query_memory", Size("64MiB", "1PiB")),
    ("catalog.query_timeout", Time("100ms", "1day")),
    ("catalog.query_rows", Count(1, 1_000_000_000)),
    ("catalog.publish_every", Time("1s", "365days")),
    ("dashboard.workers", Count(1, 1_024)),
    ("dashboard.stale_after", Time("1s", "30days")),
    ("shutdown.deadline", Time("0s", "1day")),
];

/// Checks every number.
///
/// # Errors
/// Fails with the first one that is out of its bounds, and says what may be written.
pub(super) fn check(figment: &Figment) -> anyhow::Result<()> {
    for (key, bounds) in BOUNDS {
        let Ok(value) = figment.find_value(key) else {
            continue;
        };
        if !bounds.holds(&text(&value)) {
            let (least, greatest) = bounds.ends();
            let metadata = figment.find_metadata(key);
            let place = metadata.map(|metadata| place(metadata, key));
            bail!(
                "configuration {key}{}: {} is out of bounds; write {least} to {greatest}",
                place.unwrap_or_default(),
                shown(&value)
            );
        }
    }
    Ok(())
}

/// How many silences of a worker a grace is, at least.
const GRACE_SILENCES: u32 = 6;

/// Checks that what a swap has replaced outlasts what a worker may still hold of it.
///
/// # Errors
/// Fails with a sentence that says what may be written.
pub(super) fn check_grace(grace: Duration, max_silence: Duration) -> anyhow::Result<()> {
    let least = max_silence.saturating_mul(GRACE_SILENCES);
    if grace >= least {
        return Ok(());
    }
    let said = humantime::format_duration;
    bail!(
        "configuration lake.grace: {} is less than {GRACE_SILENCES} times sink.max_silence ({}); \
         write {} or more, so that a worker that wakes late brings nothing back",
        said(grace),
        said(max_silence),
        said(least)
    )
}

/// Checks how often a table beside the clicks is read or made.
///
/// # Errors
/// As [`check`].
pub(super) fn check_every(kind: &str, name: &str, every: Duration) -> anyhow::Result<()> {
    let bounds = Time("1s", "365days");
    let (least, greatest) = bounds.ends();
    let shown = humantime::format_duration(every).to_string();
    match bounds.holds(&shown.replace(' ', "")) {
        true => Ok(()),
        false => bail!(
            "{kind} {name:?}: every is {shown}, which is out of bounds; write {least} to {greatest}"
        ),
    }
}

/// A value without quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| shown(value), str::to_owned)
}

impl Bounds {
    /// Returns true if a value is within the bounds.
    pub(super) fn holds(self, text: &str) -> bool {
        let (least, greatest) = self.ends();
        let end = |text: &str| self.number(text).expect("bounds are as keys are");
        let number = self.number(text);
        number.is_some_and(|number| (end(&least)..=end(&greatest)).contains(&number))
    }

    /// Both ends, as the file writes them.
    fn ends(self) -> (String, String) {
        match self {
            Count(least, greatest) => (least.to_string(), greatest.to_string()),
            Time(least, greatest) | Size(least, greatest) => (least.into(), greatest.into()),
        }
    }

    /// A value as a number. `None` if it cannot be read as one.
    fn number(self, text: &str) -> Option<u128> {
        match self {
            Count(..) => text.parse().ok(),
            Time(..) => Some(humantime::parse_duration(text).ok()?.as_nanos()),
            Size(..) => Some(ByteSize::from_str(text).ok()?.as_u64().into()),
        }
    }
}
