//! One broker that the tests start: its folder, its settings and its process.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::certificate;

/// The SASL user of the secured listener, and the password.
pub const USER: (&str, &str) = ("clickweir", "under-the-weir");

/// A broker in a folder of its own, running or not.
pub(super) struct Broker {
    folder: TempDir,
    ports: Ports,
    process: Option<Process>,
}

/// The ports of a broker: its listener without security, the one with it, and its controller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) secure: u16,
    pub(super) controller: u16,
}

/// A listener that advertises the address of a proxy before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProxyListener {
    pub(super) port: u16,
    pub(super) advertised: SocketAddr,
}

/// A shell that runs the broker and kills it when its own input ends, so that a test that is
/// killed leaves neither a broker nor its folder. After a line `keep` it leaves the folder for
/// the next start.
struct Process {
    shell: Child,
}

const HOLD: &str = r#"folder=$1; shift; "$@" </dev/null & broker=$!; echo $broker >broker.pid
read -r word; kill -9 $broker; wait $broker; [ "$word" = keep ] || rm -rf "$folder""#;

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut input) = self.shell.stdin.take() {
            // If the shell has ended already, there is nothing left to keep.
            let _ = input.write_all(b"keep\n");
        }
        // The shell ends as soon as it has killed the broker.
        let _ = self.shell.wait();
    }
}

impl Broker {
    /// Makes the broker of that number among those with these ports: its settings, a certificate
    /// and formatted storage.
    pub(super) async fn format(
        number: usize,
        all: &[Ports],
        proxies: &[ProxyListener],
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        certificate::make(folder.path())?;
        let settings = properties(folder.path(), number, all, proxies);
        std::fs::write(folder.path().join("server.properties"), settings)?;
        let broker = Self {
            folder,
            ports: all[number],
            process: None,
        };
        let mut format = broker.java("kafka.tools.StorageTool", &[]);
        format
            .args(["format", "--cluster-id", &cluster_id(all[0]), "--config"])
            .arg(broker.folder.path().join("server.properties"))
            .arg("--add-scram")
            .arg(format!(
                "SCRAM-SHA-512=[name={},password={}]",
                USER.0, USER.1
            ));
        let output = tokio::task::spawn_blocking(move || format.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "kafka's storage could not be formatted: {said}"
        );
        Ok(broker)
    }

    pub(super) const fn ports(&self) -> Ports {
        self.ports
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it with a heap of this size (`512m`).
    pub(super) fn start(&mut self, heap: &str) -> Result<()> {
        let java = self.java("kafka.Kafka", &["-Xms64m", &format!("-Xmx{heap}")]);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", HOLD, "kafka-for-tests"])
            .arg(self.folder.path())
            .arg(java.get_program())
            .args(java.get_args())
            .arg("server.properties")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(Process {
            shell: shell.spawn().context("no shell to run kafka in")?,
        });
        Ok(())
    }

    /// Kills it as a crash would, without an orderly end.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// Sends the running broker a signal by name: `STOP`, `CONT`.
    pub(super) fn signal(&self, name: &str) -> Result<()> {
        ensure!(self.process.is_some(), "the broker does not run");
        let pid = std::fs::read_to_string(self.folder.path().join("broker.pid"))?;
        let sent = Command::new("kill")
            .args([&format!("-{name}"), pid.trim()])
            .status()?;
        ensure!(sent.success(), "kill -{name} failed");
        Ok(())
    }

    /// The end of its log, backwards.
    pub(super) fn said(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(20).collect();
        end.join(" | ")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn java(&self, main: &str, options: &[&str]) -> Command {
        let mut java = Command::new("java");
        java.args([
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
        ])
        .args(options)
        .arg("-cp")
        .arg(root().join("vendor/kafka/*"))
        .arg(main)
        .current_dir(self.folder.path());
        java
    }
}

fn properties(folder: &Path, number: usize, all: &[Ports], proxies: &[ProxyListener]) -> String {
    let mut text = String::new();
    let mut set = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").expect("text takes a line");
    };
    let Ports {
        plain,
        secure,
        controller,
    } = all[number];
    let voters: Vec<_> = all
        .iter()
        .zip(1..)
        .map(|(ports, id)| format!("{id}@127.0.0.1:{}", ports.controller))
        .collect();
    set("process.roles", "broker,controller");
    set("node.id", &(number + 1).to_string());
    set("controller.quorum.voters", &voters.join(","));
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{secure}");
    let mut advertised = listeners.clone();
    let mut security = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL".to_owned();
    for (number, proxy) in proxies.iter().enumerate() {
        write!(listeners, ",PROXY{number}://127.0.0.1:{}", proxy.port).expect("text grows");
        write!(advertised, ",PROXY{number}://{}", proxy.advertised).expect("text grows");
        write!(security, ",PROXY{number}:PLAINTEXT").expect("text grows");
    }
    set(
        "listeners",
        &format!("{listeners},CONTROLLER://127.0.0.1:{controller}"),
    );
    set("advertised.listeners", &advertised);
    set("controller.listener.names", "CONTROLLER");
    set("listener.security.protocol.map", &security);
    set("inter.broker.listener.name", "PLAINTEXT");
    set("log.dirs", &folder.join("data").to_string_lossy());
    set("log.message.timestamp.type", "LogAppendTime");
    set("auto.create.topics.enable", "false");
    // Every broker holds every partition, and the others go on without one of them.
    let (copies, least) = (all.len().to_string(), all.len().div_ceil(2).to_string());
    set("default.replication.factor", &copies);
    set("min.insync.replicas", &least);
    for key in [
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "share.coordinator.state.topic.replication.factor",
    ] {
        set(key, &copies);
    }
    // Many tests start and end groups, which small topics make quick.
    for key in [
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.min.isr",
        "offsets.topic.num.partitions",
        "transaction.state.log.num.partitions",
        "share.coordinator.state.topic.num.partitions",
    ] {
        set(key, "1");
    }
    set("group.initial.rebalance.delay.ms", "0");
    set("group.min.session.timeout.ms", "1000");
    // The others notice soon that a broker is gone; the default is nine seconds.
    set("broker.session.timeout.ms", "3000");
    set("broker.heartbeat.interval.ms", "500");
    // Small, because many tests share the two cores of a machine.
    set("num.network.threads", "2");
    set("num.io.threads", "2");
    set("log.cleaner.threads", "1");
    set("log.cleaner.dedupe.buffer.size", "2097152");
    // The secured listener.
    let keys = certificate::keys(folder);
    set("sasl.enabled.mechanisms", "SCRAM-SHA-512");
    set(
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
        "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    );
    set("ssl.keystore.type", "PKCS12");
    set("ssl.keystore.location", &keys.to_string_lossy());
    set("ssl.keystore.password", certificate::PASSWORD);
    text
}

/// An id for a cluster, 22 letters like the UUID that Kafka expects. The ports make it unique.
fn cluster_id(first: Ports) -> String {
    format!(
        "clickweir{:05}{:05}{:03}",
        first.plain,
        first.secure,
        first.controller % 1000
    )
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Fetches the server, unless it is there.
pub(super) fn class_path() -> Result<()> {
    let fetched = Command::new("bash")
        .args(["compose/setup.sh", "part", "kafka"])
        .current_dir(root())
        .output()
        .context("bash is not there")?;
    let said = String::from_utf8_lossy(&fetched.stdout);
    ensure!(fetched.status.success(), "kafka was not fetched: {said}");
    Ok(())
}
