//! `[transformer]`: the group, and how far back duplicates are looked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sink::audit::WindowRule;

use crate::Enrichment;

/// The keys of `[transformer]`; `compose/default.toml` has the defaults and their reasons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The consumer group; empty makes a name that holds a hash of `lake.url`, so that two
    /// lakes on one topic never share a group.
    pub group: String,
    /// An id that was seen within this much append time is a duplicate …
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// … and within this many offsets.
    pub window_records: u64,
    /// What `[topic]` says of the records, where they are no envelopes.
    #[serde(skip)]
    pub plain: String,
}

impl Config {
    /// The hash of all that decides rows, as in an object's footer: of what decides what is in one, and,
    /// after a dot, of the rule that says which records are duplicates.
    #[must_use]
    pub fn configuration(&self, enrichment: &Enrichment) -> String {
        let mut text = env!("CARGO_PKG_VERSION").to_owned();
        for (name, version) in enrichment.versions() {
            text.push_str(&format!(" {name}={version}"));
        }
        if !self.plain.is_empty() {
            text.push_str(&format!(" {}", self.plain));
        }
        format!("{}.{}", hash(&text), self.window_hash())
    }

    fn window_hash(&self) -> String {
        // What others write has its ids where the topic's configuration says.
        hash(&format!(
            "window={} window_records={} {}",
            self.window.as_micros(),
            self.window_records,
            self.plain
        ))
    }

    /// The rule of the window, for an audit of what was decided by it.
    #[must_use]
    pub fn audited(&self) -> WindowRule {
        WindowRule {
            within: self.window,
            records: self.window_records,
            hash: self.window_hash(),
        }
    }
}

/// The first digits of a text's SHA-256.
fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))[..16].to_owned()
}
