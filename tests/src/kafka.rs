//! A real Apache Kafka for the tests: one KRaft broker on loopback, on free ports.
//!
//! The server comes from `tests/kafka/pom.xml` through Maven into `vendor/kafka`, once.
//! `CLICKWEIR_TEST_KAFKA=host:port` takes a broker that is there (Redpanda, too), which
//! can then not be restarted.

mod certificate;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use topic::Config;

use crate::real;

/// The SASL user of the secured listener, and the password.
pub const USER: (&str, &str) = ("clickweir", "under-the-weir");

/// How long a broker may take until it answers; it takes about five seconds alone.
const START: Duration = Duration::from_secs(90);

/// A broker that answers. It ends when this is dropped, or when the test's process ends.
pub struct Kafka {
    brokers: String,
    own: Option<Own>,
}

/// A broker that these tests have started.
struct Own {
    folder: TempDir,
    ports: [u16; 3],
    process: Option<Process>,
}

/// A shell that runs the broker, and kills it when its own input ends: so a test that
/// is killed leaves no broker behind, and no folder either. Told to `keep`, it leaves
/// the folder for the next start.
struct Process {
    shell: Child,
}

const HOLD: &str = r#"folder=$1; shift; "$@" </dev/null & broker=$!
read -r word; kill -9 $broker; wait $broker; [ "$word" = keep ] || rm -rf "$folder""#;

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut input) = self.shell.stdin.take() {
            // A shell that is gone has nothing to keep.
            let _ = input.write_all(b"keep\n");
        }
        // The shell ends as soon as it has killed the broker.
        let _ = self.shell.wait();
    }
}

/// The broker that tests share which do not disturb it; `None` where Kafka cannot be
/// had, which [`real::have`] has then told.
pub async fn shared() -> Option<&'static Kafka> {
    static SHARED: OnceCell<Option<Kafka>> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async { start().await })
        .await
        .as_ref()
}

/// A broker of the test's own; `None` as with [`shared`].
pub async fn start() -> Option<Kafka> {
    match Kafka::start().await {
        Ok(kafka) => real::have("Kafka", None).then_some(kafka),
        Err(error) => {
            let _ = real::have("Kafka", Some(format!("{error:#}")));
            None
        }
    }
}

impl Kafka {
    async fn start() -> Result<Self> {
        if let Some(brokers) = real::env("CLICKWEIR_TEST_KAFKA") {
            answers(&brokers).await?;
            return Ok(Self { brokers, own: None });
        }
        tokio::task::spawn_blocking(class_path).await??;
        let own = Own::format().await?;
        let mut kafka = Self {
            brokers: format!("127.0.0.1:{}", own.ports[0]),
            own: Some(own),
        };
        kafka.revive().await?;
        Ok(kafka)
    }

    /// `host:port` of the listener without security.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A configuration of `[topic]` for a topic of this broker.
    #[must_use]
    pub fn config(&self, topic: &str) -> Config {
        config(&format!("kafka://{}/{topic}", self.brokers))
    }

    /// The same over TLS and SCRAM-SHA-512, trusting the broker's certificate; `None`
    /// with a broker that is not ours.
    #[must_use]
    pub fn secure_config(&self, topic: &str) -> Option<Config> {
        let own = self.own.as_ref()?;
        let mut config = config(&format!("kafka://localhost:{}/{topic}", own.ports[1]));
        "sasl_ssl".clone_into(&mut config.security);
        "SCRAM-SHA-512".clone_into(&mut config.sasl_mechanism);
        USER.0.clone_into(&mut config.sasl_username);
        config.sasl_password = USER.1.into();
        config.ca = certificate::authority(own.folder.path());
        Some(config)
    }

    /// Whether this broker can be killed and started again.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The file that holds a partition's first records; `None` with a broker that is
    /// not ours.
    #[must_use]
    pub fn segment(&self, topic: &str, partition: u32) -> Option<PathBuf> {
        let own = self.own.as_ref()?;
        let folder = own
            .folder
            .path()
            .join("data")
            .join(format!("{topic}-{partition}"));
        Some(folder.join("00000000000000000000.log"))
    }

    /// Kills the broker as a crash would; it does not say goodbye.
    pub fn kill(&mut self) {
        if let Some(own) = &mut self.own {
            own.process = None;
        }
    }

    /// Starts it again on the same data and ports, and waits until it answers.
    ///
    /// # Errors
    /// Where it does not answer in time; the end of its log is in the message.
    pub async fn revive(&mut self) -> Result<()> {
        let brokers = self.brokers.clone();
        let own = self.own.as_mut().context("this broker is not ours")?;
        own.process = Some(own.run()?);
        if let Err(error) = answers(&brokers).await {
            let log = std::fs::read_to_string(own.log()).unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(20).collect();
            bail!(
                "{error:#}; the broker's log ends, backwards: {}",
                end.join(" | ")
            );
        }
        Ok(())
    }
}

impl Own {
    /// Free ports, settings, a certificate, and formatted storage.
    async fn format() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ports = free_ports()?;
        certificate::make(folder.path())?;
        std::fs::write(
            folder.path().join("server.properties"),
            properties(folder.path(), ports),
        )?;
        let own = Self {
            folder,
            ports,
            process: None,
        };
        let mut format = own.java("kafka.tools.StorageTool", &[]);
        format
            .args(["format", "--cluster-id", &cluster_id(ports), "--config"])
            .arg(own.folder.path().join("server.properties"))
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
        Ok(own)
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
        .arg(vendor().join("*"))
        .arg(main)
        .current_dir(self.folder.path());
        java
    }

    fn run(&self) -> Result<Process> {
        let java = self.java("kafka.Kafka", &["-Xms128m", "-Xmx512m"]);
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
        Ok(Process {
            shell: shell.spawn().context("no shell to run kafka in")?,
        })
    }
}

/// A configuration of `[topic]` with small bounds, so that tests meet them.
fn config(url: &str) -> Config {
    let text = format!(
        r#"
        url = "{url}"
        partitions = 3
        retention = "7days"
        retention_size = "0B"
        queue = "512KiB"
        max_record = "64KiB"
        append_timeout = "10s"
        linger = "1ms"
        session_timeout = "3s"
        security = "plaintext"
        sasl_mechanism = ""
        sasl_username = ""
        sasl_password = ""
        ca = ""
        "#
    );
    toml::from_str(&text).expect("the configuration of the tests is one")
}

fn properties(folder: &Path, [plain, secure, controller]: [u16; 3]) -> String {
    let mut text = String::new();
    let mut set = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").expect("text takes a line");
    };
    set("process.roles", "broker,controller");
    set("node.id", "1");
    set(
        "controller.quorum.voters",
        &format!("1@127.0.0.1:{controller}"),
    );
    let listeners = format!("PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{secure}");
    set(
        "listeners",
        &format!("{listeners},CONTROLLER://127.0.0.1:{controller}"),
    );
    set("advertised.listeners", &listeners);
    set("controller.listener.names", "CONTROLLER");
    set(
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
    );
    set("inter.broker.listener.name", "PLAINTEXT");
    set("log.dirs", &folder.join("data").to_string_lossy());
    set("log.message.timestamp.type", "LogAppendTime");
    set("auto.create.topics.enable", "false");
    // One broker, and tests that start and end groups all the time.
    for key in [
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
        "offsets.topic.num.partitions",
        "transaction.state.log.num.partitions",
        "share.coordinator.state.topic.num.partitions",
    ] {
        set(key, "1");
    }
    set("group.initial.rebalance.delay.ms", "0");
    set("group.min.session.timeout.ms", "1000");
    // Small, since two cores and many tests share the machine.
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

/// Three ports that were free a moment ago.
fn free_ports() -> Result<[u16; 3]> {
    let bound: Vec<_> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<std::io::Result<_>>()?;
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&bound) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// A cluster's id is a UUID in 22 letters; that of the ports is enough for a test.
fn cluster_id([plain, secure, controller]: [u16; 3]) -> String {
    format!("clickweir{plain:05}{secure:05}{:03}", controller % 1000)
}

/// Waits until the broker is one that answers and takes topics.
async fn answers(brokers: &str) -> Result<()> {
    let brokers = brokers.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("reconnect.backoff.max.ms", "250")
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
            .create()?;
        let deadline = tokio::time::Instant::now() + START;
        loop {
            let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
            if metadata.is_ok_and(|metadata| !metadata.brokers().is_empty()) {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "{brokers} did not answer in time"
            );
        }
    });
    asked.await?
}

fn vendor() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/kafka")
}

/// Fetches the server, unless it is there.
fn class_path() -> Result<()> {
    let java = Command::new("java").arg("-version").output();
    ensure!(
        java.is_ok_and(|java| java.status.success()),
        "java is not there"
    );
    if vendor().join("fetched").is_file() {
        return Ok(());
    }
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/pom.xml");
    let maven = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", vendor().display()))
        .output()
        .context("maven is not there")?;
    let said = String::from_utf8_lossy(&maven.stdout);
    ensure!(maven.status.success(), "maven did not fetch kafka: {said}");
    std::fs::write(vendor().join("fetched"), "by tests/kafka/pom.xml\n")?;
    Ok(())
}
