//! `[sink]` and `[lake]`: where the lake is, and how large its objects get.

use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use serde::Deserialize;

/// The keys of `[sink]`; `compose/default.toml` has the defaults and their reasons.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// An open batch is sealed at this age, also if no record comes.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// … or when it holds this much in memory.
    pub max_bytes: ByteSize,
    /// … or this many records.
    pub max_rows: u64,
    /// When the open batches of a worker hold so many records together, the largest is sealed.
    pub max_open_rows: u64,
    /// When the open batches hold this much together, the largest is sealed. When open and
    /// sealed batches hold twice this, reading pauses.
    pub max_memory: ByteSize,
    /// How long a revoke or a shutdown waits for creates under way.
    #[serde(with = "humantime_serde")]
    pub handover: Duration,
    /// A worker without an answer from the lake for this long drops all it holds.
    #[serde(with = "humantime_serde")]
    pub max_silence: Duration,
}

/// The keys of `[compaction]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactionConfig {
    /// True if the process that runs every stage compacts by itself.
    pub enabled: bool,
    /// How often it looks for what has closed.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How much of one core it takes at most, in percent.
    pub cpu_percent: u32,
}

/// The keys of `[lake]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `file:FOLDER` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The S3 server, `http://HOST:PORT`; empty for AWS itself.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The access key; empty takes the machine's own role.
    pub access_key: String,
    /// The secret key.
    pub secret_key: SecretString,
    /// With what the store encrypts objects when they are written.
    pub encryption: Encryption,
    /// The key of a key service that it takes for that; empty takes the bucket's own.
    pub kms_key: String,
    /// How long what a swap has replaced stays.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

/// With what a store encrypts the objects that are written into a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    #[serde(rename = "")]
    Bucket,
    /// With the store's own keys (SSE-S3).
    #[serde(rename = "AES256")]
    Store,
    /// With a key of a key service (SSE-KMS).
    #[serde(rename = "aws:kms")]
    KeyService,
}

/// How long what a swap has replaced stays, if nothing else is configured.
pub const GRACE: Duration = Duration::from_hours(24);

impl S3 {
    /// A lake at this URL, with nothing else set.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key: String::new(),
            secret_key: String::new().into(),
            encryption: Encryption::Bucket,
            kms_key: String::new(),
            grace: GRACE,
        }
    }

    /// A lake in a folder of this machine.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self::at(format!("file:{}", folder.display()))
    }
}
