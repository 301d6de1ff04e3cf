//! Real S3 servers for the tests, on loopback and on free ports: SeaweedFS, which most tests
//! use, and MinIO.
//!
//! `make test-setup` puts them into `vendor`. `CLICKWEIR_TEST_S3=http://host:port` takes a
//! server that runs already, with `CLICKWEIR_TEST_S3_ACCESS_KEY` and
//! `CLICKWEIR_TEST_S3_SECRET_KEY`.

mod launch;
mod minio;
mod seaweedfs;

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::signer::{Method, Signer};
use sink::{Lake, S3};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use self::launch::KEYS;
pub use self::minio::KMS_KEY;
use crate::leash::Leash;
use crate::real;

/// The bucket that the harness makes.
pub const BUCKET: &str = "shop";
const REGION: &str = "us-east-1";
/// How long a server may take until it answers. Alone SeaweedFS takes about four seconds,
/// MinIO less than one.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// An S3 server that answers and has [`BUCKET`]. It ends when this is dropped, or when
/// the test's process ends.
pub struct S3Server {
    endpoint: String,
    keys: (String, String),
    _process: Option<Leash>,
}

/// A server that can be started here.
#[derive(Debug, Clone, Copy)]
enum Kind {
    SeaweedFs,
    MinIo,
}

/// The server that most tests share: SeaweedFS, or the one that was handed in. `None` if it
/// cannot be had, which [`real::have`] has then printed.
pub async fn shared() -> Option<&'static S3Server> {
    static SHARED: OnceCell<Option<S3Server>> = OnceCell::const_new();
    SHARED.get_or_init(start).await.as_ref()
}

/// A SeaweedFS of the test's own, or the server that was handed in; `None` as with [`shared`].
pub async fn start() -> Option<S3Server> {
    had("S3 server", S3Server::start().await)
}

/// The MinIO that tests share. `None` if it cannot be had, which is then printed, and if
/// another server was handed in, on which the test runs anyway.
pub async fn minio() -> Option<&'static S3Server> {
    static SHARED: OnceCell<Option<S3Server>> = OnceCell::const_new();
    if real::env("CLICKWEIR_TEST_S3").is_some() {
        return None;
    }
    let started = SHARED.get_or_init(|| async {
        if minio::cannot_be_built() {
            real::left_out("MinIO", "it is compiled with Go, and go is not here");
            return None;
        }
        had("MinIO", S3Server::run(Kind::MinIo).await)
    });
    started.await.as_ref()
}

/// Every server that can be had: [`shared`] and [`minio`].
pub async fn all() -> Vec<&'static S3Server> {
    let (shared, minio) = tokio::join!(shared(), minio());
    shared.into_iter().chain(minio).collect()
}

fn had(part: &str, started: Result<S3Server>) -> Option<S3Server> {
    match started {
        Ok(server) => real::have(part, None).then_some(server),
        Err(error) => {
            let _ = real::have(part, Some(format!("{error:#}")));
            None
        }
    }
}

impl S3Server {
    async fn start() -> Result<Self> {
        let Some(endpoint) = real::env("CLICKWEIR_TEST_S3") else {
            return Self::run(Kind::SeaweedFs).await;
        };
        let key = |name| real::env(name).with_context(|| format!("{name} is not set"));
        let server = Self {
            endpoint,
            keys: (
                key("CLICKWEIR_TEST_S3_ACCESS_KEY")?,
                key("CLICKWEIR_TEST_S3_SECRET_KEY")?,
            ),
            _process: None,
        };
        make_bucket(&server.lake("")).await?;
        Ok(server)
    }

    async fn run(kind: Kind) -> Result<Self> {
        let folder = tempfile::tempdir()?.keep();
        let launch = match kind {
            Kind::SeaweedFs => seaweedfs::launch(&folder)?,
            Kind::MinIo => minio::launch(&folder)?,
        };
        let log = folder.join("server.log");
        let process = Leash::hold_and_sweep(
            &launch.command,
            &folder,
            &File::create(&log)?,
            &launch.litter,
        )?;
        let server = Self {
            endpoint: format!("http://127.0.0.1:{}", launch.port),
            keys: (KEYS.0.to_owned(), KEYS.1.to_owned()),
            _process: Some(process),
        };
        if let Err(error) = answers(&format!("{}{}", server.endpoint, launch.ready)).await {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(20).collect();
            bail!(
                "{error:#}; the server's log ends, backwards: {}",
                end.join(" | ")
            );
        }
        make_bucket(&server.lake("")).await?;
        Ok(server)
    }

    /// `http://host:port`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The access key and its secret.
    #[must_use]
    pub fn keys(&self) -> (&str, &str) {
        (&self.keys.0, &self.keys.1)
    }

    /// A place in the server's bucket, as a store: what the lake's own configuration would open,
    /// for tests that decorate it.
    ///
    /// # Errors
    /// If the client cannot be built.
    pub fn store(&self, prefix: &str) -> Result<impl ObjectStore + use<>> {
        Ok(PrefixStore::new(self.bucket()?, prefix))
    }

    /// What the server says of an object of its bucket, by the names of its headers.
    ///
    /// # Errors
    /// If it does not answer, or has no such object.
    pub async fn head(&self, path: &str) -> Result<reqwest::header::HeaderMap> {
        let (bucket, path) = (self.bucket()?, Path::from(path));
        let url = bucket
            .signed_url(Method::HEAD, &path, START_TIMEOUT)
            .await?;
        let reply = client()?.head(url).send().await?.error_for_status()?;
        Ok(reply.headers().clone())
    }

    fn bucket(&self) -> Result<AmazonS3> {
        let bucket = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_region(REGION)
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_virtual_hosted_style_request(false)
            .with_access_key_id(&self.keys.0)
            .with_secret_access_key(&self.keys.1)
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        Ok(bucket.build()?)
    }

    /// A configuration of `[lake]` for a lake in the server's bucket.
    #[must_use]
    pub fn lake(&self, prefix: &str) -> S3 {
        S3 {
            endpoint: self.endpoint.clone(),
            access_key: self.keys.0.clone(),
            secret_key: self.keys.1.clone().into(),
            ..S3::at(format!("s3://{BUCKET}/{prefix}"))
        }
    }
}

/// Makes the bucket of a lake as `clickweir prepare` does. A bucket that exists is left as it is.
///
/// # Errors
/// If the server refuses, or does not answer in time.
pub async fn make_bucket(config: &S3) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let url = Lake::make_bucket_url(config)
            .await?
            .context("a folder needs no bucket")?;
        let reply = client()?.put(url).send().await?;
        let status = reply.status();
        if status.is_success() || status == reqwest::StatusCode::CONFLICT {
            return Ok(());
        }
        // SeaweedFS answers before its S3 part has found its filer.
        let body = reply.text().await.unwrap_or_default();
        ensure!(
            status.is_server_error(),
            "the bucket was refused: {status} {body}"
        );
        ensure!(
            Instant::now() < deadline,
            "no bucket in time: {status} {body}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()?)
}

async fn answers(url: &str) -> Result<()> {
    let client = client()?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let reply = client.get(url).send().await;
        if reply.is_ok_and(|reply| reply.status().is_success()) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{url} did not answer in time");
        sleep(Duration::from_millis(100)).await;
    }
}
