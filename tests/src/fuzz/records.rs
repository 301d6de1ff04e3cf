//! Records of the topic.

use anyhow::{Context, Result, ensure};
use serde::de::IgnoredAny;
use topic::Envelope;
use transformer::Enrichment;

use super::outcome::check_row;

/// Fails if both ways to read an envelope disagree, or if its row cannot be made or refused. The
/// quick way takes the click to be the last field: if that is no JSON then, the other way decides.
pub(super) fn check(value: &[u8]) -> Result<()> {
    let (decoded, parsed) = (Envelope::decode(value).ok(), Envelope::parse(value).ok());
    if let Some(parsed) = parsed {
        let decoded = decoded.context("an envelope that can be parsed is not decoded")?;
        let is_json = serde_json::from_str::<IgnoredAny>(decoded.click).is_ok();
        ensure!(
            !is_json || decoded == parsed,
            "{decoded:?} is not {parsed:?}"
        );
    }
    check_row(value.to_vec().into(), &Enrichment::default())
}
