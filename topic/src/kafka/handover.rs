//! The hand-over between the thread that polls Kafka and the loop that reads. It is
//! bounded in bytes, and drops stale records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::thread::Thread;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::oneshot;

use crate::log::Revocation;
use crate::{Event, Offset, Partition, ReadError, Record};

/// How many bytes of records may wait here; the polling thread then stops taking more.
const BUDGET_BYTES: usize = 8 * 1024 * 1024;

/// What the loop wants of the polling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Seek {
        partition: Partition,
        offset: Offset,
        epoch: u64,
    },
    Pause(Partition),
    Resume(Partition),
}

/// Records of one partition, read under one epoch: the count of this partition's
/// assigns, seeks and revokes. A chunk of an older epoch is stale.
pub(super) struct Chunk {
    pub(super) partition: Partition,
    pub(super) epoch: u64,
    pub(super) records: Vec<Record>,
    pub(super) bytes: usize,
}

#[derive(Default)]
struct HandoverState {
    /// Assigns, revokes and errors, which go before any record.
    control: VecDeque<Result<Event, ReadError>>,
    chunks: VecDeque<Chunk>,
    /// Chunks of partitions that the loop has paused; outside the budget, and bounded
    /// by it all the same, since a paused partition soon brings no more.
    held: BTreeMap<Partition, VecDeque<Chunk>>,
    bytes: usize,
    epochs: BTreeMap<Partition, u64>,
    orders: Vec<Order>,
    reports: BTreeMap<Partition, Offset>,
    /// The loop has gone.
    dropped: bool,
    /// The polling thread has gone.
    ended: bool,
}

impl HandoverState {
    fn next_epoch(&mut self, partition: Partition) -> u64 {
        let mut freed = 0;
        self.chunks.retain(|chunk| {
            let stale = chunk.partition == partition;
            freed += if stale { chunk.bytes } else { 0 };
            !stale
        });
        self.bytes -= freed;
        self.held.remove(&partition);
        let epoch = self.epochs.entry(partition).or_default();
        *epoch += 1;
        *epoch
    }
}

/// Shared by one reader and its polling thread.
#[derive(Default)]
pub(super) struct Handover {
    state: Mutex<HandoverState>,
    /// Wakes the loop.
    arrived: Notify,
    /// Woken when the loop made room or gave an order.
    poller: OnceLock<Thread>,
}

/// The polling thread's side.
impl Handover {
    /// Names the thread that [`Handover::wake`] wakes: the calling one.
    pub(super) fn enter(&self) {
        // A second call would come from the same thread.
        let _ = self.poller.set(std::thread::current());
    }

    /// Announces new partitions and gives the epoch of each.
    pub(super) fn assign(&self, partitions: &[Partition]) -> Vec<u64> {
        let mut state = self.state.lock();
        let epochs = partitions
            .iter()
            .map(|partition| state.next_epoch(*partition))
            .collect();
        if !partitions.is_empty() {
            state.control.push_back(Ok(Event::Assigned {
                partitions: partitions.to_vec(),
            }));
        }
        drop(state);
        self.arrived.notify_one();
        epochs
    }

    /// Announces that partitions go, and drops what of them still waits here. The
    /// receiver resolves when the loop has let go.
    pub(super) fn revoke(&self, partitions: &[Partition]) -> oneshot::Receiver<()> {
        let (ack, told) = Revocation::channel();
        let mut state = self.state.lock();
        for partition in partitions {
            state.next_epoch(*partition);
        }
        if !state.dropped {
            state.control.push_back(Ok(Event::Revoked {
                partitions: partitions.to_vec(),
                ack,
            }));
        }
        drop(state);
        self.arrived.notify_one();
        told
    }

    /// Hands an error over. An error without a partition that already waits is
    /// not handed over twice, so a loop that does not read is not buried.
    pub(super) fn fail(&self, error: ReadError) {
        let mut state = self.state.lock();
        let told = |waiting: &Result<Event, ReadError>| {
            waiting
                .as_ref()
                .err()
                .is_some_and(|waiting| waiting.to_string() == error.to_string())
        };
        if !state.control.iter().any(told) {
            state.control.push_back(Err(error));
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Hands records over, or drops them if they are stale.
    pub(super) fn push(&self, chunk: Chunk) {
        let mut state = self.state.lock();
        if state.dropped || state.epochs.get(&chunk.partition) != Some(&chunk.epoch) {
            return;
        }
        if let Some(held) = state.held.get_mut(&chunk.partition) {
            held.push_back(chunk);
            return;
        }
        state.bytes += chunk.bytes;
        state.chunks.push_back(chunk);
        drop(state);
        self.arrived.notify_one();
    }

    /// Returns true if no more records should be taken for now.
    pub(super) fn full(&self) -> bool {
        self.state.lock().bytes >= BUDGET_BYTES
    }

    /// What the loop wants, in its order, and how far the lake is.
    pub(super) fn orders(&self) -> (Vec<Order>, BTreeMap<Partition, Offset>) {
        let mut state = self.state.lock();
        (
            std::mem::take(&mut state.orders),
            std::mem::take(&mut state.reports),
        )
    }

    /// Returns true if the loop has dropped its reader.
    pub(super) fn dropped(&self) -> bool {
        self.state.lock().dropped
    }

    /// Tells the loop that nothing will come any more.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.arrived.notify_one();
    }

    /// Wakes the polling thread; also called when Kafka's own queue has something.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.poller.get() {
            thread.unpark();
        }
    }
}

/// The loop's side.
impl Handover {
    /// The next event; cancel-safe, since nothing is taken before the return.
    pub(super) async fn next(&self) -> Result<Event, ReadError> {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<Result<Event, ReadError>> {
        let mut state = self.state.lock();
        if let Some(event) = state.control.pop_front() {
            return Some(event);
        }
        if let Some(chunk) = state.chunks.pop_front() {
            let was_full = state.bytes >= BUDGET_BYTES;
            state.bytes -= chunk.bytes;
            let made_room = was_full && state.bytes < BUDGET_BYTES;
            drop(state);
            if made_room {
                self.wake();
            }
            return Some(Ok(Event::Records {
                partition: chunk.partition,
                records: chunk.records,
            }));
        }
        state.ended.then_some(Err(ReadError::Closed))
    }

    pub(super) fn seek(&self, partition: Partition, offset: Offset) -> Result<(), ReadError> {
        self.order(|state| {
            let epoch = state.next_epoch(partition);
            Order::Seek {
                partition,
                offset,
                epoch,
            }
        })
    }

    pub(super) fn pause(&self, partition: Partition) -> Result<(), ReadError> {
        self.order(|state| {
            let all = std::mem::take(&mut state.chunks);
            let (held, rest): (VecDeque<_>, VecDeque<_>) = all
                .into_iter()
                .partition(|chunk| chunk.partition == partition);
            state.chunks = rest;
            state.bytes -= held.iter().map(|chunk| chunk.bytes).sum::<usize>();
            state.held.entry(partition).or_default().extend(held);
            Order::Pause(partition)
        })
    }

    pub(super) fn resume(&self, partition: Partition) -> Result<(), ReadError> {
        self.order(|state| {
            for chunk in state.held.remove(&partition).into_iter().flatten().rev() {
                state.bytes += chunk.bytes;
                state.chunks.push_front(chunk);
            }
            Order::Resume(partition)
        })?;
        self.arrived.notify_one();
        Ok(())
    }

    fn order(&self, make: impl FnOnce(&mut HandoverState) -> Order) -> Result<(), ReadError> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(ReadError::Closed);
        }
        let order = make(&mut state);
        state.orders.push(order);
        drop(state);
        self.wake();
        Ok(())
    }

    pub(super) fn report(&self, partition: Partition, end: Offset) {
        self.state.lock().reports.insert(partition, end);
    }

    /// The loop goes: what waits is dropped, a pending revoke is thereby acknowledged.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.dropped = true;
        state.bytes = 0;
        let control = std::mem::take(&mut state.control);
        state.chunks.clear();
        state.held.clear();
        drop(state);
        drop(control);
        self.wake();
    }
}
