//! Conversions between our types and librdkafka's: partitions with offsets, and records.

use bytes::Bytes;
use rdkafka::Timestamp as KafkaTimestamp;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};

use super::settings::KafkaSettings;
use crate::{Offset, Partition, ReadError, Record, RecordFormat, RecordHeader, Timestamp};

/// A list of partitions with offsets, as librdkafka wants it.
pub(super) fn list(
    topic: &str,
    partitions: impl IntoIterator<Item = (Partition, KafkaOffset)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        let Ok(partition) = i32::try_from(partition.0) else {
            continue;
        };
        list.add_partition_offset(topic, partition, offset)
            .expect("an offset of ours is one that librdkafka can hold");
    }
    list
}

/// An offset of ours as librdkafka's; Kafka's own end at 2^63.
pub(super) fn kafka_offset(offset: Offset) -> KafkaOffset {
    KafkaOffset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX))
}

/// A message as a record. Its time must be the broker's own: a producer's clock would
/// put rows into hours that have closed.
pub(super) fn record(
    settings: &KafkaSettings,
    partition: Partition,
    message: &BorrowedMessage<'_>,
) -> Result<Record, ReadError> {
    let offset = Offset(u64::try_from(message.offset()).unwrap_or(0));
    let KafkaTimestamp::LogAppendTime(millis) = message.timestamp() else {
        let topic = &settings.address.topic;
        return Err(ReadError::Unfit(format!(
            "the record at offset {offset} of {topic}, partition {partition}, does not carry the \
             broker's time: set message.timestamp.type=LogAppendTime on the topic, and start the \
             lake behind the records from before"
        )));
    };
    let (key, value) = (message.key(), message.payload());
    // One allocation for both.
    let mut bytes = Vec::with_capacity(key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len));
    bytes.extend_from_slice(key.unwrap_or_default());
    let split = bytes.len();
    bytes.extend_from_slice(value.unwrap_or_default());
    let bytes = Bytes::from(bytes);
    Ok(Record {
        offset,
        appended_at: Timestamp::from_millis(millis),
        key: key.map(|_| bytes.slice(..split)),
        value: value.map(|_| bytes.slice(split..)),
        headers: match settings.config().format {
            RecordFormat::Json => headers(message),
            // An edge writes none.
            RecordFormat::Envelope => Vec::new(),
        },
    })
}

/// The headers of a message, in their order.
fn headers(message: &BorrowedMessage<'_>) -> Vec<RecordHeader> {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let headers = headers.map(|header| RecordHeader {
        name: header.key.to_owned(),
        value: header.value.map(Bytes::copy_from_slice),
    });
    headers.collect()
}
