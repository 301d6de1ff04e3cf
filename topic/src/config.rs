//! `[topic]`: where the clicks wait, and how many of them.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use serde::Deserialize;

use crate::clock::SharedClock;

/// The keys of `[topic]`; `compose/default.toml` has the defaults and their reasons.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `file:FOLDER` (embedded) or `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`.
    pub url: String,
    /// How its records are written.
    #[serde(default)]
    pub format: RecordFormat,
    /// Of plain JSON: the field that is the id, or `key` for the record's key; empty for `id`.
    #[serde(default)]
    pub json_id: String,
    /// Of plain JSON: the field that is the visitor, or `key`; empty for `visitor_id`.
    #[serde(default)]
    pub json_visitor: String,
    /// How many partitions a topic gets that is made here.
    pub partitions: u32,
    /// How long records are kept.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// How many bytes a partition keeps at most; 0 means no limit.
    pub retention_size: ByteSize,
    /// How many bytes of drafts may wait for their acknowledgement.
    pub queue: ByteSize,
    /// How large a record may be.
    pub max_record: ByteSize,
    /// How long an append may wait for its acknowledgement before the edge answers 503.
    #[serde(with = "humantime_serde")]
    pub append_timeout: Duration,
    /// The embedded topic: how long an append waits for others before the fsync.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Kafka: when a silent member loses its partitions.
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,
    /// Kafka: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub security: String,
    /// Kafka: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; empty without SASL.
    pub sasl_mechanism: String,
    /// Kafka: the SASL user.
    pub sasl_username: String,
    /// Kafka: the SASL password.
    pub sasl_password: SecretString,
    /// Kafka: a PEM file of the authorities to trust; empty for the system's.
    pub ca: PathBuf,
}

impl Config {
    /// What decides how records are read, if they are no envelopes; else nothing.
    #[must_use]
    pub fn plain(&self) -> String {
        match self.format {
            RecordFormat::Envelope => String::new(),
            RecordFormat::Json => format!("json id={} visitor={}", self.json_id, self.json_visitor),
        }
    }
}

/// How the records of a topic are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordFormat {
    /// By an edge: an envelope around the click.
    #[default]
    Envelope,
    /// By others: a JSON object by itself.
    Json,
}

/// What a topic is opened with besides its configuration.
#[derive(Clone)]
pub struct Open {
    /// The wall clock.
    pub clock: SharedClock,
    /// True if a topic that does not exist is made.
    pub create: bool,
}
