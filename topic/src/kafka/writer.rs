//! The [`Writer`] over Kafka: an idempotent producer, bounded in bytes, that is
//! replaced when Kafka declares it dead.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use parking_lot::RwLock;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::BaseRecord;

use super::producer::Live;
use super::request::{Load, Request, Waiting};
use super::settings::KafkaSettings;
use crate::{AppendError, Delivery, Draft, Writer};

/// How long a dead producer's successor may be dead too before a third is made.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// The topic's writer.
pub(super) struct KafkaWriter {
    settings: KafkaSettings,
    load: Arc<Load>,
    live: RwLock<Arc<Live>>,
}

impl KafkaWriter {
    pub(super) fn new(settings: &KafkaSettings) -> Result<Self, AppendError> {
        let load = Arc::new(Load::new(bytes(settings.config().queue)));
        let live = RwLock::new(Arc::new(Live::start(settings, None)?));
        Ok(Self {
            settings: settings.clone(),
            load,
            live,
        })
    }

    fn limit(&self) -> usize {
        bytes(self.settings.config().max_record)
    }

    /// The producer, or its successor if it is dead.
    fn live(&self) -> Result<Arc<Live>, AppendError> {
        let live = Arc::clone(&self.live.read());
        let Some(why) = live.dead() else {
            return Ok(live);
        };
        let mut current = self.live.write();
        if !Arc::ptr_eq(&live, &current) {
            return Ok(Arc::clone(&current));
        }
        if live.born.elapsed() < REPLACE_EVERY {
            return Err(AppendError::Closed(why));
        }
        tracing::warn!(%why, "the producer is dead and is replaced");
        *current = Arc::new(Live::start(&self.settings, live.silent_since())?);
        Ok(Arc::clone(&current))
    }
}

impl Writer for KafkaWriter {
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        let limit = self.limit();
        if let Some(size) = drafts.iter().map(Draft::size).find(|size| *size > limit) {
            return Err(AppendError::TooLarge { size, limit });
        }
        let live = self.live()?;
        let patience = self.settings.config().append_timeout;
        if let Some(since) = live.silent_since()
            && since.elapsed() > patience
        {
            // What waits has the time-out already behind it; more would only queue.
            return Err(AppendError::Closed("no broker answers".into()));
        }
        self.load.reserve(&drafts)?;
        let (sender, delivery) = Delivery::channel();
        let request = Arc::new(Request::new(drafts.len(), sender));
        live.awaits(&request);
        let topic = &self.settings.address.topic;
        for (index, draft) in drafts.iter().enumerate() {
            let waiting = Waiting::new(&request, index, draft, &self.load);
            let mut record: BaseRecord<'_, [u8], [u8], _> =
                BaseRecord::with_opaque_to(topic, Box::new(waiting)).payload(draft.value.as_ref());
            // No key and an empty key are one thing, as on the embedded topic.
            if !draft.key.is_empty() {
                record = record.key(draft.key.as_ref());
            }
            if let Err((error, _)) = live.producer.send(record) {
                // What is sent settles by itself; the rest never took its place.
                self.load.release_unsent(&drafts[index + 1..]);
                return Err(refused(&error, draft, limit));
            }
        }
        Ok(delivery)
    }

    fn flush(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            tokio::time::timeout(deadline, self.load.emptied())
                .await
                .is_ok()
        })
    }

    fn ready(&self) -> Result<(), AppendError> {
        let live = self.live()?;
        if live.silent_since().is_some() {
            return Err(AppendError::Closed("no broker answers".into()));
        }
        if self.load.full() {
            Err(AppendError::Full)
        } else {
            Ok(())
        }
    }
}

/// Why librdkafka did not take a record into its queue.
fn refused(error: &KafkaError, draft: &Draft, limit: usize) -> AppendError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => AppendError::Full,
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => AppendError::TooLarge {
            size: draft.size(),
            limit,
        },
        _ => AppendError::Closed(error.to_string()),
    }
}

/// A size as `usize`; one that is too large for it is as good as no bound.
fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use rdkafka::bindings::rd_kafka_resp_err_t as Code;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaApiKey;

    use super::super::producer::LATE;
    use super::super::settings::tests::settings;
    use super::*;

    fn draft() -> Vec<Draft> {
        vec![Draft {
            key: "k".into(),
            value: "v".into(),
        }]
    }

    async fn until<T>(what: &str, mut tried: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = tried().await {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn cluster() -> MockCluster<'static, rdkafka::producer::DefaultProducerContext> {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("clicks", 1, 1).unwrap();
        cluster
    }

    /// librdkafka's own cluster in memory gives errors that no real broker gives on demand.
    #[tokio::test]
    async fn fault_07_a_dead_producer_is_replaced() {
        let cluster = cluster().await;
        cluster.request_errors(
            RDKafkaApiKey::InitProducerId,
            &[Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED],
        );
        let writer = KafkaWriter::new(&settings(&cluster.bootstrap_servers())).unwrap();
        // What was taken before the producer died is answered, and not acknowledged.
        match writer.append(draft()) {
            Ok(delivery) => assert!(matches!(delivery.await, Err(AppendError::Closed(_)))),
            Err(error) => assert!(matches!(error, AppendError::Closed(_)), "{error}"),
        }
        until("the producer dies", async || writer.live.read().dead()).await;
        assert!(
            writer.flush(Duration::from_secs(5)).await,
            "nothing waits for the dead"
        );
        // Its successor writes.
        let placed = until("an append is acknowledged", async || {
            writer.append(draft()).ok()?.await.ok()
        });
        assert_eq!(placed.await.len(), 1);
        assert!(writer.ready().is_ok());
    }

    #[tokio::test]
    async fn what_waits_behind_a_late_append_is_given_up_with_it_so_that_order_is_kept() {
        let cluster = cluster().await;
        let settings = settings(&cluster.bootstrap_servers());
        let patience = settings.config().append_timeout;
        let writer = KafkaWriter::new(&settings).unwrap();
        until("the first append", async || {
            writer.append(draft()).ok()?.await.ok()
        })
        .await;
        cluster.broker_down(1).unwrap();
        let early = writer.append(draft()).unwrap();
        tokio::time::sleep(patience / 2).await;
        let late = writer.append(draft()).unwrap();
        let failed = early.await.unwrap_err();
        assert!(failed.to_string().contains(LATE), "{failed}");
        // The broker is back before the second one is late itself.
        cluster.broker_up(1).unwrap();
        let failed = late.await.unwrap_err();
        assert!(failed.to_string().contains(LATE), "{failed}");
        let placed = until("an append is acknowledged", async || {
            writer.append(draft()).ok()?.await.ok()
        });
        assert_eq!(
            placed.await[0].offset,
            crate::Offset(1),
            "nothing came between"
        );
    }

    #[tokio::test]
    async fn fault_05_silent_brokers_are_told_and_found_again() {
        let cluster = cluster().await;
        let writer = KafkaWriter::new(&settings(&cluster.bootstrap_servers())).unwrap();
        until("the first append", async || {
            writer.append(draft()).ok()?.await.ok()
        })
        .await;
        cluster.broker_down(1).unwrap();
        let delivery = writer.append(draft()).unwrap();
        assert!(
            matches!(delivery.await, Err(AppendError::Closed(_))),
            "it is answered in time"
        );
        until("the silence is reported", async || writer.ready().err()).await;
        until(
            "past its patience an append is refused at once",
            async || writer.append(draft()).err(),
        )
        .await;
        cluster.broker_up(1).unwrap();
        // Nothing is written meanwhile: readiness must come back by itself.
        until("the writer is ready again", async || writer.ready().ok()).await;
        until("an append is acknowledged", async || {
            writer.append(draft()).ok()?.await.ok()
        })
        .await;
    }
}
