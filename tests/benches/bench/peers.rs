//! The peers that are Python: a script that runs to its end, or one that serves.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tests::leash::Leash;
use tokio::time::{Instant, sleep};

use crate::cores;

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(30);

/// A script's report, as JSON in its last line.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    pub(crate) rows: u64,
    /// User and system, from after the imports on, in seconds.
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
    /// The written bytes or files.
    pub(crate) bytes: u64,
}

/// A script of the peers, ready for its arguments.
fn python(script: &str) -> Result<Command> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../vendor/bench/bin/python");
    ensure!(python.exists(), "the peers are not there: run `make bench`");
    let mut command = cores::measured(&python.to_string_lossy());
    command.arg(tests.join("benches/peers").join(script));
    Ok(command)
}

/// Runs a script to its end.
pub(crate) fn run(script: &str, arguments: &[&str]) -> Result<Told> {
    let output = python(script)?.args(arguments).output()?;
    let (out, why) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "{script} failed: {why}");
    let last = out.lines().last().context("the script says nothing")?;
    serde_json::from_str(last).with_context(|| format!("{script} says {last}"))
}

/// A peer's server on loopback; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    _leash: Leash,
}

impl Server {
    /// Nginx in one process, which answers 204 to everything.
    pub(crate) async fn nginx() -> Result<Self> {
        let (folder, address) = (folder()?, free()?);
        let text = format!(
            "daemon off; master_process off; pid pid; error_log stderr crit;
            events {{ worker_connections 4096; }}
            http {{
                access_log off; keepalive_requests 1000000000; client_body_buffer_size 16k;
                client_body_temp_path body;
                server {{ listen {address}; location / {{ return 204; }} }}
            }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), text)?;
        let nginx = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/bench/nginx");
        let mut command = cores::measured(&nginx.to_string_lossy());
        command
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf"]);
        Self::hold(&command, folder, address).await
    }

    /// mq-bridge from HTTP to a topic, which answers when Kafka has acknowledged.
    pub(crate) async fn mq_bridge(brokers: &str, topic: &str) -> Result<Self> {
        let (folder, address) = (folder()?, free()?);
        let mut command = python("mq_bridge_http.py")?;
        command.args([&address.to_string(), brokers, topic]);
        command.arg(folder.path().join("pid"));
        Self::hold(&command, folder, address).await
    }

    async fn hold(command: &Command, folder: TempDir, address: SocketAddr) -> Result<Self> {
        let folder = folder.keep();
        let log = folder.join("log");
        let leash = Leash::hold(command, &folder, &File::create(&log)?)?;
        let deadline = Instant::now() + START;
        let pid = || {
            std::fs::read_to_string(folder.join("pid"))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        let pid = loop {
            if TcpStream::connect(address).is_ok()
                && let Some(pid) = pid()
            {
                break pid;
            }
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            ensure!(Instant::now() < deadline, "it does not listen: {said}");
            sleep(Duration::from_millis(50)).await;
        };
        Ok(Self {
            pid,
            address,
            _leash: leash,
        })
    }
}

/// A folder that the leash removes.
fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("clickweir-bench-")
        .tempdir()?)
}

/// A port that was free a moment ago.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The path of a script of the load.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/peers")
        .join(name)
}
