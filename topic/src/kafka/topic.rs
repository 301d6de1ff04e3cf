//! The [`Topic`] over Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::ends::RecordEnds;
use super::fetch::Fetchers;
use super::meter::Meter;
use super::reader::KafkaReader;
use super::settings::KafkaSettings;
use super::writer::KafkaWriter;
use crate::blocking::blocking;
use crate::{
    AppendError, Identity, Offset, Partition, ReadError, Reader, Record, Timestamp, Topic,
    Watermarks, Writer,
};

/// A topic of a Kafka cluster that is open.
pub struct KafkaTopic {
    settings: KafkaSettings,
    identity: Identity,
    meter: Arc<Meter>,
    fetchers: Arc<Fetchers>,
    ends: Arc<RecordEnds>,
    writer: Mutex<Option<Arc<KafkaWriter>>>,
}

impl KafkaTopic {
    pub(super) fn new(settings: KafkaSettings, meter: Arc<Meter>, identity: Identity) -> Self {
        let fetchers = Arc::new(Fetchers::new(settings.clone(), Arc::clone(&meter)));
        Self {
            settings,
            identity,
            meter,
            fetchers,
            ends: Arc::default(),
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

    async fn extents(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        let (meter, fetchers) = (Arc::clone(&self.meter), Arc::clone(&self.fetchers));
        let ends = Arc::clone(&self.ends);
        blocking(move || {
            let mut marks = meter.watermarks()?;
            ends.lower(&fetchers, &mut marks);
            Ok(marks)
        })
        .await
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
