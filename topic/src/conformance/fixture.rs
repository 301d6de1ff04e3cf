//! The backend under test, and the steps that checks are made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Delivery, Draft, Event, Offset, Partition, Placed, ReadError, Reader, Record, Revocation, Topic,
};

/// How long a check waits for what must happen; a broker's rebalance takes seconds.
pub const EVENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a check waits for what must not happen.
pub const SILENCE: Duration = Duration::from_millis(400);

/// The backend under test. One fixture serves one check.
#[async_trait]
pub trait Fixture: Send {
    /// Opens a new, empty topic of so many partitions.
    async fn fresh(&mut self, partitions: u32) -> Arc<dyn Topic>;

    /// Opens the topic of [`Fixture::fresh`] again; what the check held of it was
    /// dropped before.
    async fn reopen(&mut self) -> Arc<dyn Topic>;

    /// Makes retention drop some of what is there, and returns when low has moved.
    /// Returns false if the backend cannot do it in a test's time.
    async fn expire(&mut self, topic: &Arc<dyn Topic>) -> bool;

    /// The `topic.queue` that the topic was opened with, in bytes; a few hundred KiB.
    fn queue(&self) -> usize;

    /// The `topic.max_record` that the topic was opened with, in bytes; below the queue.
    fn max_record(&self) -> usize;
}

/// A draft of text.
#[must_use]
pub fn draft(key: &str, value: &str) -> Draft {
    Draft {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

/// `count` drafts, each of a key and a value of its own: `key-7`, `value-7`.
#[must_use]
pub fn drafts(numbers: std::ops::Range<usize>) -> Vec<Draft> {
    numbers
        .map(|number| draft(&format!("key-{number}"), &format!("value-{number}")))
        .collect()
}

/// Appends and waits for the acknowledgement.
pub async fn append(topic: &Arc<dyn Topic>, drafts: Vec<Draft>) -> Vec<Placed> {
    let writer = topic.writer().expect("the topic gives its writer");
    let delivery = writer
        .append(drafts)
        .expect("an empty queue takes an append");
    settled(delivery).await
}

/// Waits for an acknowledgement.
pub(super) async fn settled(delivery: Delivery) -> Vec<Placed> {
    let settled = tokio::time::timeout(EVENT_TIMEOUT, delivery).await;
    settled
        .expect("an append is settled in time")
        .expect("an append is acknowledged")
}

/// Everything that a partition holds.
pub(super) async fn contents(topic: &Arc<dyn Topic>, partition: Partition) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut from = Offset(0);
    loop {
        let more = topic
            .fetch(partition, from, 100)
            .await
            .expect("a fetch answers");
        let Some(last) = more.last() else {
            return records;
        };
        from = last.offset.next();
        records.extend(more);
    }
}

/// Everything that the topic holds.
pub(super) async fn everything(topic: &Arc<dyn Topic>) -> BTreeMap<(Partition, Offset), Record> {
    let mut all = BTreeMap::new();
    for partition in topic
        .watermarks()
        .await
        .expect("watermarks answer")
        .into_keys()
    {
        for record in contents(topic, partition).await {
            all.insert((partition, record.offset), record);
        }
    }
    all
}

/// A member of the check's own group.
pub(super) fn join(topic: &Arc<dyn Topic>) -> Box<dyn Reader> {
    let group = format!("conformance-{}", topic.identity()).replace('/', "-");
    topic.reader(&group).expect("a reader joins")
}

/// The next event; a passing error is no event.
pub(super) async fn event(reader: &mut Box<dyn Reader>) -> Event {
    let next = async {
        loop {
            match reader.next().await {
                Ok(event) => return event,
                Err(ReadError::Unavailable(_)) => {}
                Err(error) => panic!("reading failed: {error}"),
            }
        }
    };
    tokio::time::timeout(EVENT_TIMEOUT, next)
        .await
        .expect("an event comes in time")
}

/// The partitions of the next event, which is an assignment.
pub(super) async fn assigned(reader: &mut Box<dyn Reader>) -> Vec<Partition> {
    match event(reader).await {
        Event::Assigned { partitions } => partitions,
        other => panic!("expected an assignment, not {other:?}"),
    }
}

/// Reads on until `count` partitions are assigned.
pub(super) async fn assigned_all(reader: &mut Box<dyn Reader>, count: usize) -> Vec<Partition> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(assigned(reader).await);
    }
    all
}

/// The next event, which is a revoke.
pub(super) async fn revoked(reader: &mut Box<dyn Reader>) -> (Vec<Partition>, Revocation) {
    match event(reader).await {
        Event::Revoked { partitions, ack } => (partitions, ack),
        other => panic!("expected a revoke, not {other:?}"),
    }
}

/// The next records of an assigned and sought reader.
pub(super) async fn records(reader: &mut Box<dyn Reader>) -> (Partition, Vec<Record>) {
    match event(reader).await {
        Event::Records { partition, records } => {
            assert!(!records.is_empty(), "an event of records is never empty");
            (partition, records)
        }
        other => panic!("expected records, not {other:?}"),
    }
}

/// Reads on until `count` records came.
pub(super) async fn read(reader: &mut Box<dyn Reader>, count: usize) -> Vec<(Partition, Record)> {
    let mut all = Vec::new();
    while all.len() < count {
        let (partition, records) = records(reader).await;
        all.extend(records.into_iter().map(|record| (partition, record)));
    }
    all
}

/// Asserts that nothing comes for a while.
pub(super) async fn silent(reader: &mut Box<dyn Reader>) {
    if let Ok(next) = tokio::time::timeout(SILENCE, reader.next()).await {
        panic!("expected silence, not {next:?}");
    }
}

/// A record's value as text.
pub(super) fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

/// Asserts that seeking there, or the next call, says that it is out of range.
pub(super) async fn out_of_range(reader: &mut Box<dyn Reader>, offset: Offset) {
    let sought = match reader.seek(Partition(0), offset) {
        Err(error) => Err(error),
        Ok(()) => loop {
            let next = tokio::time::timeout(EVENT_TIMEOUT, reader.next()).await;
            match next.expect("a wrong position is noticed in time") {
                Err(ReadError::Unavailable(_)) => {}
                other => break other.map(|event| panic!("expected an error, not {event:?}")),
            }
        },
    };
    assert!(
        matches!(
            sought,
            Err(ReadError::OutOfRange {
                partition: None | Some(Partition(0))
            })
        ),
        "a position outside low..=high is out of range, not {sought:?}"
    );
}
