//! The bucket, before there is one: the store's client makes objects, never buckets, so
//! this signs a request, which the caller sends with an HTTP client.

use std::time::Duration;

use object_store::path::Path;
use object_store::signer::{Method, Signer};

use super::open::bucket_store;
use crate::{Error, Lake, S3};

/// How long the signed request may be sent.
const URL_LIFETIME: Duration = Duration::from_secs(300);

impl Lake {
    /// The URL that makes the bucket of `config.url` when a `PUT` without a body is sent to
    /// it within five minutes; `None` for a lake in a folder. The URL is a secret as long as
    /// it is valid. A 409 says that the bucket exists already, perhaps in another account:
    /// [`Lake::probe`] finds out. (AWS itself takes an empty body in `us-east-1` only;
    /// buckets there are made with its own tools.)
    ///
    /// # Errors
    /// [`Error::Unfit`] for a URL that is no lake's, else what the credentials' source says.
    pub async fn make_bucket_url(config: &S3) -> Result<Option<String>, Error> {
        let Some(rest) = config.url.strip_prefix("s3://") else {
            return Ok(None);
        };
        let bucket = rest.split('/').next().unwrap_or(rest);
        let store = bucket_store(config, bucket, "lake")?;
        let url = store
            .signed_url(Method::PUT, &Path::default(), URL_LIFETIME)
            .await?;
        Ok(Some(url.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(url: &str, expect: Option<&str>) {
        let config = S3 {
            endpoint: "http://127.0.0.1:9000".into(),
            access_key: "who".into(),
            secret_key: "what".into(),
            ..S3::at(url)
        };
        let signed = Lake::make_bucket_url(&config).await.unwrap();
        let address = signed
            .as_deref()
            .and_then(|signed| signed.split('?').next());
        assert_eq!(address, expect, "{url}");
        assert!(
            signed.is_none_or(|signed| signed.contains("X-Amz-Signature=")),
            "{url}"
        );
    }

    #[tokio::test]
    async fn a_bucket_has_a_url_and_a_folder_has_none() {
        check("file:data/lake", None).await;
        check("s3://shop", Some("http://127.0.0.1:9000/shop/")).await;
        check("s3://shop/clicks/live", Some("http://127.0.0.1:9000/shop/")).await;
    }
}
