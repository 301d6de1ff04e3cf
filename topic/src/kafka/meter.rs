//! Questions to the brokers: which partitions, from where to where, since when. One
//! consumer without a group, and every call blocks.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};

use super::error::{Meaning, refused_settings, unavailable};
use super::settings::{ASK_TIMEOUT, KafkaSettings, Quiet};
use super::wire::list;
use crate::{Offset, Partition, ReadError, Timestamp, Watermarks};

/// The client that asks.
pub(super) struct Meter {
    consumer: BaseConsumer<Quiet>,
    topic: String,
}

/// What the brokers say of the topic.
pub(super) struct Shape {
    pub(super) partitions: Vec<Partition>,
    /// The least number of replicas that a partition has.
    pub(super) replicas: usize,
}

impl Meter {
    pub(super) fn new(settings: &KafkaSettings) -> Result<Self, ReadError> {
        let consumer = settings
            .meter()
            .create_with_context(Quiet)
            .map_err(|error| refused_settings(&error))?;
        Ok(Self {
            consumer,
            topic: settings.address.topic.clone(),
        })
    }

    /// The cluster's own id; `None` if no broker answers within `timeout`.
    pub(super) fn cluster(&self, timeout: Duration) -> Option<String> {
        let id = self.consumer.client().fetch_cluster_id(timeout);
        self.drain();
        id.filter(|id| !id.is_empty())
    }

    /// The topic's partitions; `None` if there is no such topic.
    pub(super) fn shape(&self) -> Result<Option<Shape>, ReadError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(&self.topic), ASK_TIMEOUT)
            .map_err(|error| unavailable(&error));
        self.drain();
        let metadata = metadata?;
        let Some(topic) = metadata
            .topics()
            .iter()
            .find(|topic| topic.name() == self.topic)
        else {
            return Ok(None);
        };
        if let Some(code) = topic.error().map(RDKafkaErrorCode::from) {
            let unknown =
                code == RDKafkaErrorCode::UnknownTopic || Meaning::of(code) == Meaning::NoTopic;
            return if unknown {
                Ok(None)
            } else {
                Err(ReadError::Unavailable(code.to_string()))
            };
        }
        let replicas = topic
            .partitions()
            .iter()
            .map(|p| p.replicas().len())
            .min()
            .unwrap_or(0);
        let ids = topic
            .partitions()
            .iter()
            .filter_map(|p| u32::try_from(p.id()).ok());
        let mut partitions: Vec<_> = ids.map(Partition).collect();
        partitions.sort_unstable();
        // Metadata of a topic that was made this moment may come without partitions.
        Ok((!partitions.is_empty()).then_some(Shape {
            partitions,
            replicas,
        }))
    }

    /// Low and high of every partition.
    pub(super) fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        let Some(shape) = self.shape()? else {
            return Err(ReadError::Unavailable(format!(
                "topic {} is not there (any more)",
                self.topic
            )));
        };
        let ask = |at: KafkaOffset| self.ask(shape.partitions.iter().map(|p| (*p, at)));
        let (low, high) = (ask(KafkaOffset::Beginning)?, ask(KafkaOffset::End)?);
        let pairs = shape.partitions.into_iter().map(|partition| {
            let (low, high) = (offset_of(&low, partition)?, offset_of(&high, partition)?);
            Ok((
                partition,
                Watermarks {
                    low,
                    high: high.max(low),
                },
            ))
        });
        pairs.collect()
    }

    /// Low and high of one partition.
    pub(super) fn watermarks_of(&self, partition: Partition) -> Result<Watermarks, ReadError> {
        let ask = |at: KafkaOffset| offset_of(&self.ask([(partition, at)])?, partition);
        let (low, high) = (ask(KafkaOffset::Beginning)?, ask(KafkaOffset::End)?);
        Ok(Watermarks {
            low,
            high: high.max(low),
        })
    }

    /// What [`crate::Topic::offset_at`] promises.
    pub(super) fn offset_at(
        &self,
        partition: Partition,
        time: Timestamp,
    ) -> Result<Offset, ReadError> {
        // The end first: a record that comes in between must not be skipped.
        let high = self.watermarks_of(partition)?.high;
        // Kafka keeps milliseconds: the first at or after `time` is the one rounded up.
        // Below zero are names of Kafka's for other questions.
        let millis = time.millis() + i64::from(time.micros().rem_euclid(1_000) > 0);
        let found = self.ask([(partition, KafkaOffset::Offset(millis.max(0)))])?;
        let topic = &self.topic;
        let element = found.find_partition(topic, i32::try_from(partition.0).unwrap_or(-1));
        match element.map(|element| (element.error(), element.offset())) {
            Some((Ok(()), KafkaOffset::Offset(offset))) => {
                Ok(Offset(u64::try_from(offset).unwrap_or(0)))
            }
            Some((Ok(()), _)) => Ok(high),
            Some((Err(error), _)) => Err(unavailable(&error)),
            None => Err(ReadError::OutOfRange {
                partition: Some(partition),
            }),
        }
    }

    /// One question per leader for all partitions: the first and the last offset have
    /// names that take the place of a time.
    fn ask(
        &self,
        times: impl IntoIterator<Item = (Partition, KafkaOffset)>,
    ) -> Result<TopicPartitionList, ReadError> {
        let asked = list(&self.topic, times);
        let answer = self.consumer.offsets_for_times(asked, ASK_TIMEOUT);
        self.drain();
        answer.map_err(|error| unavailable(&error))
    }

    /// Takes the client's own events, which would pile up otherwise.
    fn drain(&self) {
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }
}

fn offset_of(answer: &TopicPartitionList, partition: Partition) -> Result<Offset, ReadError> {
    let missing = || ReadError::OutOfRange {
        partition: Some(partition),
    };
    let elements = answer.elements();
    let mine = |id: i32| u32::try_from(id) == Ok(partition.0);
    let element = elements
        .iter()
        .find(|e| mine(e.partition()))
        .ok_or_else(missing)?;
    element.error().map_err(|error| unavailable(&error))?;
    match element.offset() {
        KafkaOffset::Offset(offset) => u64::try_from(offset).map(Offset).map_err(|_| missing()),
        _ => Err(ReadError::Unavailable(format!(
            "partition {partition} told no offset"
        ))),
    }
}
