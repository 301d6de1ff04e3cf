//! The writer: a queue bounded in bytes, and the task that commits what gathered in
//! it with one fsync.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::error::sentence;
use super::handle::StoreHandle;
use crate::{AppendError, Backoff, Delivery, Draft, Partition, Placed, ReadError, Writer};

/// How many bytes of drafts one commit takes at most: a commit of that size still ends
/// within a fraction of a second.
const COMMIT_BYTES: usize = 8 << 20;
/// How often retention looks.
const RETENTION_EVERY: Duration = Duration::from_secs(15);
/// How often it looks while a partition is at its bound and the lake lacks its oldest records.
const OVERFULL_EVERY: Duration = Duration::from_millis(500);
/// The first and the longest wait before a failed store is opened again.
const REOPEN_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Settle = oneshot::Sender<Result<Vec<Placed>, AppendError>>;

/// One append that waits.
struct Pending {
    drafts: Vec<Draft>,
    bytes: usize,
    since: Instant,
    settle: Settle,
}

/// The queue between the appenders and the task.
pub(super) struct Queue {
    state: Mutex<QueueState>,
    /// Wakes the task: something waits, or a whole commit does.
    arrived: Notify,
    /// How many bytes are taken and not settled; zero means flushed.
    unsettled: watch::Sender<usize>,
    capacity: usize,
    max_record: usize,
    linger: Duration,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Pending>,
    waiting_bytes: usize,
    /// Why nothing can be written now.
    down: Option<String>,
    closed: bool,
}

/// The topic's writer. The task ends when the last one is dropped and the queue is empty.
pub(super) struct Appender(Arc<Queue>);

impl Appender {
    /// Starts the task.
    pub(super) fn start(shared: Arc<StoreHandle>, limits: (usize, usize, Duration)) -> Self {
        let (capacity, max_record, linger) = limits;
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            arrived: Notify::new(),
            unsettled: watch::Sender::new(0),
            capacity,
            max_record,
            linger,
        });
        tokio::spawn(run(Arc::clone(&queue), shared));
        Self(queue)
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.arrived.notify_one();
    }
}

impl Writer for Appender {
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        let queue = &self.0;
        let limit = queue.max_record;
        if let Some(size) = drafts.iter().map(Draft::size).find(|&size| size > limit) {
            return Err(AppendError::TooLarge { size, limit });
        }
        let (settle, delivery) = Delivery::channel();
        if drafts.is_empty() {
            // If the receiver was dropped, nothing waits for the answer.
            let _ = settle.send(Ok(Vec::new()));
            return Ok(delivery);
        }
        let bytes = drafts.iter().map(weight).sum();
        let mut state = queue.state.lock();
        if let Some(reason) = &state.down {
            return Err(AppendError::Closed(reason.clone()));
        }
        let unsettled = *queue.unsettled.borrow();
        // A request larger than the whole queue is taken when it is the only one.
        if unsettled > 0 && unsettled + bytes > queue.capacity {
            return Err(AppendError::Full);
        }
        let first = state.waiting.is_empty();
        state.waiting.push_back(Pending {
            drafts,
            bytes,
            since: Instant::now(),
            settle,
        });
        let before = state.waiting_bytes;
        state.waiting_bytes += bytes;
        let fills = before < COMMIT_BYTES && state.waiting_bytes >= COMMIT_BYTES;
        queue.unsettled.send_modify(|unsettled| *unsettled += bytes);
        drop(state);
        // A wake for each append would cost more than the append.
        if first || fills {
            queue.arrived.notify_one();
        }
        Ok(delivery)
    }

    fn flush(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let mut unsettled = self.0.unsettled.subscribe();
        Box::pin(async move {
            let empty = unsettled.wait_for(|&bytes| bytes == 0);
            tokio::time::timeout(deadline, empty).await.is_ok()
        })
    }

    fn ready(&self) -> Result<(), AppendError> {
        let state = self.0.state.lock();
        match &state.down {
            Some(reason) => Err(AppendError::Closed(reason.clone())),
            None if *self.0.unsettled.borrow() >= self.0.capacity => Err(AppendError::Full),
            None => Ok(()),
        }
    }
}

/// What a draft weighs in the queue, with its own fields.
fn weight(draft: &Draft) -> usize {
    draft.size() + size_of::<Draft>()
}

impl Queue {
    /// The next group of appends, in order; empty when nothing waits.
    fn take(&self) -> Vec<Pending> {
        let mut state = self.state.lock();
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = state.waiting.front() {
            if !group.is_empty() && bytes + next.bytes > COMMIT_BYTES {
                break;
            }
            bytes += next.bytes;
            group.extend(state.waiting.pop_front());
        }
        state.waiting_bytes -= bytes;
        group
    }

    fn settle(&self, group: Vec<Settlement>) {
        let mut bytes = 0;
        for settlement in group {
            bytes += settlement.bytes;
            // The request may be gone: its client will try again and meet its twin.
            let _ = settlement.settle.send(settlement.answer);
        }
        self.unsettled.send_modify(|unsettled| *unsettled -= bytes);
    }

    /// Answers everything that waits with `reason`, and everything that comes until
    /// [`Queue::up`]. Returns true if appends were taken until now.
    fn down(&self, reason: &str) -> bool {
        let (waiting, was) = {
            let mut state = self.state.lock();
            let was = state.down.replace(reason.into());
            state.waiting_bytes = 0;
            (std::mem::take(&mut state.waiting), was)
        };
        self.settle(
            waiting
                .into_iter()
                .map(|pending| pending.refuse(reason))
                .collect(),
        );
        was.is_none()
    }

    /// Takes appends. Returns true if they were refused until now.
    fn up(&self) -> bool {
        self.state.lock().down.take().is_some()
    }

    fn idle(&self) -> (bool, bool) {
        let state = self.state.lock();
        (state.waiting.is_empty(), state.closed)
    }
}

/// An answer to one append.
struct Settlement {
    bytes: usize,
    settle: Settle,
    answer: Result<Vec<Placed>, AppendError>,
}

impl Pending {
    fn refuse(self, reason: &str) -> Settlement {
        Settlement {
            bytes: self.bytes,
            settle: self.settle,
            answer: Err(AppendError::Closed(reason.into())),
        }
    }
}

/// Commits until the last writer is dropped and nothing waits.
async fn run(queue: Arc<Queue>, shared: Arc<StoreHandle>) {
    let mut look = Instant::now();
    loop {
        let over = || shared.with(|store| Ok(store.overfull().is_some()));
        if Instant::now() >= look || over().unwrap_or(false) {
            look = Instant::now() + retain(&queue, &shared).await;
        }
        let (empty, closed) = queue.idle();
        if empty && closed {
            return;
        }
        if empty {
            tokio::select! {
                () = queue.arrived.notified() => {}
                () = tokio::time::sleep_until(look) => {}
            }
            continue;
        }
        linger(&queue, closed).await;
        let group = queue.take();
        if let Err(reason) = commit(&queue, &shared, group).await {
            tracing::error!(reason, "the topic was closed and will be opened again");
            queue.down(&reason);
            if !reopen(&queue, &shared).await {
                return;
            }
            queue.up();
        }
    }
}

/// Drops what is not kept. While a partition is at its bound all the same, appends are refused.
/// Returns when to look again.
async fn retain(queue: &Queue, shared: &Arc<StoreHandle>) -> Duration {
    match shared.retain().await {
        Ok(Some(reason)) => {
            if queue.down(&reason) {
                tracing::error!("the topic is full: {reason}");
            }
            OVERFULL_EVERY
        }
        Ok(None) => {
            if queue.up() {
                tracing::info!("the topic has room again");
            }
            RETENTION_EVERY
        }
        Err(reason) => {
            tracing::error!(reason, "retention could not drop old segments");
            RETENTION_EVERY
        }
    }
}

/// Waits for more appends until the first has waited for the linger, or a commit is full. Those
/// that came during the last commit have waited already.
async fn linger(queue: &Queue, closed: bool) {
    let first = queue.state.lock().waiting.front().map(|first| first.since);
    let Some(first) = first.filter(|_| !closed) else {
        return;
    };
    let deadline = first + queue.linger;
    while queue.state.lock().waiting_bytes < COMMIT_BYTES {
        if tokio::time::timeout_at(deadline, queue.arrived.notified())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Commits one group and settles it.
async fn commit(
    queue: &Queue,
    shared: &Arc<StoreHandle>,
    group: Vec<Pending>,
) -> Result<(), String> {
    let (settlements, result) = {
        let shared = Arc::clone(shared);
        let committed = tokio::task::spawn_blocking(move || append(&shared, group)).await;
        committed.map_err(|_| String::from("the topic's writer stopped in a commit"))?
    };
    queue.settle(settlements);
    result
}

/// Places the drafts, appends them and makes the answers. Blocks until the fsync.
fn append(shared: &StoreHandle, group: Vec<Pending>) -> (Vec<Settlement>, Result<(), String>) {
    let mut drafts: BTreeMap<Partition, Vec<Draft>> = BTreeMap::new();
    let mut placed: Vec<(usize, Settle, Vec<Placed>)> = Vec::with_capacity(group.len());
    let outcome = shared.with(|store| {
        let mut next = BTreeMap::new();
        for pending in group {
            let mut places = Vec::with_capacity(pending.drafts.len());
            for draft in pending.drafts {
                let partition = shared.placement.partition(&draft.key, store.count());
                let high = match next.entry(partition) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(store.watermarks(partition)?.high)
                    }
                };
                places.push(Placed {
                    partition,
                    offset: *high,
                });
                *high = high.next();
                drafts.entry(partition).or_default().push(draft);
            }
            placed.push((pending.bytes, pending.settle, places));
        }
        store
            .append(&drafts, shared.clock.now())
            .map_err(|error| ReadError::Unavailable(sentence(&error)))
    });
    match outcome {
        Ok(()) => {
            shared.appended.send_modify(|commits| *commits += 1);
            let answer = |(bytes, settle, places)| Settlement {
                bytes,
                settle,
                answer: Ok(places),
            };
            (placed.into_iter().map(answer).collect(), Ok(()))
        }
        Err(error) => {
            let reason = error.to_string();
            let answer = |(bytes, settle, _)| Settlement {
                bytes,
                settle,
                answer: Err(AppendError::Closed(reason.clone())),
            };
            (
                placed.into_iter().map(answer).collect(),
                Err(reason.clone()),
            )
        }
    }
}

/// Opens the store again, with back-off; returns false if no writer is left.
async fn reopen(queue: &Queue, shared: &Arc<StoreHandle>) -> bool {
    let mut backoff = Backoff::new(REOPEN_BACKOFF.0, REOPEN_BACKOFF.1);
    loop {
        if queue.idle().1 {
            return false;
        }
        tokio::time::sleep(backoff.wait()).await;
        match shared.reopen().await {
            Ok(()) => {
                tracing::info!("the topic is open again");
                return true;
            }
            Err(reason) => {
                tracing::warn!(reason, "the topic cannot be opened again yet");
            }
        }
    }
}
