//! A topic on a real Kafka, a lake in a folder, and the consumer group between them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};
use sink::audit::{self, Audit, Survey};
use sink::{Lake, S3};
use tempfile::TempDir;
use tests::defaults::section;
use tests::kafka::{self, Kafka};
use tests::landing::land;
use tokio::time::{Instant, sleep};
use topic::{Config, Draft, Offset, Open, Topic, clock};
use transformer::deep::{self, Deep};

use crate::kafka_conformance::{fresh, open};

/// How many partitions the topic has.
pub(crate) const PARTITIONS: u32 = 2;
/// How long a test waits for what must come.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a question to the brokers may take.
pub(crate) const ASK: Duration = Duration::from_secs(10);

/// A topic on a real Kafka, a lake in a folder, and a group between them.
pub(crate) struct Shore {
    pub(crate) kafka: &'static Kafka,
    config: Config,
    pub(crate) topic: Arc<dyn Topic>,
    pub(crate) lake: Lake,
    pub(crate) group: String,
    /// How many clicks were sent.
    pub(crate) sent: u64,
    _folder: TempDir,
}

impl Shore {
    pub(crate) async fn new() -> Option<Self> {
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
    pub(crate) async fn send(&mut self, clicks: u64) {
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
    pub(crate) async fn land(&self) -> anyhow::Result<()> {
        let sink = [("max_age", "200ms"), ("max_rows", "60")];
        land(&self.topic, &self.lake, &self.group, &sink, WAIT_TIMEOUT).await
    }

    /// Why the transformer stops instead.
    pub(crate) async fn refused(&self) -> String {
        self.land().await.unwrap_err().to_string()
    }

    pub(crate) async fn audit(&self) -> (Audit, Deep) {
        let ledger = self.lake.ledger().await.unwrap().unwrap();
        let survey = Survey::of(&self.lake).await.unwrap();
        let watermarks = self.topic.extents().await.unwrap();
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

    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.kafka.brokers());
        client
    }

    pub(crate) fn name(&self) -> &str {
        &self.topic.identity().topic
    }

    /// Sets the group's offset of every partition, and checks that the broker has it.
    pub(crate) fn set_group(&self, offset: i64) {
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

    pub(crate) async fn delete_group(&self) {
        let options = AdminOptions::new().request_timeout(Some(ASK));
        let deleted = self
            .kafka
            .admin()
            .delete_groups(&[&self.group], &options)
            .await;
        assert!(deleted.unwrap().iter().all(Result::is_ok));
    }

    /// Deletes the topic and makes one of the same name.
    pub(crate) async fn recreate(&mut self) {
        let options = AdminOptions::new().request_timeout(Some(ASK));
        let deleted = self
            .kafka
            .admin()
            .delete_topics(&[self.name()], &options)
            .await;
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
