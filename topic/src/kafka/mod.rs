//! The topic on a Kafka or Redpanda cluster.
//!
//! The brokers hold the log; this is what exactly-once needs of their client: an
//! idempotent producer whose answer is per request ([`writer`]), and a member of the
//! group that reads only where the lake says ([`reader`]).
//!
//! A topic is known by its cluster's id and its name. The id that Kafka gives a topic,
//! which would tell a topic made anew from the one before it, is not to be had through
//! `rdkafka`; the lake's own checks (watermarks, append time at the tip) find that out.

mod error;
mod fetch;
mod handover;
mod member;
mod meter;
mod open;
mod poller;
mod producer;
mod reader;
mod request;
mod settings;
mod wire;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

pub use open::open;

use self::fetch::Fetchers;
use self::meter::Meter;
use self::reader::KafkaReader;
use self::settings::Settings;
use self::writer::KafkaWriter;
use crate::blocking::blocking;
use crate::{
    AppendError, Identity, Offset, Partition, ReadError, Reader, Record, Timestamp, Topic,
    Watermarks, Writer,
};

/// A topic of a Kafka cluster that is open.
pub struct KafkaTopic {
    settings: Settings,
    identity: Identity,
    meter: Arc<Meter>,
    fetchers: Arc<Fetchers>,
    writer: Mutex<Option<Arc<KafkaWriter>>>,
}

impl KafkaTopic {
    fn new(settings: Settings, meter: Arc<Meter>, identity: Identity) -> Self {
        let fetchers = Arc::new(Fetchers::new(settings.clone(), Arc::clone(&meter)));
        Self {
            settings,
            identity,
            meter,
            fetchers,
            writer: Mutex::default(),
        }
    }
}

#[async_trait]
impl Topic for KafkaTopic {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        let meter = Arc::clone(&self.meter);
        blocking(move || meter.watermarks()).await
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, ReadError> {
        let meter = Arc::clone(&self.meter);
        blocking(move || meter.offset_at(partition, time)).await
    }

    async fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let fetchers = Arc::clone(&self.fetchers);
        blocking(move || fetchers.fetch(partition, from, limit)).await
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        let mut writer = self.writer.lock();
        if let Some(writer) = writer.as_ref() {
            return Ok(Arc::clone(writer) as Arc<dyn Writer>);
        }
        let made = Arc::new(KafkaWriter::new(&self.settings)?);
        *writer = Some(Arc::clone(&made));
        Ok(made)
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ReadError> {
        Ok(Box::new(KafkaReader::join(
            &self.settings,
            Arc::clone(&self.fetchers),
            group,
        )?))
    }
}
