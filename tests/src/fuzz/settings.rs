//! Files that the owner writes: rules, keys, mappings; and one that should be of places.

use anyhow::Result;
use producer::import::ColumnMap;
use producer::{EdgeMetrics, Firewall, KeyStore};
use prometheus_client::registry::Registry;
use tempfile::NamedTempFile;
use topic::clock;
use transformer::{EnrichConfig, Enrichment, EnrichmentParts, MappingFile, PlaceFile};

use super::outcome::check_row;
use crate::defaults;

/// What a mapping is laid over.
const CLICKS: [&str; 3] = [
    "{}",
    r#"{"action":"view","price":"1.5","url":"https://x/p/1","a":{"b":[1,null]},"occurred_at":1795383123}"#,
    r#"{"items":[{"sku":"a"}],"quantity":1e300,"product_id":[],"currency":true}"#,
];

/// Reads such files as the edge does at its start.
pub(super) struct SettingsCheck {
    file: NamedTempFile,
    config: producer::Config,
    metrics: EdgeMetrics,
}

impl SettingsCheck {
    pub(super) fn new() -> Result<Self> {
        let file = NamedTempFile::new()?;
        let path = file.path().to_string_lossy();
        let config = defaults::section("producer", &[("rules", &path), ("keys", &path)])?;
        Ok(Self {
            config,
            file,
            metrics: EdgeMetrics::register(&mut Registry::default()),
        })
    }

    /// A text is taken or refused with a sentence; what matters is that it ends.
    pub(super) fn check(&self, text: &[u8]) -> Result<()> {
        std::fs::write(self.file.path(), text)?;
        let rules = Firewall::open(&self.config, self.metrics.rules(), clock::system());
        let keys = KeyStore::open(&self.config);
        let map = ColumnMap::parse(&String::from_utf8_lossy(text));
        let mapping = MappingFile::parse(&String::from_utf8_lossy(text), "mapping.toml");
        let places = PlaceFile::open(text.to_vec(), "places.mmdb");
        for refused in [
            rules.err().map(|error| error.to_string()),
            keys.err().map(|error| error.to_string()),
            map.err().map(|error| error.to_string()),
            mapping.as_ref().err().map(ToString::to_string),
            places.err().map(|error| error.to_string()),
        ]
        .into_iter()
        .flatten()
        {
            anyhow::ensure!(refused.len() > 10, "the refusal {refused:?} says nothing");
        }
        let parts = EnrichmentParts {
            mapping: mapping.ok(),
            places: None,
        };
        let enrichment = Enrichment::new(EnrichConfig::default(), parts);
        CLICKS.iter().try_for_each(|click| {
            let envelope = format!(
                r#"{{"v":1,"id":"1","received_at":1795000000000000,"format":"native","source":"http","click":{click}}}"#
            );
            check_row(envelope.into(), &enrichment)
        })
    }
}
