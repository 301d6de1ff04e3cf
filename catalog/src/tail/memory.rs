//! The tail of one catalog.
//!
//! For each partition it keeps one unbroken range up to the newest row, in chunks that grow as
//! they age. It is bounded in bytes: when it is full the oldest chunk is dropped, so the newest
//! rows are always there, and it says from when on it is complete. Dropped rows come back with
//! the object that the lake commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use sink::{Offset, Partition, PendingRows};
use tokio::sync::broadcast;

use crate::tail::partition::{PartitionTail, TailChunk};
use crate::tail::snapshot::TailSnapshot;

/// How many batches of rows wait for a slow watcher. Then it misses the oldest.
const FEED_CAPACITY: usize = 64;

/// The tail of one catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tail {
    state: Arc<Mutex<State>>,
    watchers: broadcast::Sender<RecordBatch>,
}

#[derive(Debug)]
struct State {
    max_bytes: usize,
    /// True once a feeder has asked where to begin.
    fed: bool,
    /// The end of each partition's registered range. `None` before the first crawl.
    registered: Option<BTreeMap<Partition, Offset>>,
    partitions: BTreeMap<Partition, PartitionTail>,
}

impl Tail {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let state = State {
            max_bytes,
            fed: false,
            registered: None,
            partitions: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            watchers: broadcast::Sender::new(FEED_CAPACITY),
        }
    }

    /// Where a feeder goes on, by partition; a partition that is not named begins at its origin.
    /// `None` before the first crawl. From this call on the tail counts as running.
    #[must_use]
    pub fn wanted(&self) -> Option<BTreeMap<Partition, Offset>> {
        let mut state = self.state.lock();
        state.fed = true;
        let mut wanted = state.registered.clone()?;
        for (partition, tail) in &state.partitions {
            let registered = wanted.get(partition).copied();
            if tail.is_whole(registered) && registered.is_none_or(|end| end <= tail.end) {
                wanted.insert(*partition, tail.end);
            }
        }
        Some(wanted)
    }

    /// Begins the partition's next range at `first`. A range that does not end there is dropped.
    pub fn begin(&self, partition: Partition, first: Offset) {
        self.state.lock().begin(partition, first);
    }

    /// Appends the rows of a range that begins where the one before it ended.
    pub fn take(&self, rows: PendingRows) {
        if self.watchers.receiver_count() > 0 {
            // It fails if the last watcher has just gone.
            let _ = self.watchers.send(rows.rows.clone());
        }
        self.state.lock().take(rows);
    }

    /// The rows that are appended from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<RecordBatch> {
        self.watchers.subscribe()
    }

    /// Drops what is before these registered ends.
    pub(crate) fn registered(&self, ends: BTreeMap<Partition, Offset>) {
        let mut state = self.state.lock();
        state.registered = Some(ends);
        let partitions: Vec<Partition> = state.partitions.keys().copied().collect();
        for partition in partitions {
            state.trim(partition);
        }
    }

    /// What the tail has now. Take it before a snapshot of the catalog: a crawl in between drops
    /// rows from the tail that only a later snapshot lists.
    pub(crate) fn snapshot(&self) -> TailSnapshot {
        let state = self.state.lock();
        TailSnapshot {
            fed: state.fed,
            partitions: state.partitions.clone(),
        }
    }
}

impl State {
    fn begin(&mut self, partition: Partition, first: Offset) {
        let goes_on = |tail: &PartitionTail| tail.end == first;
        if !self.partitions.get(&partition).is_some_and(goes_on) {
            self.partitions.insert(partition, PartitionTail::new(first));
        }
    }

    fn take(&mut self, rows: PendingRows) {
        let partition = rows.partition;
        self.begin(partition, rows.first);
        let tail = self.partitions.get_mut(&partition).expect("it was begun");
        tail.end = rows.end;
        tail.push(TailChunk::new(rows));
        self.trim(partition);
        while self.bytes() > self.max_bytes {
            let oldest = |tail: &&mut PartitionTail| {
                let first = tail.chunks.front();
                first.map(|chunk| chunk.appended_at)
            };
            let filled = self.partitions.values_mut();
            let filled = filled.filter(|tail| !tail.chunks.is_empty());
            let Some(tail) = filled.min_by_key(oldest) else {
                break;
            };
            tail.cut = tail.pop();
        }
    }

    fn bytes(&self) -> usize {
        self.partitions.values().map(|tail| tail.bytes).sum()
    }

    /// Drops what is registered.
    fn trim(&mut self, partition: Partition) {
        let ends = self.registered.as_ref();
        let end = ends.and_then(|ends| ends.get(&partition).copied());
        if let (Some(end), Some(tail)) = (end, self.partitions.get_mut(&partition)) {
            while tail.chunks.front().is_some_and(|chunk| chunk.end <= end) {
                tail.pop();
            }
        }
    }
}
