//! What a member of the group does when partitions come and go: the callback that
//! librdkafka calls inside a poll.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::oneshot;

use super::error::unavailable;
use super::handover::Handover;
use super::settings;
use crate::{Offset, Partition, ReadError};

/// How long a revoke waits for the loop: longer than the sink's own hand-over time
/// (3 s), far below `max.poll.interval.ms` (5 min).
const REVOKE_TIMEOUT: Duration = Duration::from_secs(5);

/// An assigned partition, as the polling thread sees it.
pub(super) struct Seat {
    /// What its records are stamped with.
    pub(super) epoch: u64,
    /// True from a seek that succeeded until the partition is stopped: only then do
    /// records pass.
    pub(super) running: bool,
    /// Paused by the loop.
    pub(super) paused: bool,
    /// The offset after the last record that was handed over.
    pub(super) next: Offset,
}

/// The context of a group member.
pub(super) struct GroupMember {
    pub(super) handover: Arc<Handover>,
    /// Used by the polling thread alone; the lock is for the compiler.
    pub(super) seats: Mutex<BTreeMap<Partition, Seat>>,
    /// The last error's own sentence, which the error itself does not carry.
    pub(super) reason: Mutex<String>,
}

impl GroupMember {
    pub(super) fn new(handover: Arc<Handover>) -> Self {
        Self {
            handover,
            seats: Mutex::default(),
            reason: Mutex::default(),
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, came: &TopicPartitionList) {
        // At an offset, since an assignment without one never starts to fetch under
        // `auto.offset.reset=error`, and a seek would then fail. At a number and not
        // at "the beginning": that is a question to the broker, which the pause makes
        // outdated, and which librdkafka then asks again half a second later and obeys,
        // whatever was sought meanwhile. Paused, before and after, so that nothing is
        // read before the loop has said where.
        let mut at_zero = TopicPartitionList::new();
        for element in came.elements() {
            at_zero
                .add_partition_offset(element.topic(), element.partition(), KafkaOffset::Offset(0))
                .expect("zero is an offset that librdkafka knows");
        }
        if came.count() > 0 {
            // A partition that this client has never seen cannot be paused yet.
            let _ = consumer.pause(&at_zero);
        }
        let assigned = consumer.incremental_assign(&at_zero).and_then(|()| {
            if came.count() == 0 {
                Ok(())
            } else {
                consumer.pause(&at_zero)
            }
        });
        if let Err(error) = assigned {
            self.handover.fail(unavailable(&error));
            return;
        }
        let partitions = partitions(came);
        let epochs = self.handover.assign(&partitions);
        let mut seats = self.seats.lock();
        for (partition, epoch) in partitions.into_iter().zip(epochs) {
            let seat = Seat {
                epoch,
                running: false,
                paused: false,
                next: Offset(0),
            };
            seats.insert(partition, seat);
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, going: &TopicPartitionList) {
        let partitions = partitions(going);
        if !partitions.is_empty() {
            let mut seats = self.seats.lock();
            for partition in &partitions {
                seats.remove(partition);
            }
            drop(seats);
            let told = self.handover.revoke(&partitions);
            if !wait(told, REVOKE_TIMEOUT) {
                tracing::warn!(
                    ?partitions,
                    "the loop did not let go of revoked partitions in time; they go all the same"
                );
            }
        }
        if let Err(error) = consumer.incremental_unassign(going) {
            self.handover.fail(unavailable(&error));
        }
    }
}

impl ClientContext for GroupMember {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        settings::log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka reader");
        reason.clone_into(&mut self.reason.lock());
    }
}

impl ConsumerContext for GroupMember {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: Code, list: &mut TopicPartitionList) {
        match code {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            Code::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, list),
            _ => self.handover.fail(ReadError::Unavailable(
                "the group's rebalance failed; it is tried again".into(),
            )),
        }
    }
}

/// The list's partitions, of one topic, the only one that is subscribed.
fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements()
        .iter()
        .filter_map(|e| u32::try_from(e.partition()).ok())
        .map(Partition)
        .collect()
}

/// Blocks the calling thread until the loop has acknowledged (or dropped) the
/// revocation, or `timeout` is over. Returns false in the latter case.
fn wait(told: oneshot::Receiver<()>, timeout: Duration) -> bool {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut told = pin!(told);
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        if told
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            return true;
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::park_timeout(left);
    }
}
