//! The topic of the simulation: logs in memory behind brokers that stall, lose replies and
//! step their clocks back. Without faults it passes the topic's own suite.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};
use topic::clock::SharedClock;
use topic::{Draft, Identity, Offset, Partition, Placed, Record, Timestamp, Watermarks};

use super::group::Group;
use super::{Dice, Fault, Process};

/// How long the brokers wait for a member that was asked to let go.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(5);
/// About how many bytes a fetch answers with.
const FETCH_BYTES: usize = 4 << 20;

/// A partition: all records that were ever appended, and the first one that is kept.
#[derive(Debug, Default)]
struct Log {
    low: u64,
    high: u64,
    records: BTreeMap<u64, Record>,
}

/// The brokers.
pub struct Brokers {
    logs: Mutex<Vec<Log>>,
    pub(super) groups: Mutex<BTreeMap<String, Group>>,
    /// Wakes readers, in the order of waiting.
    pub(super) changed: Notify,
    pub(super) dice: Arc<Dice>,
    clock: SharedClock,
    pub(super) identity: Identity,
    pub(super) limits: Limits,
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

    /// Writes nothing for this long.
    pub fn stall(&self, time: Duration) {
        *self.stalled.lock() = Instant::now() + time;
    }

    /// Adds an empty partition.
    pub fn add_partition(self: &Arc<Self>) {
        self.logs.lock().push(Log::default());
        let names: Vec<String> = self.groups.lock().keys().cloned().collect();
        names.iter().for_each(|name| self.balance(name));
    }

    /// Lets retention take the records below `low`.
    pub fn trim(&self, partition: Partition, low: Offset) {
        let mut logs = self.logs.lock();
        let log = &mut logs[partition.0 as usize];
        log.low = log.low.max(low.0.min(log.high));
        self.dice.note(&("trimmed", partition, log.low));
        drop(logs);
        self.changed.notify_waiters();
    }

    /// Deletes the topic and makes it anew under its name; offsets begin at 0 again.
    pub fn recreate(&self) {
        for log in self.logs.lock().iter_mut() {
            *log = Log::default();
        }
    }

    /// Appends foreign records to a partition.
    pub fn refill(&self, partition: Partition, records: u64) {
        let mut logs = self.logs.lock();
        let log = &mut logs[partition.0 as usize];
        for _ in 0..records {
            let record = Record {
                offset: Offset(log.high),
                appended_at: self.clock.now(),
                key: None,
                value: None,
                headers: Vec::new(),
            };
            log.records.insert(log.high, record);
            log.high += 1;
        }
    }

    /// The offsets that each partition holds.
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

    /// Every record that was ever appended, including those that retention took.
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
                headers: Vec::new(),
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

    /// Sends an append; the receiver is notified when it has landed.
    pub(super) fn send(
        self: &Arc<Self>,
        drafts: Vec<Draft>,
        way: Duration,
    ) -> oneshot::Receiver<Vec<Placed>> {
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
            // The writer may be gone.
            let _ = landed.send(brokers.land(drafts));
        });
        answer
    }
    /// The first kept offset appended at `time` or later, or the partition's end.
    pub(super) fn offset_at(&self, partition: Partition, time: Timestamp) -> Offset {
        let logs = self.logs.lock();
        let log = &logs[partition.0 as usize];
        let kept = log.records.range(log.low..);
        let found = kept
            .map(|(_, record)| record)
            .find(|record| record.appended_at >= time);
        found.map_or(Offset(log.high), |record| record.offset)
    }

    /// Up to `limit` kept records at or after `from`.
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

/// Groups and their members.
impl Brokers {
    pub(super) fn join(self: &Arc<Self>, group: &str, process: &Arc<Process>) -> u64 {
        let mut groups = self.groups.lock();
        let id = groups.entry(group.to_owned()).or_default().join(process);
        drop(groups);
        self.balance(group);
        id
    }

    pub(super) fn leave(self: &Arc<Self>, group: &str, member: u64) {
        if let Some(left) = self.groups.lock().get_mut(group) {
            left.leave(member);
        }
        self.balance(group);
    }

    /// Evicts the members of this process, whose session has run out.
    pub fn evict(self: &Arc<Self>, process: &Arc<Process>) {
        let mut names = Vec::new();
        for (name, group) in self.groups.lock().iter_mut() {
            if group.evict(process) {
                names.push(name.clone());
            }
        }
        names.iter().for_each(|name| self.balance(name));
    }

    /// Sets the group's reported offsets to arbitrary ones, or deletes them.
    pub fn reset_offsets(&self, group: &str) {
        let marks = self.marks();
        if let Some(group) = self.groups.lock().get_mut(group) {
            group.reported.clear();
            for (partition, marks) in marks {
                if self.dice.chance(700) {
                    let offset = Offset(self.dice.number(0..marks.high.0 + 50));
                    group.reported.insert(partition, offset);
                }
            }
        }
    }

    /// Shares the partitions out evenly, and again when a member has let some go.
    fn balance(self: &Arc<Self>, name: &str) {
        let count = self.logs.lock().len();
        let mut groups = self.groups.lock();
        let Some(group) = groups.get_mut(name) else {
            return;
        };
        for leaving in group.balance(count) {
            let (brokers, name) = (self.clone(), name.to_owned());
            tokio::spawn(async move {
                // The group goes on without the answer of a member that is too slow.
                let _ = timeout(HANDOVER_TIMEOUT, leaving.acknowledged).await;
                if let Some(group) = brokers.groups.lock().get_mut(&name) {
                    group.let_go(leaving.member, &leaving.partitions);
                }
                brokers.balance(&name);
            });
        }
        drop(groups);
        self.changed.notify_waiters();
    }
}
