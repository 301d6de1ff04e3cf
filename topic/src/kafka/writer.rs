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
use super::settings::Settings;
use crate::{AppendError, Delivery, Draft, Writer};

/// How long a dead producer's successor may be dead too before a third is made.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// The topic's writer.
pub(super) struct KafkaWriter {
    settings: Settings,
    load: Arc<Load>,
    live: RwLock<Arc<Live>>,
}

impl KafkaWriter {
    pub(super) fn new(settings: &Settings) -> Result<Self, AppendError> {
        let load = Arc::new(Load::new(bytes(settings.config().queue)));
        let live = RwLock::new(Arc::new(Live::start(settings)?));
        Ok(Self {
            settings: settings.clone(),
            load,
            live,
        })
    }

    fn limit(&self) -> usize {
        bytes(self.settings.config().max_record)
    }

    /// The producer, or its successor where it is dead.
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
        *current = Arc::new(Live::start(&self.settings)?);
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

/// A size as this machine counts; one that it cannot hold is as good as no bound.
fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
