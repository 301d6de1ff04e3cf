//! Files that the owner writes: rules, keys, mappings.

use anyhow::Result;
use producer::import::ColumnMap;
use producer::{EdgeMetrics, Firewall, KeyStore};
use prometheus_client::registry::Registry;
use tempfile::NamedTempFile;
use topic::clock;

use crate::defaults;

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
        for refused in [
            rules.err().map(|error| error.to_string()),
            keys.err().map(|error| error.to_string()),
            map.err().map(|error| error.to_string()),
        ]
        .into_iter()
        .flatten()
        {
            anyhow::ensure!(refused.len() > 10, "the refusal {refused:?} says nothing");
        }
        Ok(())
    }
}
