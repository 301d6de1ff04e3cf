//! A real S3 server for the tests: SeaweedFS (master, volume, filer and S3 in one process)
//! on loopback, on free ports.
//!
//! `make test-setup` puts the server into `vendor/seaweedfs`.
//! `CLICKWEIR_TEST_S3=http://host:port` takes a server that is there (MinIO, too), with
//! `CLICKWEIR_TEST_S3_ACCESS_KEY` and `CLICKWEIR_TEST_S3_SECRET_KEY`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sink::{Lake, S3};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::leash::Leash;
use crate::real;

/// The bucket that the harness makes.
pub const BUCKET: &str = "shop";
/// The access key of a server of ours, and its secret.
const KEYS: (&str, &str) = ("clickweir", "under-the-weir");
/// How long a server may take until it answers; alone it takes about four seconds.
const START: Duration = Duration::from_secs(120);
/// How far a server's gRPC port lies above its own, by its convention.
const GRPC: u16 = 10_000;

/// An S3 server that answers and has [`BUCKET`]. It ends when this is dropped, or when
/// the test's process ends.
pub struct S3Server {
    endpoint: String,
    keys: (String, String),
    _process: Option<Leash>,
}

/// The server that tests share; `None` where it cannot be had, which [`real::have`] has
/// then told.
pub async fn shared() -> Option<&'static S3Server> {
    static SHARED: OnceCell<Option<S3Server>> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async { start().await })
        .await
        .as_ref()
}

/// A server of the test's own; `None` as with [`shared`].
pub async fn start() -> Option<S3Server> {
    match S3Server::start().await {
        Ok(server) => real::have("S3 server", None).then_some(server),
        Err(error) => {
            let _ = real::have("S3 server", Some(format!("{error:#}")));
            None
        }
    }
}

impl S3Server {
    async fn start() -> Result<Self> {
        let server = match real::env("CLICKWEIR_TEST_S3") {
            Some(endpoint) => {
                let key = |name| real::env(name).with_context(|| format!("{name} is not set"));
                let keys = (
                    key("CLICKWEIR_TEST_S3_ACCESS_KEY")?,
                    key("CLICKWEIR_TEST_S3_SECRET_KEY")?,
                );
                Self {
                    endpoint,
                    keys,
                    _process: None,
                }
            }
            None => Self::run().await?,
        };
        make_bucket(&server.lake("")).await?;
        Ok(server)
    }

    async fn run() -> Result<Self> {
        let weed = executable()?;
        let folder = tempfile::tempdir()?.keep();
        let log = folder.join("weed.log");
        let ports = free_ports()?;
        let server = command(&weed, &folder, ports)?;
        // Sockets that it makes beside its ports, in this one place.
        let named = ["master", "volume", "filer", "s3"].into_iter().zip(ports);
        let litter: Vec<_> = named
            .map(|(name, port)| format!("/tmp/seaweedfs-{name}-grpc-{}.sock", port + GRPC))
            .collect();
        let process =
            Leash::hold_and_sweep(&server, &folder, &std::fs::File::create(&log)?, &litter)?;
        let endpoint = format!("http://127.0.0.1:{}", ports[3]);
        if let Err(error) = answers(&format!("{endpoint}/healthz")).await {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(20).collect();
            bail!(
                "{error:#}; the server's log ends, backwards: {}",
                end.join(" | ")
            );
        }
        let keys = (KEYS.0.to_owned(), KEYS.1.to_owned());
        Ok(Self {
            endpoint,
            keys,
            _process: Some(process),
        })
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

    /// A configuration of `[lake]` for a lake in the server's bucket.
    #[must_use]
    pub fn lake(&self, prefix: &str) -> S3 {
        S3 {
            url: format!("s3://{BUCKET}/{prefix}"),
            endpoint: self.endpoint.clone(),
            region: "us-east-1".into(),
            access_key: self.keys.0.clone(),
            secret_key: self.keys.1.clone().into(),
        }
    }
}

/// Makes the bucket of a lake as `clickweir prepare` does; that it is there is fine.
///
/// # Errors
/// Where the server refuses, or does not answer in time.
pub async fn make_bucket(config: &S3) -> Result<()> {
    let deadline = Instant::now() + START;
    loop {
        let url = Lake::make_bucket_url(config)
            .await?
            .context("a folder needs no bucket")?;
        let reply = client()?.put(url).send().await?;
        let status = reply.status();
        if status.is_success() || status == reqwest::StatusCode::CONFLICT {
            return Ok(());
        }
        // A server that has just come up may not know its filer yet.
        let said = reply.text().await.unwrap_or_default();
        ensure!(
            status.is_server_error(),
            "the bucket was refused: {status} {said}"
        );
        ensure!(
            Instant::now() < deadline,
            "no bucket in time: {status} {said}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// One process with everything, small: tests write some megabytes.
fn command(weed: &Path, folder: &Path, [master, volume, filer, s3]: [u16; 4]) -> Result<Command> {
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    let identities = serde_json::json!({ "identities": [{
        "name": KEYS.0,
        "credentials": [{ "accessKey": KEYS.0, "secretKey": KEYS.1 }],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }] });
    std::fs::write(folder.join("s3.json"), identities.to_string())?;
    let mut command = Command::new(weed);
    command
        .current_dir(folder)
        .args([
            "server",
            "-s3",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-dir=data",
        ])
        .args([
            "-s3.config=s3.json",
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
        ])
        .args([
            format!("-master.port={master}"),
            format!("-volume.port={volume}"),
        ])
        .args([format!("-filer.port={filer}"), format!("-s3.port={s3}")])
        // Volumes are made a few at a time for each bucket, and grow only as they fill.
        .args([
            "-volume.max=100",
            "-master.volumeSizeLimitMB=64",
            "-volume.minFreeSpace=1",
        ])
        // A bucket is made by whoever is told to, never by a stray write.
        .args(["-s3.autoCreateBucket=false"])
        // What nobody asks for, on ports of its own.
        .args([
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
        ]);
    Ok(command)
}

/// Four ports that were free a moment ago, with their gRPC ports.
fn free_ports() -> Result<[u16; 4]> {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..1_000 {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let grpc = port
            .checked_add(GRPC)
            .map(|port| TcpListener::bind(("127.0.0.1", port)));
        if let Some(Ok(grpc)) = grpc {
            ports.push(port);
            held.push(grpc);
        }
        held.push(listener);
        if let [master, volume, filer, s3] = ports[..] {
            return Ok([master, volume, filer, s3]);
        }
    }
    bail!("no four free ports with a free one {GRPC} above each")
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()?)
}

async fn answers(url: &str) -> Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let deadline = Instant::now() + START;
    loop {
        let reply = client.get(url).send().await;
        if reply.is_ok_and(|reply| reply.status().is_success()) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{url} did not answer in time");
        sleep(Duration::from_millis(100)).await;
    }
}

/// The server's executable.
fn executable() -> Result<PathBuf> {
    let weed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/seaweedfs/weed");
    weed.canonicalize()
        .context("vendor/seaweedfs/weed is not there: `make test-setup` fetches it")
}
