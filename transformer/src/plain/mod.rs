//! A topic that others write: its records are JSON objects by themselves.
//!
//! They become envelopes where they are read, so all that reads a topic sees the same records:
//! the worker, the tail, a replay, an audit.

mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use topic::{
    AppendError, Event, Identity, Offset, Partition, ReadError, Reader, Record, Timestamp, Topic,
    Watermarks, Writer,
};

pub use rule::PlainRule;

/// Why nothing of ours is written there.
const READ_ONLY: &str = "topic.format is \"json\", so others write it: run `clickweir transformer` \
    and `clickweir dashboard`, and give an edge, an import or a follower a topic of its own";

/// A topic of plain records, read as if an edge had written them.
pub struct PlainTopic {
    topic: Arc<dyn Topic>,
    rule: Arc<PlainRule>,
}

impl PlainTopic {
    /// Reads `topic` by `rule`.
    #[must_use]
    pub fn new(topic: Arc<dyn Topic>, rule: PlainRule) -> Arc<Self> {
        let rule = Arc::new(rule);
        Arc::new(Self { topic, rule })
    }
}

#[async_trait]
impl Topic for PlainTopic {
    fn identity(&self) -> &Identity {
        self.topic.identity()
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        self.topic.watermarks().await
    }

    async fn extents(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        self.topic.extents().await
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, ReadError> {
        self.topic.offset_at(partition, time).await
    }

    async fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let records = self.topic.fetch(partition, from, limit).await?;
        let identity = self.identity();
        let records = records.into_iter();
        Ok(records
            .map(|record| self.rule.enveloped(identity, partition, record))
            .collect())
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        Err(AppendError::Closed(READ_ONLY.into()))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ReadError> {
        Ok(Box::new(PlainReader {
            reader: self.topic.reader(group)?,
            identity: self.identity().clone(),
            rule: self.rule.clone(),
        }))
    }
}

/// A member of a group that reads plain records.
struct PlainReader {
    reader: Box<dyn Reader>,
    identity: Identity,
    rule: Arc<PlainRule>,
}

#[async_trait]
impl Reader for PlainReader {
    async fn next(&mut self) -> Result<Event, ReadError> {
        Ok(match self.reader.next().await? {
            Event::Records { partition, records } => {
                let records = records.into_iter();
                let enveloped =
                    records.map(|record| self.rule.enveloped(&self.identity, partition, record));
                Event::Records {
                    partition,
                    records: enveloped.collect(),
                }
            }
            event => event,
        })
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), ReadError> {
        self.reader.seek(partition, offset)
    }

    fn pause(&mut self, partition: Partition) -> Result<(), ReadError> {
        self.reader.pause(partition)
    }

    fn resume(&mut self, partition: Partition) -> Result<(), ReadError> {
        self.reader.resume(partition)
    }

    fn report(&mut self, partition: Partition, end: Offset) {
        self.reader.report(partition, end);
    }
}
