//! What an input may come to.

use anyhow::Result;
use bytes::Bytes;
use topic::{Offset, Partition, Record, Timestamp};
use transformer::{Defect, Enrichment, transform};

/// An input as a literal of Rust, so that it can become a test.
pub(super) fn shown(input: &[u8]) -> String {
    format!("the input is b\"{}\"", input.escape_ascii())
}

/// Why the value of a record becomes no row; `None` if it does.
pub(super) fn defect(value: Bytes, enrichment: &Enrichment) -> Option<Defect> {
    let record = Record {
        offset: Offset(0),
        appended_at: Timestamp::from_micros(1_795_000_000_000_000),
        key: None,
        value: Some(value),
        headers: Vec::new(),
    };
    transform(Partition(0), &record, enrichment).err()
}

/// Fails if the value of a record makes the transform panic, which it contains.
pub(super) fn check_row(value: Bytes, enrichment: &Enrichment) -> Result<()> {
    match defect(value, enrichment) {
        Some(defect) if defect.reason == sink::Reason::Panic => {
            anyhow::bail!("the transform panicked: {}", defect.detail)
        }
        _ => Ok(()),
    }
}
