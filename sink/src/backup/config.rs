//! `[backup]`: how a bucket for backups is reached.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{Encryption, S3};

/// The keys of `[backup]`. If server, region and keys are all empty, those of `[lake]` are taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
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
}

impl BackupConfig {
    /// The place of that URL.
    #[must_use]
    pub fn at(&self, url: &str, lake: &S3) -> S3 {
        let own = [&self.endpoint, &self.region, &self.access_key];
        let is_set = own.iter().any(|value| !value.is_empty())
            || !self.secret_key.expose_secret().is_empty();
        let is_bucket = url.starts_with("s3://");
        let mut place = match is_set {
            true => S3 {
                endpoint: self.endpoint.clone(),
                access_key: self.access_key.clone(),
                secret_key: self.secret_key.clone(),
                ..S3::at(url)
            },
            false => S3 {
                url: url.to_owned(),
                encryption: Encryption::Bucket,
                kms_key: String::new(),
                ..lake.clone()
            },
        };
        if !self.region.is_empty() {
            place.region.clone_from(&self.region);
        }
        if is_bucket {
            place.encryption = self.encryption;
            place.kms_key.clone_from(&self.kms_key);
        }
        place
    }
}
