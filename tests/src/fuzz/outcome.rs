//! What an input may come to.

use anyhow::Result;
use topic::{Offset, Partition, Record, Timestamp};
use transformer::{Enrichment, transform};

/// An input as a literal of Rust, so that it can become a test.
pub(super) fn shown(input: &[u8]) -> String {
    format!("the input is b\"{}\"", input.escape_ascii())
}

/// Fails if the value of a record makes the transform panic, which it contains.
pub(super) fn check_row(value: Vec<u8>, enrichment: &Enrichment) -> Result<()> {
    let record = Record {
        offset: Offset(0),
        appended_at: Timestamp::from_micros(1_795_000_000_000_000),
        key: None,
        value: Some(value.into()),
        headers: Vec::new(),
    };
    match transform(Partition(0), &record, enrichment) {
        Err(defect) if defect.reason == sink::Reason::Panic => {
            anyhow::bail!("the transform panicked: {}", defect.detail)
        }
        _ => Ok(()),
    }
}
