//! The topic of the simulation: logs in memory behind brokers that stall, lose replies and
//! step their clocks back. Without faults it passes the topic's own suite.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};
use topic::clock::SharedClock;
use topic::{
    AppendError, Delivery, Draft, Identity, Offset, Partition, Placed, ReadError, Reader, Record,
    Timestamp, Topic, Watermarks, Writer,
};

use super::group::{Group, Member};
use super::{Bug, Dice, Fault, Link, Process};

/// How long an append may take before the edge gives up; what was sent may still land.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How many bytes a fetch answers with, about.
const FETCH_BYTES: usize = 4 << 20;

/// A partition: everything that was ever appended, and from where it is still kept.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) records: BTreeMap<u64, Record>,
}

/// The brokers.
pub struct Brokers {
    pub(super) logs: Mutex<Vec<Log>>,
    pub(super) groups: Mutex<BTreeMap<String, Group>>,
    /// Wakes readers, in the order of waiting.
    pub(super) changed: Notify,
    pub(super) dice: Arc<Dice>,
    clock: SharedClock,
    identity: Identity,
    limits: Limits,
    stalled: Mutex<Instant>,
}

/// The limits of a topic, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What a writer's queue holds.
    pub queue: usize,
    /// The largest record.
    pub max_record: usize,
}

impl Brokers {
    /// A new topic of so many partitions.
    #[must_use]
    pub fn new(
        partitions: u32,
        identity: Identity,
        limits: Limits,
        clock: SharedClock,
        dice: Arc<Dice>,
    ) -> Arc<Self> {
        Arc::new(Self {
            logs: Mutex::new((0..partitions).map(|_| Log::default()).collect()),
            groups: Mutex::default(),
            changed: Notify::new(),
            dice,
            clock,
            identity,
            limits,
            stalled: Mutex::new(Instant::now()),
        })
    }

    /// The topic as a process sees it.
    #[must_use]
    pub fn seen_by(self: &Arc<Self>, process: &Arc<Process>, bug: Option<Bug>) -> Arc<Client> {
        Arc::new(Client {
            brokers: self.clone(),
            process: process.clone(),
            pipe: Pipe::lay(self, process),
            bug,
        })
    }

    /// For this long nothing is written.
    pub fn stall(&self, time: Duration) {
        *self.stalled.lock() = Instant::now() + time;
    }

    /// Adds an empty partition.
    pub fn add_partition(self: &Arc<Self>) {
        self.logs.lock().push(Log::default());
        let names: Vec<String> = self.groups.lock().keys().cloned().collect();
        names.iter().for_each(|name| self.balance(name));
    }

    /// Makes retention take all below `low`.
    pub fn trim(&self, partition: Partition, low: Offset) {
        let mut logs = self.logs.lock();
        let log = &mut logs[partition.0 as usize];
        log.low = log.low.max(low.0.min(log.high));
        self.dice.note(&("trimmed", partition, log.low));
        drop(logs);
        self.changed.notify_waiters();
    }

    /// Deletes the topic and makes it anew under its name: the offsets begin again.
    pub fn recreate(&self) {
        for log in self.logs.lock().iter_mut() {
            *log = Log::default();
        }
    }

    /// Appends records of somebody else's to a partition.
    pub fn refill(&self, partition: Partition, records: u64) {
        let mut logs = self.logs.lock();
        let log = &mut logs[partition.0 as usize];
        for _ in 0..records {
            let record = Record {
                offset: Offset(log.high),
                appended_at: self.clock.now(),
                key: None,
                value: None,
            };
            log.records.insert(log.high, record);
            log.high += 1;
        }
    }

    /// What each partition holds.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<Partition, Watermarks> {
        let mark = |log: &Log| Watermarks {
            low: Offset(log.low),
            high: Offset(log.high),
        };
        (0..)
            .map(Partition)
            .zip(self.logs.lock().iter().map(mark))
            .collect()
    }

    /// Every record that was ever appended, also those that retention took.
    #[must_use]
    pub fn history(&self) -> Vec<Vec<Record>> {
        let logs = self.logs.lock();
        logs.iter()
            .map(|log| log.records.values().cloned().collect())
            .collect()
    }

    /// Appends at once.
    fn land(&self, drafts: Vec<Draft>) -> Vec<Placed> {
        let mut logs = self.logs.lock();
        let partitions = logs.len() as u64;
        let mut placed = Vec::with_capacity(drafts.len());
        for Draft { key, value } in drafts {
            let slot = match key.is_empty() {
                true => self.dice.number(0..partitions),
                false => {
                    let mut hasher = DefaultHasher::new();
                    key.hash(&mut hasher);
                    hasher.finish() % partitions
                }
            };
            let partition = Partition(u32::try_from(slot).expect("partitions are few"));
            let log = &mut logs[partition.0 as usize];
            let offset = Offset(log.high);
            let record = Record {
                offset,
                appended_at: self.clock.now(),
                key: (!key.is_empty()).then_some(key),
                value: Some(value),
            };
            log.records.insert(offset.0, record);
            log.high += 1;
            if self.dice.strikes(Fault::Marker, 5) {
                log.high += self.dice.number(1..4);
            }
            self.dice.note(&(partition, offset));
            placed.push(Placed { partition, offset });
        }
        drop(logs);
        self.changed.notify_waiters();
        placed
    }

    /// Sends an append on its way; the receiver hears of it when it has landed.
    fn send(self: &Arc<Self>, drafts: Vec<Draft>, way: Duration) -> oneshot::Receiver<Vec<Placed>> {
        let (landed, answer) = oneshot::channel();
        let brokers = self.clone();
        tokio::spawn(async move {
            if !way.is_zero() {
                sleep(way).await;
            }
            while brokers
                .stalled
                .lock()
                .saturating_duration_since(Instant::now())
                > Duration::ZERO
            {
                let until = *brokers.stalled.lock();
                tokio::time::sleep_until(until).await;
            }
            // A writer that is gone hears nothing.
            let _ = landed.send(brokers.land(drafts));
        });
        answer
    }
}

/// The topic as one process sees it.
pub struct Client {
    brokers: Arc<Brokers>,
    process: Arc<Process>,
    pipe: Arc<Pipe>,
    bug: Option<Bug>,
}

impl Client {
    async fn request(&self) -> Result<(), ReadError> {
        self.process.pass().await;
        let cut = self.process.is_cut(Link::Topic).await;
        if cut || self.brokers.dice.strikes(Fault::ReadFailed, 10) {
            return Err(ReadError::Unavailable("the request timed out".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Topic for Client {
    fn identity(&self) -> &Identity {
        &self.brokers.identity
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        self.request().await?;
        let mut marks = self.brokers.marks();
        if self.brokers.dice.strikes(Fault::MarksStale, 10) {
            for marks in marks.values_mut() {
                let back = self.brokers.dice.number(0..20);
                marks.high = marks.low.max(Offset(marks.high.0.saturating_sub(back)));
            }
        }
        self.process.pass().await;
        Ok(marks)
    }

    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, ReadError> {
        self.request().await?;
        let logs = self.brokers.logs.lock();
        let log = &logs[partition.0 as usize];
        let kept = log.records.range(log.low..);
        let found = kept
            .map(|(_, record)| record)
            .find(|record| record.appended_at >= time);
        Ok(found.map_or(Offset(log.high), |record| record.offset))
    }

    async fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.request().await?;
        Ok(self.brokers.read(partition, from, limit))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        Ok(Arc::new(Pen(self.pipe.clone())))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ReadError> {
        let member = Member::join(&self.brokers, &self.process, group, self.bug);
        Ok(Box::new(member))
    }
}

impl Brokers {
    /// Up to `limit` of what is kept at or after `from`.
    pub(super) fn read(&self, partition: Partition, from: Offset, limit: usize) -> Vec<Record> {
        let logs = self.logs.lock();
        let log = &logs[partition.0 as usize];
        let mut bytes = 0;
        let kept = log
            .records
            .range(from.0.max(log.low)..)
            .map(|(_, record)| record.clone());
        kept.take(limit)
            .take_while(|record| {
                let fits = bytes < FETCH_BYTES;
                bytes += record.size();
                fits
            })
            .collect()
    }
}

/// What an append waits for.
type Settled = oneshot::Sender<Result<Vec<Placed>, AppendError>>;

/// A process's writer: one append at a time is under way, in order; the others queue.
struct Pipe {
    brokers: Arc<Brokers>,
    process: Arc<Process>,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Vec<Draft>, Settled)>,
    bytes: usize,
    busy: bool,
}

impl Pipe {
    fn lay(brokers: &Arc<Brokers>, process: &Arc<Process>) -> Arc<Self> {
        Arc::new(Self {
            brokers: brokers.clone(),
            process: process.clone(),
            queue: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Sends what waits, one append after the other.
    async fn pump(self: Arc<Self>) {
        loop {
            let next = self.queue.lock().waiting.pop_front();
            let Some((drafts, settled)) = next else {
                break;
            };
            let bytes: usize = drafts.iter().map(Draft::size).sum();
            let outcome = self.deliver(drafts).await;
            self.process.pass().await;
            if matches!(&outcome, Err(AppendError::Closed(why)) if why == FATAL) {
                for (_, other) in self.queue.lock().waiting.drain(..) {
                    let _ = other.send(Err(AppendError::Closed(FATAL.into())));
                }
                self.queue.lock().bytes = bytes;
            }
            self.queue.lock().bytes -= bytes;
            // A request that was given up does not hear of it.
            let _ = settled.send(outcome);
            self.changed.notify_waiters();
        }
        self.queue.lock().busy = false;
        self.changed.notify_waiters();
    }

    async fn deliver(&self, mut drafts: Vec<Draft>) -> Result<Vec<Placed>, AppendError> {
        let dice = &self.brokers.dice;
        let error = |why: &str| Err(AppendError::Closed(why.into()));
        self.process.pass().await;
        if self.process.is_cut(Link::Topic).await || dice.strikes(Fault::AppendRefused, 20) {
            return error("the brokers do not answer");
        }
        if dice.strikes(Fault::AppendFatal, 5) {
            return error(FATAL);
        }
        if dice.strikes(Fault::AppendSlow, 3) {
            self.brokers.stall(dice.millis(3_000..15_000));
        }
        let whole = drafts.len();
        if whole > 1 && dice.strikes(Fault::AppendTorn, 60) {
            let kept = dice.number(1..whole as u64);
            drafts.truncate(usize::try_from(kept).expect("it is an index"));
        }
        let sent = drafts.len();
        let way = match dice.is_calm() {
            true => Duration::ZERO,
            false => dice.millis(1..20),
        };
        let answer = timeout(APPEND_TIMEOUT, self.brokers.send(drafts, way)).await;
        let Ok(placed) = answer else {
            return error("the append timed out, perhaps written");
        };
        let placed = placed.expect("what was sent lands");
        if dice.strikes(Fault::AppendReplyLost, 20) {
            return error("connection reset by peer");
        }
        match sent == whole {
            true => Ok(placed),
            false => error("a part of it failed"),
        }
    }
}

/// What a producer says that is lost for good.
const FATAL: &str = "the producer was fenced";

/// The end of a pipe into which the process writes.
struct Pen(Arc<Pipe>);

impl Writer for Pen {
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        let Limits { queue, max_record } = self.0.brokers.limits;
        let sizes = drafts.iter().map(Draft::size);
        if let Some(size) = sizes.clone().find(|size| *size > max_record) {
            let limit = max_record;
            return Err(AppendError::TooLarge { size, limit });
        }
        let bytes: usize = sizes.sum();
        let mut held = self.0.queue.lock();
        if held.bytes + bytes > queue {
            self.0.brokers.dice.struck(Fault::QueueFull);
            return Err(AppendError::Full);
        }
        held.bytes += bytes;
        let (settled, delivery) = Delivery::channel();
        held.waiting.push_back((drafts, settled));
        if !std::mem::replace(&mut held.busy, true) {
            tokio::spawn(Arc::clone(&self.0).pump());
        }
        Ok(delivery)
    }

    fn flush(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let settled = async {
            loop {
                let changed = self.0.changed.notified();
                if !self.0.queue.lock().busy {
                    return;
                }
                changed.await;
            }
        };
        Box::pin(async move { timeout(deadline, settled).await.is_ok() })
    }

    fn ready(&self) -> Result<(), AppendError> {
        match self.0.queue.lock().bytes * 2 > self.0.brokers.limits.queue {
            true => Err(AppendError::Full),
            false => Ok(()),
        }
    }
}
