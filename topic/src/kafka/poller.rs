//! The thread that polls Kafka for one reader: it carries out the loop's orders and
//! hands records over, and it never stops polling, so the group never misses it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use tokio::time::Instant;

use super::error::{Meaning, unavailable};
use super::fetch::Fetchers;
use super::handover::{Chunk, Handover, Order};
use super::member::{GroupMember, Seat};
use super::settings::KafkaSettings;
use super::wire::{kafka_offset, list, record};
use crate::{Offset, Partition, ReadError, Record};

/// How many records, and bytes, are taken before they are handed over.
const ROUND_RECORDS: usize = 1_000;
const ROUND_BYTES: usize = 1024 * 1024;

/// How long a full hand-over stops polling. After that the partitions are paused and polling
/// goes on; not before, since a pause throws away what librdkafka has fetched ahead.
/// Rebalances wait at most this long.
const HANDOVER_WAIT: Duration = Duration::from_secs(1);

/// How long the thread sleeps at most if nothing wakes it.
const IDLE_PARK: Duration = Duration::from_millis(20);

/// How long a seek may find the partition's fetch not started before the partition is
/// assigned anew at the position (after `auto.offset.reset=error` it never restarts by
/// itself), and how long before the loop gets an error.
const SEEK_RESTART_AFTER: Duration = Duration::from_millis(300);
const SEEK_TIMEOUT: Duration = Duration::from_secs(15);

/// A seek that is not carried out yet.
struct Seek {
    offset: Offset,
    epoch: u64,
    since: Instant,
    reassigned: bool,
}

/// The polling thread's own things.
pub(super) struct Poller {
    consumer: BaseConsumer<GroupMember>,
    settings: KafkaSettings,
    group: String,
    fetchers: Arc<Fetchers>,
    handover: Arc<Handover>,
    seeks: BTreeMap<Partition, Seek>,
    /// All running partitions are paused because the hand-over is full.
    throttled: bool,
}

impl Poller {
    pub(super) fn new(
        consumer: BaseConsumer<GroupMember>,
        (settings, group): (KafkaSettings, String),
        fetchers: Arc<Fetchers>,
        handover: Arc<Handover>,
    ) -> Self {
        let seeks = BTreeMap::new();
        Self {
            consumer,
            settings,
            group,
            fetchers,
            handover,
            seeks,
            throttled: false,
        }
    }

    /// Polls until the reader is dropped, or until Kafka says that this member can
    /// never go on.
    pub(super) fn run(mut self) {
        self.handover.enter();
        while !self.handover.dropped() {
            self.apply_orders();
            self.carry_out_seeks();
            self.backpressure();
            match self.round() {
                Ok(true) => std::thread::park_timeout(IDLE_PARK),
                Ok(false) => {}
                Err(fatal) => {
                    self.handover.fail(fatal);
                    break;
                }
            }
        }
        self.apply_orders();
        self.handover.end();
        // Dropping the consumer leaves the group; its last revoke calls back.
    }

    fn apply_orders(&mut self) {
        let (orders, reports) = self.handover.orders();
        for order in orders {
            match order {
                Order::Seek {
                    partition,
                    offset,
                    epoch,
                } => {
                    let since = Instant::now();
                    self.seeks.insert(
                        partition,
                        Seek {
                            offset,
                            epoch,
                            since,
                            reassigned: false,
                        },
                    );
                    self.change(partition, |seat| {
                        seat.running = false;
                        seat.paused = false;
                    });
                }
                Order::Pause(partition) => {
                    self.change(partition, |seat| seat.paused = true);
                    self.pause([partition]);
                }
                Order::Resume(partition) => {
                    self.change(partition, |seat| seat.paused = false);
                    self.resume([partition]);
                }
            }
        }
        if !reports.is_empty() {
            let ends = reports.into_iter().map(|(p, end)| (p, kafka_offset(end)));
            // For lag figures of other tools only; a failure is no error.
            if let Err(error) = self.consumer.commit(&self.list(ends), CommitMode::Async) {
                tracing::debug!(%error, "the group's offsets were not stored");
            }
        }
    }

    fn carry_out_seeks(&mut self) {
        let seats = self.consumer.context().seats.lock();
        // A partition that has gone takes its seek along.
        self.seeks
            .retain(|partition, _| seats.contains_key(partition));
        drop(seats);
        if self.seeks.is_empty() {
            return;
        }
        let wanted = self
            .seeks
            .iter()
            .map(|(p, seek)| (*p, kafka_offset(seek.offset)));
        let answer = match self
            .consumer
            .seek_partitions(self.list(wanted), HANDOVER_WAIT)
        {
            Ok(answer) => answer,
            Err(error) => return tracing::debug!(%error, "a seek is tried again"),
        };
        for element in answer.elements() {
            let Ok(partition) = u32::try_from(element.partition()).map(Partition) else {
                continue;
            };
            match element.error() {
                Ok(()) => self.sought(partition),
                Err(error) => self.seek_again(partition, &error),
            }
        }
    }

    fn sought(&mut self, partition: Partition) {
        let Some(seek) = self.seeks.remove(&partition) else {
            return;
        };
        self.change(partition, |seat| {
            seat.epoch = seek.epoch;
            seat.next = seek.offset;
            seat.running = true;
        });
        self.resume([partition]);
    }

    /// A seek failed: mostly the fetch has not started yet, and the next try succeeds.
    fn seek_again(&mut self, partition: Partition, error: &KafkaError) {
        let Some(seek) = self.seeks.get_mut(&partition) else {
            return;
        };
        let waited = seek.since.elapsed();
        if waited > SEEK_TIMEOUT {
            self.seeks.remove(&partition);
            self.handover.fail(ReadError::Unavailable(format!(
                "partition {partition} could not be positioned ({error}); seek again"
            )));
        } else if waited > SEEK_RESTART_AFTER && !seek.reassigned {
            seek.reassigned = true;
            let topic = &self.settings.address.topic;
            let at = list(topic, [(partition, kafka_offset(seek.offset))]);
            let again = self
                .consumer
                .incremental_unassign(&at)
                .and_then(|()| self.consumer.incremental_assign(&at));
            if let Err(error) = again {
                tracing::debug!(%error, "a partition was not assigned anew");
            }
        }
    }

    /// Waits a little for room in the hand-over, then pauses; resumes when there is room.
    fn backpressure(&mut self) {
        if !self.throttled {
            let deadline = Instant::now() + HANDOVER_WAIT;
            while self.handover.full() && !self.handover.dropped() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    self.throttled = true;
                    self.pause(self.running());
                    return;
                }
                std::thread::park_timeout(left);
            }
        } else if !self.handover.full() {
            self.throttled = false;
            self.resume(self.running());
        }
    }

    /// Takes what Kafka has, up to a round. Returns true if it has nothing left.
    fn round(&mut self) -> Result<bool, ReadError> {
        let mut taken: BTreeMap<(Partition, u64), (Vec<Record>, usize)> = BTreeMap::new();
        let (mut records, mut bytes, mut silent) = (0, 0, 0);
        let mut trouble = None;
        while records < ROUND_RECORDS && bytes < ROUND_BYTES && silent < 3 && trouble.is_none() {
            match self.consumer.poll(Duration::ZERO) {
                // A rebalance or a line of log also reads as nothing, once.
                None => silent += 1,
                Some(Ok(message)) => match self.take(&message) {
                    Ok(None) => {}
                    Ok(Some((partition, epoch, record))) => {
                        let size = record.size();
                        let chunk = taken.entry((partition, epoch)).or_default();
                        chunk.0.push(record);
                        chunk.1 += size;
                        records += 1;
                        bytes += size;
                    }
                    Err(error) => self.handover.fail(error),
                },
                Some(Err(error)) => trouble = Some(error),
            }
        }
        for ((partition, epoch), (records, bytes)) in taken {
            self.handover.push(Chunk {
                partition,
                epoch,
                records,
                bytes,
            });
        }
        match trouble {
            None => Ok(silent > 0),
            Some(error) => self.on_error(&error).map(|()| false),
        }
    }

    /// A message as a record, where its partition runs.
    fn take(
        &self,
        message: &BorrowedMessage<'_>,
    ) -> Result<Option<(Partition, u64, Record)>, ReadError> {
        let Ok(partition) = u32::try_from(message.partition()).map(Partition) else {
            return Ok(None);
        };
        let mut seats = self.consumer.context().seats.lock();
        let Some(seat) = seats.get_mut(&partition).filter(|seat| seat.running) else {
            return Ok(None);
        };
        match record(&self.settings, partition, message) {
            Ok(record) if record.offset < seat.next => Ok(None),
            Ok(record) => {
                seat.next = record.offset.next();
                Ok(Some((partition, seat.epoch, record)))
            }
            Err(unfit) => {
                seat.running = false;
                drop(seats);
                self.pause([partition]);
                Err(unfit)
            }
        }
    }

    /// Tells the loop what an error of Kafka means; an `Err` ends the reader.
    fn on_error(&mut self, error: &KafkaError) -> Result<(), ReadError> {
        let code = match error {
            KafkaError::MessageConsumption(code) => *code,
            KafkaError::MessageConsumptionFatal(_) => return Err(unavailable(error)),
            _ => {
                self.handover.fail(unavailable(error));
                return Ok(());
            }
        };
        match Meaning::of(code) {
            // A partition that was assigned at zero, which retention has passed, may
            // say so before it is paused; nothing is sought there.
            Meaning::OutOfRange if !self.any_running() => {}
            Meaning::OutOfRange => {
                self.handover
                    .fail(ReadError::OutOfRange { partition: None });
            }
            Meaning::Damaged => self.stop_damaged(),
            Meaning::Reconnecting => {}
            Meaning::Refused(refusal) => return Err(refusal.error(&self.settings, &self.group)),
            Meaning::NoTopic | Meaning::Passing => self.handover.fail(unavailable(error)),
        }
        Ok(())
    }

    /// librdkafka reports a damaged batch without its partition, and would go on behind
    /// it. So every running partition is tried by itself from its position: those
    /// that are damaged stop, the others start again there, and nothing is skipped.
    fn stop_damaged(&mut self) {
        let detail = self.consumer.context().reason.lock().clone();
        let standing: Vec<(Partition, Offset, u64)> = {
            let mut seats = self.consumer.context().seats.lock();
            let running = seats.iter_mut().filter(|(_, seat)| seat.running);
            let standing = running.map(|(partition, seat)| {
                seat.running = false;
                (*partition, seat.next, seat.epoch)
            });
            standing.collect()
        };
        self.pause(standing.iter().map(|(partition, ..)| *partition));
        for (partition, offset, epoch) in standing {
            match self.fetchers.fetch(partition, offset, 1) {
                Err(ReadError::Corrupt { .. }) => {
                    let detail = detail.clone();
                    self.handover.fail(ReadError::Corrupt {
                        partition,
                        offset,
                        detail,
                    });
                }
                // It is sound, or the brokers do not answer: reading on finds the damage again.
                Ok(_) | Err(_) => {
                    let since = Instant::now();
                    let seek = Seek {
                        offset,
                        epoch,
                        since,
                        reassigned: false,
                    };
                    self.seeks.entry(partition).or_insert(seek);
                }
            }
        }
    }

    fn change(&self, partition: Partition, change: impl FnOnce(&mut Seat)) {
        if let Some(seat) = self.consumer.context().seats.lock().get_mut(&partition) {
            change(seat);
        }
    }

    fn any_running(&self) -> bool {
        self.consumer
            .context()
            .seats
            .lock()
            .values()
            .any(|seat| seat.running)
    }

    fn running(&self) -> Vec<Partition> {
        let seats = self.consumer.context().seats.lock();
        seats
            .iter()
            .filter(|(_, seat)| seat.running && !seat.paused)
            .map(|(p, _)| *p)
            .collect()
    }

    fn pause(&self, partitions: impl IntoIterator<Item = Partition>) {
        let list = self.list(partitions.into_iter().map(|p| (p, KafkaOffset::Invalid)));
        if list.count() > 0
            && let Err(error) = self.consumer.pause(&list)
        {
            tracing::debug!(%error, "partitions were not paused");
        }
    }

    /// Starts those of `partitions` that run and that the loop has not paused.
    fn resume(&self, partitions: impl IntoIterator<Item = Partition>) {
        if self.throttled {
            return;
        }
        let running = self.running();
        let wanted = partitions
            .into_iter()
            .filter(|partition| running.contains(partition));
        let list = self.list(wanted.map(|p| (p, KafkaOffset::Invalid)));
        if list.count() > 0
            && let Err(error) = self.consumer.resume(&list)
        {
            tracing::debug!(%error, "partitions were not resumed");
        }
    }

    fn list(
        &self,
        partitions: impl IntoIterator<Item = (Partition, KafkaOffset)>,
    ) -> TopicPartitionList {
        list(&self.settings.address.topic, partitions)
    }
}
