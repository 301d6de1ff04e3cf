//! The settings of librdkafka: the address, the security, and those on which
//! exactly-once depends.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use secrecy::ExposeSecret;

use crate::{Config, ReadError};

/// How long a question to the brokers (metadata, offsets, settings) may take.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How much librdkafka may have fetched ahead of the hand-over, for all partitions of
/// a reader together; no other budget counts this memory.
const AHEAD_KIB: usize = 8 * 1024;

/// How long the producer lets a batch wait for more records. An acknowledgement costs one
/// round trip and one replication anyway, so 2 ms are hardly felt, and at 20,000
/// records a second they still make batches of forty.
const LINGER_MS: usize = 2;

/// Where the topic is: the part of `topic.url` behind `kafka://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicAddress {
    /// `host:port[,host:port…]`
    pub(super) brokers: String,
    /// The topic's name.
    pub(super) topic: String,
}

impl TopicAddress {
    /// Reads `host:port[,host:port…]/topic`.
    pub(super) fn parse(rest: &str) -> Result<Self, ReadError> {
        let unfit = |why: &str| {
            ReadError::Unfit(format!(
                "topic.url is \"kafka://{rest}\", {why}: write kafka://HOST:PORT[,HOST:PORT…]/TOPIC"
            ))
        };
        let (brokers, topic) = rest
            .split_once('/')
            .ok_or_else(|| unfit("which names no topic"))?;
        let port = |broker: &str| {
            broker.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if !brokers.split(',').all(port) {
            return Err(unfit("which has a broker without its port"));
        }
        // Kafka's own rule for a topic's name.
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (1..=249).contains(&topic.len()) && topic.chars().all(legal);
        if !fits || topic == "." || topic == ".." {
            return Err(unfit("whose topic is no name that Kafka takes"));
        }
        Ok(Self {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
        })
    }
}

/// The settings of every client of one topic.
#[derive(Clone)]
pub(super) struct KafkaSettings {
    pub(super) address: TopicAddress,
    config: Config,
}

impl KafkaSettings {
    pub(super) fn new(config: &Config, rest: &str) -> Result<Self, ReadError> {
        let address = TopicAddress::parse(rest)?;
        if !["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"].contains(&config.security.as_str()) {
            return Err(ReadError::Unfit(format!(
                "topic.security is {:?}: write plaintext, ssl, sasl_plaintext or sasl_ssl",
                config.security
            )));
        }
        if config.security.starts_with("sasl") && config.sasl_mechanism.is_empty() {
            return Err(ReadError::Unfit(format!(
                "topic.security is {}, but topic.sasl_mechanism is empty: write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
                config.security
            )));
        }
        Ok(Self {
            address,
            config: config.clone(),
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The settings of every client.
    pub(super) fn client(&self) -> ClientConfig {
        let config = &self.config;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.address.brokers)
            .set("client.id", "clickweir")
            .set("security.protocol", &config.security)
            .set("socket.keepalive.enable", "true")
            // A broker that answers no more is found by this; the default is a minute.
            .set("socket.timeout.ms", "10000")
            // A broker that came back is found within a second; the default is ten.
            .set("reconnect.backoff.max.ms", "1000")
            // New partitions are found within ten seconds; the default is five minutes.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set_log_level(RDKafkaLogLevel::Info);
        if !config.ca.as_os_str().is_empty() {
            client.set("ssl.ca.location", config.ca.to_string_lossy());
        }
        if config.security.starts_with("sasl") {
            client
                .set("sasl.mechanism", &config.sasl_mechanism)
                .set("sasl.username", &config.sasl_username)
                .set("sasl.password", config.sasl_password.expose_secret());
        }
        client
    }

    /// The idempotent producer: `acks=all`, order kept through every retry.
    pub(super) fn producer(&self) -> ClientConfig {
        let config = &self.config;
        // Our bound (`queue`) is the one that counts; librdkafka's own is above it,
        // with room for its overhead per message.
        let kib = (2 * config.queue.as_u64() / 1024).clamp(1024, 2_097_151);
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("max.in.flight.requests.per.connection", "5")
            .set(
                "delivery.timeout.ms",
                // The writer gives up before, with all that waits: see `UnsettledRequests`.
                (2 * config.append_timeout.as_millis())
                    .max(2000)
                    .to_string(),
            )
            .set("linger.ms", LINGER_MS.to_string())
            // LZ4 costs the edge the least and halves JSON; the lake compresses better.
            .set("compression.type", "lz4")
            .set("queue.buffering.max.kbytes", kib.to_string())
            .set("queue.buffering.max.messages", "0")
            .set("message.max.bytes", self.batch_limit().to_string())
            // The partitioner of the Java clients, so that another producer of the
            // same key meets the same partition.
            .set("partitioner", "murmur2_random");
        client
    }

    /// How large a batch of one record may be, in bytes: the record and Kafka's
    /// framing around it, and never under the brokers' default.
    pub(super) fn batch_limit(&self) -> u64 {
        (self.config.max_record.as_u64() + 4096).clamp(1_048_588, 1_000_000_000)
    }

    /// A member of the consumer group `group`.
    pub(super) fn reader(&self, group: &str) -> ClientConfig {
        let session = self.config.session_timeout.as_millis().max(1000);
        let mut client = self.consumer();
        client
            .set("group.id", group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set(
                "heartbeat.interval.ms",
                (session / 4).clamp(250, 3000).to_string(),
            )
            .set("max.poll.interval.ms", session.max(300_000).to_string());
        client
    }

    /// A consumer outside any group: it is assigned by hand. librdkafka assigns
    /// only with a group's name; nothing ever joins or commits under this one.
    pub(super) fn fetcher(&self) -> ClientConfig {
        let mut client = self.consumer();
        client
            .set("group.id", "clickweir-fetch")
            .set("enable.partition.eof", "true");
        client
    }

    /// A consumer that only asks: metadata, watermarks, offsets by time.
    pub(super) fn meter(&self) -> ClientConfig {
        self.consumer()
    }

    fn consumer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // The lake decides where reading starts; the brokers' guess would be a
            // silent gap or a silent repetition.
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", AHEAD_KIB.to_string())
            // With so small a look-ahead, the default wait of a second after each
            // full queue would be most of the time.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "250");
        client
    }
}

/// The context of a client that only logs.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// Hands a line of librdkafka's log on. Its errors are mostly a broker that is away,
/// which it mends by itself, and which readiness and lag show already: no operator
/// must act on the line.
pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(facility, "librdkafka: {line}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::info!(facility, "librdkafka: {line}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(facility, "librdkafka: {line}");
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytesize::ByteSize;

    use super::*;

    /// The settings of the topic `clicks` on the brokers of a mock cluster.
    pub(in crate::kafka) fn settings(brokers: &str) -> KafkaSettings {
        let config = Config {
            url: String::new(),
            format: crate::RecordFormat::Envelope,
            json_id: String::new(),
            json_visitor: String::new(),
            partitions: 1,
            retention: Duration::from_secs(60),
            retention_size: ByteSize(0),
            queue: ByteSize::kib(64),
            max_record: ByteSize::kib(16),
            append_timeout: Duration::from_secs(2),
            linger: Duration::from_millis(1),
            session_timeout: Duration::from_secs(6),
            security: "plaintext".into(),
            sasl_mechanism: String::new(),
            sasl_username: String::new(),
            sasl_password: String::new().into(),
            ca: std::path::PathBuf::new(),
        };
        KafkaSettings::new(&config, &format!("{brokers}/clicks")).unwrap()
    }

    #[test]
    fn an_address_is_brokers_and_a_topic() {
        let check = |rest: &str, expect: Option<(&str, &str)>| {
            let read = TopicAddress::parse(rest).ok();
            let read = read
                .as_ref()
                .map(|a| (a.brokers.as_str(), a.topic.as_str()));
            assert_eq!(read, expect, "{rest}");
        };
        check("a:9092/clicks", Some(("a:9092", "clicks")));
        check("a:1,[::1]:2/x.y_z-1", Some(("a:1,[::1]:2", "x.y_z-1")));
        check("a:9092", None);
        check("a:9092/", None);
        check("a/clicks", None);
        check("a:0/clicks", None);
        check("a:9092,b/clicks", None);
        check(":9092/clicks", None);
        check("a:9092/clicks/more", None);
        check("a:9092/cl icks", None);
        check("a:9092/..", None);
    }
}
