//! Records of the topic.

use anyhow::{Result, ensure};
use topic::Envelope;
use transformer::Enrichment;

use super::outcome::check_row;

/// Fails if both ways to read an envelope disagree, or if its row cannot be made or refused.
pub(super) fn check(value: &[u8]) -> Result<()> {
    let read = (Envelope::decode(value).ok(), Envelope::parse(value).ok());
    if let (Some(cut), Some(parsed)) = &read {
        ensure!(cut == parsed, "{cut:?} is not {parsed:?}");
    }
    ensure!(
        read.1.is_none() || read.0.is_some(),
        "an envelope that can be parsed is not decoded"
    );
    check_row(value.to_vec(), &Enrichment::default())
}
