//! A real Apache Kafka for the tests: KRaft brokers on loopback, on free ports. Most tests use
//! one broker. Three serve the tests in which a leader must change, and proxies before a broker
//! those in which the network must fail.
//!
//! `make test-setup` fetches the server that `tests/kafka/pom.xml` names into `vendor/kafka`.
//! `CLICKWEIR_TEST_KAFKA=host:port` takes a broker that runs already, Kafka or Redpanda. Tests
//! that restart or disturb a broker are then left out.

mod broker;
mod certificate;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::groups::GroupInfo;
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::OnceCell;
use topic::{Config, Offset, Partition};

pub use self::broker::USER;
use self::broker::{Broker, Ports, ProxyListener};
use crate::ports::free_ports;
use crate::proxy::Proxy;
use crate::real;

/// How long a broker may take until it answers. On an idle machine it takes about five seconds.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// The number of tests that may reach the shared broker through a proxy of their own.
const PROXIES: usize = 12;
/// Any free port of this machine's.
const LOOPBACK: &str = "127.0.0.1:0";
/// How long a request to a broker may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long a broker started here takes away the partitions of a silent member.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(3);

/// The same for the broker that the tests use. One that is handed in has the minimum that Kafka
/// and Redpanda have by default, and refuses a member that asks for less.
#[must_use]
pub fn session_timeout() -> Duration {
    match real::env("CLICKWEIR_TEST_KAFKA") {
        None => SESSION_TIMEOUT,
        Some(_) => Duration::from_secs(6),
    }
}

/// Running brokers. They end when this is dropped, or when the test's process ends.
pub struct Kafka {
    brokers: String,
    own: Vec<Broker>,
    proxies: Vec<Proxy>,
}

/// The broker that the tests share which do not disturb it. `None` if Kafka cannot be had, which
/// [`real::have`] has then printed.
pub async fn shared() -> Option<&'static Kafka> {
    static SHARED: OnceCell<Option<Kafka>> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async { had(Kafka::start(1, &[LOOPBACK; PROXIES]).await) })
        .await
        .as_ref()
}

/// The shared broker behind a proxy that no other test has; `None` as with [`start_three`].
///
/// # Panics
/// If more tests ask for one than there are.
pub async fn shared_behind() -> Option<(&'static Kafka, &'static Proxy)> {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let kafka = shared().await?;
    if !kafka.is_own() {
        handed_in();
        return None;
    }
    Some((kafka, kafka.proxy(TAKEN.fetch_add(1, Ordering::Relaxed))))
}

/// A broker of the test's own; `None` as with [`shared`].
pub async fn start() -> Option<Kafka> {
    had(Kafka::start(1, &[]).await)
}

/// Three brokers of the test's own. Each has every partition, and two must have a record before
/// it is acknowledged. `None` as with [`shared`], and if a broker was handed in.
pub async fn start_three() -> Option<Kafka> {
    own(3, &[]).await
}

/// A broker of the test's own with a proxy on each of these addresses (`127.0.0.1:0`). It
/// advertises only the proxy to the proxy's clients. `None` as with [`start_three`].
pub async fn start_behind(proxied: &[&str]) -> Option<Kafka> {
    own(1, proxied).await
}

async fn own(brokers: usize, proxied: &[&str]) -> Option<Kafka> {
    if real::env("CLICKWEIR_TEST_KAFKA").is_some() {
        handed_in();
        return None;
    }
    had(Kafka::start(brokers, proxied).await)
}

fn handed_in() {
    let why_not = "the broker was handed in".to_owned();
    let _ = real::have("Kafka to disturb", Some(why_not));
}

fn had(started: Result<Kafka>) -> Option<Kafka> {
    match started {
        Ok(kafka) => real::have("Kafka", None).then_some(kafka),
        Err(error) => {
            let _ = real::have("Kafka", Some(format!("{error:#}")));
            None
        }
    }
}

impl Kafka {
    async fn start(brokers: usize, proxied: &[&str]) -> Result<Self> {
        match Self::start_once(brokers, proxied).await {
            Ok(kafka) => Ok(kafka),
            // Another process may have taken one of their ports.
            Err(_) => Self::start_once(brokers, proxied).await,
        }
    }

    async fn start_once(brokers: usize, proxied: &[&str]) -> Result<Self> {
        if let Some(brokers) = real::env("CLICKWEIR_TEST_KAFKA") {
            answers(&brokers, 1).await?;
            return Ok(Self {
                brokers,
                own: Vec::new(),
                proxies: Vec::new(),
            });
        }
        tokio::task::spawn_blocking(broker::class_path).await??;
        let free = free_ports(3 * brokers + proxied.len(), 0)?;
        let (of_brokers, of_proxies) = free.split_at(3 * brokers);
        let ports: Vec<_> = of_brokers
            .chunks(3)
            .map(|three| Ports {
                plain: three[0],
                secure: three[1],
                controller: three[2],
            })
            .collect();
        let (mut proxies, mut listeners) = (Vec::new(), Vec::new());
        for (address, &port) in proxied.iter().zip(of_proxies) {
            let proxy = Proxy::on(address, &format!("127.0.0.1:{port}")).await?;
            listeners.push(ProxyListener {
                port,
                advertised: proxy.address(),
            });
            proxies.push(proxy);
        }
        let mut own = Vec::new();
        for number in 0..brokers {
            own.push(Broker::format(number, &ports, &listeners).await?);
        }
        let addresses: Vec<_> = ports
            .iter()
            .map(|ports| format!("127.0.0.1:{}", ports.plain))
            .collect();
        let mut kafka = Self {
            brokers: addresses.join(","),
            own,
            proxies,
        };
        // One voter of three waits for the others, so all are started before any is asked.
        for number in 0..brokers {
            kafka.run(number)?;
        }
        kafka.answers().await?;
        Ok(kafka)
    }

    /// A client that administers the brokers.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .expect("an admin client")
    }

    /// Does at once what retention does: removes a partition's records before an offset.
    ///
    /// # Errors
    /// If the broker does not.
    pub async fn trim(&self, topic: &str, partition: Partition, low: Offset) -> Result<()> {
        let mut before = TopicPartitionList::new();
        let (partition, low) = (i32::try_from(partition.0)?, i64::try_from(low.0)?);
        before.add_partition_offset(topic, partition, KafkaOffset::Offset(low))?;
        let options = AdminOptions::new().request_timeout(Some(ASK_TIMEOUT));
        self.admin().delete_records(&before, &options).await?;
        Ok(())
    }

    /// The proxy of that number.
    ///
    /// # Panics
    /// If the broker was started without so many.
    #[must_use]
    pub fn proxy(&self, number: usize) -> &Proxy {
        &self.proxies[number]
    }

    /// Takes the proxies out, so that they can be disturbed while the broker is borrowed.
    #[must_use]
    pub fn take_proxies(&mut self) -> Vec<Proxy> {
        std::mem::take(&mut self.proxies)
    }

    /// `host:port` of the listener without security, of each broker.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A configuration of `[topic]` for a topic of this broker.
    #[must_use]
    pub fn config(&self, topic: &str) -> Config {
        config(&format!("kafka://{}/{topic}", self.brokers))
    }

    /// The same over TLS and SCRAM-SHA-512, trusting the broker's certificate. `None` if the
    /// broker was handed in.
    #[must_use]
    pub fn secure_config(&self, topic: &str) -> Option<Config> {
        let own = self.own.first()?;
        let secure = own.ports().secure;
        let mut config = config(&format!("kafka://localhost:{secure}/{topic}"));
        "sasl_ssl".clone_into(&mut config.security);
        "SCRAM-SHA-512".clone_into(&mut config.sasl_mechanism);
        USER.0.clone_into(&mut config.sasl_username);
        config.sasl_password = USER.1.into();
        config.ca = certificate::authority(own.folder());
        Some(config)
    }

    /// Returns true if the test may kill this broker and start it again.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// The file that holds a partition's first records. `None` if the broker was handed in.
    #[must_use]
    pub fn segment(&self, topic: &str, partition: u32) -> Option<PathBuf> {
        let data = self.own.first()?.folder().join("data");
        let folder = data.join(format!("{topic}-{partition}"));
        Some(folder.join("00000000000000000000.log"))
    }

    /// Kills a broker as a crash would, without an orderly end.
    ///
    /// # Panics
    /// If it was handed in.
    pub fn kill(&mut self, number: usize) {
        self.own[number].kill();
    }

    /// Starts a broker again on the same data and ports, and waits until all answer.
    ///
    /// # Errors
    /// If they do not answer in time. The message holds the end of each log.
    pub async fn revive(&mut self, number: usize) -> Result<()> {
        self.run(number)?;
        self.answers().await
    }

    /// Sends a signal to a broker: `STOP` freezes it, `CONT` lets it continue.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, number: usize, name: &str) -> Result<()> {
        self.own[number].signal(name)
    }

    /// The number of the broker that leads a partition.
    ///
    /// # Errors
    /// If no broker answers, or the partition has no leader.
    pub async fn leader(&self, topic: &str, partition: usize) -> Result<usize> {
        let (brokers, topic) = (self.brokers.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = asking(&brokers)?.fetch_metadata(Some(&topic), ASK_TIMEOUT)?;
            let named = metadata.topics().first().context("a topic")?;
            let partition = named.partitions().get(partition).context("a partition")?;
            let leader = usize::try_from(partition.leader()).context("no leader")?;
            leader.checked_sub(1).context("nodes count from one")
        });
        asked.await?
    }

    /// The ids of a group's members, in order.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn members(&self, group: &str) -> Result<Vec<String>> {
        let (brokers, group) = (self.brokers.clone(), group.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let list = asking(&brokers)?.fetch_group_list(Some(&group), ASK_TIMEOUT)?;
            let members = list.groups().iter().flat_map(GroupInfo::members);
            let mut ids: Vec<_> = members.map(|member| member.id().to_owned()).collect();
            ids.sort_unstable();
            Ok(ids)
        });
        asked.await?
    }

    fn run(&mut self, number: usize) -> Result<()> {
        let heap = if self.own.len() > 1 { "256m" } else { "512m" };
        self.own[number].start(heap)
    }

    async fn answers(&self) -> Result<()> {
        if let Err(error) = answers(&self.brokers, self.own.len()).await {
            let said: Vec<_> = self.own.iter().map(Broker::said).collect();
            bail!(
                "{error:#}; the brokers' logs end, backwards: {}",
                said.join(" ||| ")
            );
        }
        Ok(())
    }
}

/// A configuration of `[topic]` with small limits, so that tests reach them.
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
        session_timeout = "{}s"
        security = "plaintext"
        sasl_mechanism = ""
        sasl_username = ""
        sasl_password = ""
        ca = ""
        "#,
        session_timeout().as_secs()
    );
    toml::from_str(&text).expect("the configuration of the tests is one")
}

fn asking(brokers: &str) -> Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("reconnect.backoff.max.ms", "250")
        .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
        .create()?)
}

/// Waits until so many brokers answer.
async fn answers(brokers: &str, count: usize) -> Result<()> {
    let brokers = brokers.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let consumer = asking(&brokers)?;
        let deadline = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
            if metadata.is_ok_and(|metadata| metadata.brokers().len() >= count) {
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
