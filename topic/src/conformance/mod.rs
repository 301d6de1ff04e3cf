//! The suite that every backend passes: what the loop and the edge rely on, said as
//! checks over [`Topic`], [`Writer`] and [`Reader`].
//!
//! A backend's tests implement [`Fixture`] and call [`run`]. A check panics with a
//! sentence where the backend breaks its promise.

mod appending;
mod grouping;
mod reading;
mod resting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{
    Delivery, Draft, Event, Offset, Partition, Placed, ReadError, Reader, Record, Revocation, Topic,
};

/// How long a check waits for what must happen; a broker's rebalance takes seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);
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
    /// False where the backend cannot do it in a test's time.
    async fn expire(&mut self, topic: &Arc<dyn Topic>) -> bool;

    /// The `topic.queue` that the topic was opened with, in bytes; a few hundred KiB.
    fn queue(&self) -> usize;

    /// The `topic.max_record` that the topic was opened with, in bytes; below the queue.
    fn max_record(&self) -> usize;
}

/// One check.
pub type Check = for<'a> fn(&'a mut dyn Fixture) -> BoxFuture<'a, ()>;

/// Every check by name.
#[must_use]
pub fn checks() -> Vec<(&'static str, Check)> {
    macro_rules! list {
        ($($theme:ident::$check:ident),* $(,)?) => {
            vec![$((stringify!($check), (|fixture| Box::pin($theme::$check(fixture))) as Check)),*]
        };
    }
    list![
        appending::what_is_placed_is_read_back,
        appending::a_key_keeps_its_order_and_its_partition,
        appending::keyless_drafts_are_taken_and_spread,
        appending::many_appenders_at_once_share_no_offset,
        appending::append_times_lie_within_the_clock,
        appending::an_empty_append_is_settled,
        appending::a_record_over_the_limit_is_too_large,
        appending::a_full_queue_says_so_quickly_and_recovers,
        appending::a_flush_waits_for_what_was_taken,
        reading::a_fetch_goes_to_the_end_and_not_beyond,
        reading::a_time_finds_the_first_offset_at_or_after_it,
        reading::an_assigned_partition_is_silent_until_it_is_sought,
        reading::after_a_seek_no_record_of_the_old_position_comes,
        reading::a_paused_partition_is_silent_and_keeps_its_position,
        reading::a_reader_meets_records_that_come_later,
        reading::a_dropped_call_loses_nothing,
        reading::a_position_beyond_the_end_is_out_of_range,
        grouping::two_members_share_the_partitions,
        grouping::a_member_that_dies_frees_its_partitions,
        grouping::a_revoke_waits_for_its_acknowledgement,
        grouping::two_groups_do_not_disturb_each_other,
        resting::a_restart_keeps_everything,
        resting::retention_moves_low_and_below_it_is_out_of_range,
    ]
}

/// Runs every check, each with a fixture of its own that `make` gives, one after the
/// other, and names those that failed; a panic's own text goes to standard error.
pub async fn run<F: Fixture + 'static>(make: impl Fn() -> F) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, check) in checks() {
        let mut fixture = make();
        let checked = tokio::spawn(async move { check(&mut fixture).await }).await;
        if checked.is_err() {
            failed.push(name);
        }
    }
    failed
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
async fn settled(delivery: Delivery) -> Vec<Placed> {
    let settled = tokio::time::timeout(PATIENCE, delivery).await;
    settled
        .expect("an append is settled in time")
        .expect("an append is acknowledged")
}

/// Everything that a partition holds.
async fn contents(topic: &Arc<dyn Topic>, partition: Partition) -> Vec<Record> {
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
async fn everything(topic: &Arc<dyn Topic>) -> BTreeMap<(Partition, Offset), Record> {
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
fn join(topic: &Arc<dyn Topic>) -> Box<dyn Reader> {
    let group = format!("conformance-{}", topic.identity()).replace('/', "-");
    topic.reader(&group).expect("a reader joins")
}

/// The next event; a passing error is no event.
async fn event(reader: &mut Box<dyn Reader>) -> Event {
    let next = async {
        loop {
            match reader.next().await {
                Ok(event) => return event,
                Err(ReadError::Unavailable(_)) => {}
                Err(error) => panic!("reading failed: {error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("an event comes in time")
}

/// The partitions of the next event, which is an assignment.
async fn assigned(reader: &mut Box<dyn Reader>) -> Vec<Partition> {
    match event(reader).await {
        Event::Assigned { partitions } => partitions,
        other => panic!("expected an assignment, not {other:?}"),
    }
}

/// Reads on until `count` partitions are assigned.
async fn assigned_all(reader: &mut Box<dyn Reader>, count: usize) -> Vec<Partition> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(assigned(reader).await);
    }
    all
}

/// The next event, which is a revoke.
async fn revoked(reader: &mut Box<dyn Reader>) -> (Vec<Partition>, Revocation) {
    match event(reader).await {
        Event::Revoked { partitions, ack } => (partitions, ack),
        other => panic!("expected a revoke, not {other:?}"),
    }
}

/// The next records of an assigned and sought reader.
async fn records(reader: &mut Box<dyn Reader>) -> (Partition, Vec<Record>) {
    match event(reader).await {
        Event::Records { partition, records } => {
            assert!(!records.is_empty(), "an event of records is never empty");
            (partition, records)
        }
        other => panic!("expected records, not {other:?}"),
    }
}

/// Reads on until `count` records came.
async fn read(reader: &mut Box<dyn Reader>, count: usize) -> Vec<(Partition, Record)> {
    let mut all = Vec::new();
    while all.len() < count {
        let (partition, records) = records(reader).await;
        all.extend(records.into_iter().map(|record| (partition, record)));
    }
    all
}

/// Asserts that nothing comes for a while.
async fn silent(reader: &mut Box<dyn Reader>) {
    if let Ok(next) = tokio::time::timeout(SILENCE, reader.next()).await {
        panic!("expected silence, not {next:?}");
    }
}

/// A record's value as text.
fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}
