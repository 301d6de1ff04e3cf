//! What a deployment refuses, each with a sentence that names the remedy, and what cannot
//! mislead it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};
use sink::audit::{self, Audit, Survey};
use sink::{Lake, S3};
use tempfile::TempDir;
use tests::clickweir::Place;
use tests::defaults::section;
use tests::kafka::{self, Kafka};
use tests::landing::land;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use topic::{Config, Draft, Offset, Open, Partition, Topic, clock};
use transformer::deep::{self, Deep};

use crate::kafka_conformance::{fresh, open};

const PARTITIONS: u32 = 2;
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
const ASK: Duration = Duration::from_secs(10);

/// A topic on a real Kafka, a lake in a folder, and a group between them.
struct Shore {
    kafka: &'static Kafka,
    config: Config,
    topic: Arc<dyn Topic>,
    lake: Lake,
    group: String,
    sent: u64,
    _folder: TempDir,
}

impl Shore {
    async fn new() -> Option<Self> {
        let kafka = kafka::shared().await?;
        let config = fresh(kafka, PARTITIONS);
        let topic = open(&config).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().display());
        let s3: S3 = section("lake", &[("url", &url)]).unwrap();
        Some(Self {
            kafka,
            group: format!("of-{}", topic.identity().topic),
            config,
            topic,
            lake: Lake::open(&s3).unwrap(),
            sent: 0,
            _folder: folder,
        })
    }

    /// Sends so many new clicks.
    async fn send(&mut self, clicks: u64) {
        let drafts = (self.sent..self.sent + clicks).map(|n| Draft {
            key: Bytes::from(format!("visitor-{}", n % 20)),
            value: Bytes::from(format!(
                r#"{{"v":1,"id":"click-{n}","received_at":1795000000000000,"format":"native","source":"test","click":{{"action":"view"}}}}"#
            )),
        });
        let drafts: Vec<Draft> = drafts.collect();
        let writer = self.topic.writer().unwrap();
        for some in drafts.chunks(500) {
            writer.append(some.to_vec()).unwrap().await.unwrap();
        }
        self.sent += clicks;
    }

    /// Lets the transformer land all records, as the group's next member.
    async fn land(&self) -> anyhow::Result<()> {
        let sink = [("max_age", "200ms"), ("max_rows", "60")];
        land(&self.topic, &self.lake, &self.group, &sink, WAIT_TIMEOUT).await
    }

    /// Why the transformer stops instead.
    async fn refused(&self) -> String {
        self.land().await.unwrap_err().to_string()
    }

    async fn audit(&self) -> (Audit, Deep) {
        let ledger = self.lake.ledger().await.unwrap().unwrap();
        let survey = Survey::of(&self.lake).await.unwrap();
        let watermarks = self.topic.watermarks().await.unwrap();
        let transformer: transformer::Config = section("transformer", &[]).unwrap();
        let against = audit::Reference {
            ledger: &ledger,
            watermarks: &watermarks,
            catalog: None,
            window: Some(transformer.audited()),
        };
        let audit = audit::audit(&self.lake, &survey, &against, &|_, _| {});
        let topic = self.topic.as_ref();
        let deep = deep::deep(topic, &self.lake, &survey, &against, &|_, _| {});
        (audit.await.unwrap(), deep.await.unwrap())
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.kafka.brokers());
        client
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    fn name(&self) -> &str {
        &self.topic.identity().topic
    }

    /// Sets the group's offset of every partition, and checks that the broker has it.
    fn set_group(&self, offset: i64) {
        let mut client = self.client();
        client.set("group.id", &self.group);
        let consumer: BaseConsumer = client.create().unwrap();
        let mut offsets = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let partition = i32::try_from(partition).unwrap();
            let offset = KafkaOffset::Offset(offset);
            offsets
                .add_partition_offset(self.name(), partition, offset)
                .unwrap();
        }
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
        let told = consumer.committed_offsets(offsets, ASK).unwrap();
        for element in told.elements() {
            assert_eq!(element.offset(), KafkaOffset::Offset(offset));
        }
    }

    async fn delete_group(&self) {
        let options = AdminOptions::new().request_timeout(Some(ASK));
        let deleted = self.admin().delete_groups(&[&self.group], &options).await;
        assert!(deleted.unwrap().iter().all(Result::is_ok));
    }

    /// Deletes the topic and makes one of the same name.
    async fn recreate(&mut self) {
        let options = AdminOptions::new().request_timeout(Some(ASK));
        let deleted = self.admin().delete_topics(&[self.name()], &options).await;
        assert!(deleted.unwrap().iter().all(Result::is_ok));
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            assert!(Instant::now() < deadline, "the topic is never made anew");
            let with = Open {
                clock: clock::system(),
                create: true,
            };
            // While the old topic is being deleted, either sentence may come.
            if let Ok(topic) = topic::open(&self.config, with).await
                && let Ok(marks) = topic.watermarks().await
                && marks.values().all(|marks| marks.high == Offset(0))
            {
                self.topic = topic;
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_offsets_set_back_forward_or_deleted_change_nothing() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    shore.send(300).await;
    shore.land().await.unwrap();
    for change in ["to 0", "forward", "deleted"] {
        match change {
            "to 0" => shore.set_group(0),
            "forward" => shore.set_group(1_000_000),
            _ => shore.delete_group().await,
        }
        shore.send(200).await;
        shore.land().await.unwrap();
        let (audit, deep) = shore.audit().await;
        assert!(
            audit.clean() && deep.clean(),
            "{change}: {audit:?} {deep:?}"
        );
        assert_eq!(
            (audit.rows, audit.pending),
            (shore.sent, 0),
            "{change}: {audit:?}"
        );
        assert_eq!(deep.rows, shore.sent, "{change}: {deep:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_a_topic_that_was_deleted_and_made_anew_is_refused_on_kafka() {
    const REMEDY: &str = "give it a lake.url of its own";
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    shore.send(300).await;
    shore.land().await.unwrap();
    let (before, _) = shore.audit().await;
    shore.recreate().await;
    shore.send(20).await;
    let said = shore.refused().await;
    assert!(
        said.contains("the topic ends at") && said.contains(REMEDY),
        "{said}"
    );
    // It grows beyond the lake's end: the record at that offset is another one.
    shore.send(2_000).await;
    let said = shore.refused().await;
    assert!(
        said.contains("was appended at") && said.contains(REMEDY),
        "{said}"
    );
    let (after, _) = shore.audit().await;
    assert_eq!(after.rows, before.rows, "nothing was landed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_13_a_topic_trimmed_past_the_tip_is_refused_until_the_gap_is_accepted_on_kafka() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    shore.send(300).await;
    shore.land().await.unwrap();
    shore.send(300).await;
    let marks = shore.topic.watermarks().await.unwrap();
    let high = marks[&Partition(0)].high;
    let low = Offset(high.0 - 20);
    let mut before = TopicPartitionList::new();
    let offset = KafkaOffset::Offset(i64::try_from(low.0).unwrap());
    before
        .add_partition_offset(shore.name(), 0, offset)
        .unwrap();
    let options = AdminOptions::new().request_timeout(Some(ASK));
    let trimmed = shore.admin().delete_records(&before, &options).await;
    trimmed.unwrap();
    let said = shore.refused().await;
    assert!(
        said.contains("clickweir gap accept --partition 0"),
        "{said}"
    );
    let (audit, _) = shore.audit().await;
    assert!(audit.lost > 0, "{audit:?}");
    let now = clock::system().now();
    let accepted = shore.lake.accept_gap(Partition(0), low, now).await.unwrap();
    let (first, end) = accepted.unwrap();
    assert_eq!(end, low);
    shore.land().await.unwrap();
    let (audit, deep) = shore.audit().await;
    assert!(audit.clean() && deep.clean(), "{audit:?} {deep:?}");
    assert_eq!(audit.rows, shore.sent - first.distance(low), "{audit:?}");
    assert_eq!(deep.rows + deep.gone, audit.rows, "{deep:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_is_refused_on_kafka() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let config = fresh(kafka, 1);
    let (_, name) = config.url.rsplit_once('/').unwrap();
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .create()
        .unwrap();
    let compacted = NewTopic::new(name, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("message.timestamp.type", "LogAppendTime");
    let options = AdminOptions::new().operation_timeout(Some(ASK));
    let made = admin.create_topics(&[compacted], &options).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let place = Place::new().unwrap().with("TOPIC__URL", &config.url);
    for role in ["prepare", "transformer", "producer"] {
        let refused = place.run(&[role]).unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{role}");
        assert!(said.contains("is compacted"), "{role}: {said}");
        assert!(
            said.contains("--add-config cleanup.policy=delete"),
            "{role}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_42_two_deployments_on_one_prefix_the_second_is_refused() {
    let lake = tempfile::tempdir().unwrap();
    let url = format!("file:{}", lake.path().display());
    let deployment = || Place::new().unwrap().with("LAKE__URL", &url);
    let (first, second) = (deployment(), deployment());
    first.must(&["up", "--visitors", "2", "--once"]).unwrap();
    let refused = second.run(&["up", "--visitors", "2", "--once"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("give each topic a lake.url of its own"),
        "{said}"
    );
    assert!(first.must(&["audit", "--deep"]).unwrap().contains("clean"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_26_a_server_that_ignores_if_none_match_is_refused_by_every_role_that_commits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(obey(stream));
        }
    });
    let place = Place::new()
        .unwrap()
        .with("LAKE__URL", "s3://shop/lake")
        .with("LAKE__ENDPOINT", &endpoint)
        .with("LAKE__ACCESS_KEY", "who")
        .with("LAKE__SECRET_KEY", "what");
    let place = Arc::new(place);
    for role in ["up", "transformer", "prepare"] {
        let at = place.clone();
        let refused = tokio::task::spawn_blocking(move || at.run(&[role]).unwrap());
        let refused = refused.await.unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{role}");
        assert!(said.contains("ignores If-None-Match"), "{role}: {said}");
        assert!(said.contains("use another store"), "{role}: {said}");
    }
    serving.abort();
}

/// An S3 server that answers 200 to every request: one request a connection.
async fn obey(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(());
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
        if body.len() >= length || read == 0 {
            break;
        }
    }
    let answer = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).await
}
