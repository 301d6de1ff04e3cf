//! The suite that every backend of the topic passes, on a real Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tests::kafka::{self, Kafka};
use topic::conformance::{self, Fixture};
use topic::{Config, Offset, Open, Partition, Topic, clock};

/// Opens the topic of `config`, and makes it if it is missing.
pub(crate) async fn open(config: &Config) -> Arc<dyn Topic> {
    let with = Open {
        clock: clock::system(),
        create: true,
    };
    topic::open(config, with).await.expect("the topic opens")
}

/// A configuration of a topic that nobody has used yet.
pub(crate) fn fresh(kafka: &Kafka, partitions: u32) -> Config {
    static USED: AtomicUsize = AtomicUsize::new(0);
    let number = USED.fetch_add(1, Ordering::Relaxed);
    let name = format!("clicks-{}-{number}", std::process::id());
    Config {
        partitions,
        ..kafka.config(&name)
    }
}

struct OnKafka {
    kafka: &'static Kafka,
    secure: bool,
    config: Option<Config>,
}

#[async_trait]
impl Fixture for OnKafka {
    async fn fresh(&mut self, partitions: u32) -> Arc<dyn Topic> {
        let mut config = fresh(self.kafka, partitions);
        if self.secure {
            let name = config
                .url
                .rsplit('/')
                .next()
                .expect("a url ends with its topic")
                .to_owned();
            let secure = self.kafka.secure_config(&name).expect("the broker is ours");
            config = Config {
                partitions,
                ..secure
            };
        }
        self.config = Some(config.clone());
        open(&config).await
    }

    async fn reopen(&mut self) -> Arc<dyn Topic> {
        open(
            self.config
                .as_ref()
                .expect("a topic is opened before it is opened again"),
        )
        .await
    }

    async fn expire(&mut self, topic: &Arc<dyn Topic>) -> bool {
        let trimmed = self
            .kafka
            .trim(&topic.identity().topic, Partition(0), Offset(20));
        trimmed.await.expect("records go");
        true
    }

    fn queue(&self) -> usize {
        512 * 1024
    }

    fn max_record(&self) -> usize {
        64 * 1024
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_passes_the_suite_of_the_topic() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let failed = conformance::run(|| OnKafka {
        kafka,
        secure: false,
        config: None,
    })
    .await;
    assert_eq!(failed, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_passes_the_suite_over_tls_and_scram() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    if !kafka.is_own() {
        return;
    }
    let failed = conformance::run(|| OnKafka {
        kafka,
        secure: true,
        config: None,
    })
    .await;
    assert_eq!(failed, Vec::<&str>::new());
}
