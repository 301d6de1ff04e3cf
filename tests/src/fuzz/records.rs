//! Records of the topic.

use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use serde::de::IgnoredAny;
use topic::Envelope;
use transformer::{EnrichConfig, Enrichment, EnrichmentParts, MappingFile};

use super::corpus;
use super::outcome::check_row;

/// With an owner's mapping over what each format says.
static MAPPED: LazyLock<Enrichment> = LazyLock::new(|| {
    let mapping = MappingFile::parse(corpus::MAPPING, "mapping.toml");
    let parts = EnrichmentParts {
        mapping: Some(mapping.expect("it is one of the corpus")),
        places: None,
    };
    Enrichment::new(EnrichConfig::default(), parts)
});

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
    check_row(value.to_vec().into(), &MAPPED)
}
