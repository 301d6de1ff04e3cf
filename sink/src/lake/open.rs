//! Opening the lake that a URL names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use secrecy::ExposeSecret;
use url::Url;

use crate::lake::folder::FolderStore;
use crate::lake::keys::ListsEveryKey;
use crate::{Encryption, Error, Lake, Location, S3};

/// How long a connection may take. A resolver asks a name server again after 5 s, so a request
/// outlives one lost answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

impl Lake {
    /// Opens the lake that `config.url` names; a folder is made.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a URL of another kind, [`Error::Unavailable`] for a folder that
    /// cannot be made.
    pub fn open(config: &S3) -> Result<Self, Error> {
        Self::open_in(config, "lake")
    }

    /// As [`Lake::open`], for the place of that section of the configuration.
    pub(crate) fn open_in(config: &S3, section: &str) -> Result<Self, Error> {
        check_encryption(config, section)?;
        // A command names the place of backups.
        let key = match section {
            "lake" => "lake.url",
            _ => "the backup's URL",
        };
        if let Some(folder) = config.url.strip_prefix("file:") {
            let unusable = |error: &dyn fmt::Display| {
                Error::Unfit(format!(
                    "the {section}'s folder {folder} cannot be used: {error}; set {key} to \
                     file:FOLDER, a folder in which this user may write, or s3://BUCKET/PREFIX"
                ))
            };
            std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
            let folder = std::fs::canonicalize(folder).map_err(|error| unusable(&error))?;
            let store = FolderStore::new(folder.clone())?;
            let lake = Self::new(Arc::new(store), Location::Folder(folder));
            return Ok(lake.with_grace(config.grace));
        }
        let Some(rest) = config.url.strip_prefix("s3://") else {
            return Err(Error::Unfit(format!(
                "{key} is {:?}: write file:FOLDER or s3://BUCKET/PREFIX",
                config.url
            )));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        // As it is written, not escaped: DuckDB and every other reader take it literally.
        let path = Path::parse(prefix).map_err(|error| {
            Error::Unfit(format!(
                "{key} is {:?}: {error}; write s3://BUCKET/PREFIX, without empty parts, `.`, \
                 `..` and control characters",
                config.url
            ))
        })?;
        let store = bucket_store(config, bucket, section)?;
        let location = Location::Bucket {
            bucket: bucket.into(),
            prefix: prefix.into(),
        };
        let store: Arc<dyn ObjectStore> = if prefix.is_empty() {
            Arc::new(store)
        } else {
            Arc::new(PrefixStore::new(store, path))
        };
        Ok(Self::new(store, location).with_grace(config.grace))
    }
}

/// Checks that an endpoint is an address of HTTP. The store's client panics on another.
fn check_endpoint(endpoint: &str, section: &str) -> Result<(), Error> {
    let url = Url::parse(endpoint).ok();
    let is_http = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    match is_http {
        true => Ok(()),
        false => Err(Error::Unfit(format!(
            "{section}.endpoint is {endpoint:?}: write http://HOST:PORT or https://HOST, or leave it \
             empty for AWS"
        ))),
    }
}

/// Checks that objects can be encrypted where the lake is, as it is said.
fn check_encryption(config: &S3, section: &str) -> Result<(), Error> {
    let is_set = config.encryption != Encryption::Bucket;
    let why = if is_set && !config.url.starts_with("s3://") {
        format!(
            "{section}.encryption is for a bucket, and {} is a folder: leave it empty, and encrypt \
             the disk",
            config.url
        )
    } else if config.encryption != Encryption::KeyService && !config.kms_key.is_empty() {
        format!(
            "{section}.kms_key names a key of a key service: set {section}.encryption to aws:kms, \
             or leave it empty"
        )
    } else {
        return Ok(());
    };
    Err(Error::Unfit(why))
}

pub(super) fn bucket_store(
    config: &S3,
    bucket: &str,
    section: &str,
) -> Result<object_store::aws::AmazonS3, Error> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_client_options(ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT))
        .with_http_connector(ListsEveryKey)
        // The commit retries by itself; these retries only bridge a hiccup.
        .with_retry(RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
            ..RetryConfig::default()
        });
    if !config.endpoint.is_empty() {
        check_endpoint(&config.endpoint, section)?;
        builder = builder
            .with_endpoint(&config.endpoint)
            .with_allow_http(config.endpoint.starts_with("http://"))
            .with_virtual_hosted_style_request(false);
    }
    if !config.access_key.is_empty() {
        builder = builder
            .with_access_key_id(&config.access_key)
            .with_secret_access_key(config.secret_key.expose_secret());
    }
    let encryption = match config.encryption {
        Encryption::Bucket => None,
        Encryption::Store => Some("AES256"),
        Encryption::KeyService => Some("aws:kms"),
    };
    if let Some(encryption) = encryption {
        let key: AmazonS3ConfigKey = "aws_server_side_encryption".parse()?;
        builder = builder.with_config(key, encryption);
    }
    if !config.kms_key.is_empty() {
        let key: AmazonS3ConfigKey = "aws_sse_kms_key_id".parse()?;
        builder = builder.with_config(key, &config.kms_key);
    }
    Ok(builder.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_is_no_address_of_http_is_refused_with_the_remedy() {
        let open = |endpoint: &str| {
            Lake::open(&S3 {
                endpoint: endpoint.into(),
                access_key: "who".into(),
                secret_key: "what".into(),
                ..S3::at("s3://shop/lake")
            })
        };
        for endpoint in [
            "http://127.0.0.1:9000",
            "https://s3.example",
            "http://[::1]:9/x",
            "",
        ] {
            assert!(open(endpoint).is_ok(), "{endpoint}");
        }
        for endpoint in [
            "127.0.0.1:9000",
            "localhost:9000",
            "minio",
            "ftp://a",
            "http://",
            "//x",
        ] {
            let said = open(endpoint).unwrap_err().to_string();
            assert!(
                said.contains("write http://HOST:PORT"),
                "{endpoint}: {said}"
            );
        }
    }

    #[test]
    fn an_encryption_that_the_lake_cannot_have_is_refused_with_the_remedy() {
        let open = |url: &str, encryption, kms_key: &str| {
            let opened = Lake::open(&S3 {
                encryption,
                kms_key: kms_key.into(),
                ..S3::at(url)
            });
            opened.map_or_else(|error| error.to_string(), |_| String::new())
        };
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().display());
        let (bucket, key) = ("s3://shop/lake", "arn:aws:kms:eu:1:key/2");
        for (encryption, kms_key) in [
            (Encryption::Bucket, ""),
            (Encryption::Store, ""),
            (Encryption::KeyService, ""),
            (Encryption::KeyService, key),
        ] {
            assert_eq!(open(bucket, encryption, kms_key), "");
        }
        for encryption in [Encryption::Store, Encryption::KeyService] {
            let said = open(&url, encryption, "");
            assert!(said.contains("encrypt the disk"), "{said}");
        }
        for encryption in [Encryption::Bucket, Encryption::Store] {
            let said = open(bucket, encryption, key);
            assert!(said.contains("set lake.encryption to aws:kms"), "{said}");
        }
    }

    #[test]
    fn attack_17_a_folder_that_cannot_be_a_lakes_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        for below in ["file", "file/lake"] {
            let config = S3::in_folder(&folder.path().join(below));
            let said = Lake::open(&config).unwrap_err().to_string();
            assert!(
                said.contains(below) && said.contains("set lake.url to file:FOLDER"),
                "{said}"
            );
        }
    }
}
