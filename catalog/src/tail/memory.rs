//! The tail: rows that the topic has and the lake does not yet, kept in memory until a crawl
//! registers them.
//!
//! Of each partition it keeps one unbroken range up to the newest row, in pieces that grow as
//! they age. It is bounded in bytes: when it is full the oldest piece goes, so what is newest is
//! always there, and it says from when on it is complete. Rows that are gone come back with the
//! object that the lake commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use sink::{Offset, Partition, PendingRows};
use tokio::sync::broadcast;

use crate::tail::partition::{Kept, Piece};
use crate::tail::snapshot::Now;

/// Stretches that wait for a watcher who is slow; then he misses the oldest.
pub(crate) const WAITING: usize = 64;

/// The tail of one catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tail {
    state: Arc<Mutex<State>>,
    /// Who is told of rows as they come.
    watchers: broadcast::Sender<RecordBatch>,
}

#[derive(Debug)]
struct State {
    /// How many bytes are kept at most.
    most: usize,
    /// Whether somebody feeds it.
    fed: bool,
    /// Where each partition's registered range ends; none before the first crawl.
    registered: Option<BTreeMap<Partition, Offset>>,
    kept: BTreeMap<Partition, Kept>,
}

impl Tail {
    pub(crate) fn new(most: usize) -> Self {
        let state = State {
            most,
            fed: false,
            registered: None,
            kept: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            watchers: broadcast::Sender::new(WAITING),
        }
    }

    /// From where on whoever feeds it is to go on, partition by partition; a partition that is
    /// not named begins at its origin. None before the first crawl. Once somebody has asked, the
    /// tail is said to run.
    #[must_use]
    pub fn wanted(&self) -> Option<BTreeMap<Partition, Offset>> {
        let mut state = self.state.lock();
        state.fed = true;
        let mut wanted = state.registered.clone()?;
        for (partition, kept) in &state.kept {
            let registered = wanted.get(partition).copied();
            if kept.is_whole(registered) && registered.is_none_or(|end| end <= kept.end) {
                wanted.insert(*partition, kept.end);
            }
        }
        Some(wanted)
    }

    /// The partition's next stretch begins here; what is kept and does not end here is forgotten.
    pub fn begin(&self, partition: Partition, first: Offset) {
        self.state.lock().begin(partition, first);
    }

    /// Takes the stretch that begins where the one before it ended.
    pub fn take(&self, stretch: PendingRows) {
        if self.watchers.receiver_count() > 0 {
            // That the last of them has just gone is no matter.
            let _ = self.watchers.send(stretch.rows.clone());
        }
        self.state.lock().take(stretch);
    }

    /// The rows that are taken from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<RecordBatch> {
        self.watchers.subscribe()
    }

    /// The registered ends have become these: what lies before them goes.
    pub(crate) fn registered(&self, ends: BTreeMap<Partition, Offset>) {
        let mut state = self.state.lock();
        state.registered = Some(ends);
        let partitions: Vec<Partition> = state.kept.keys().copied().collect();
        for partition in partitions {
            state.trim(partition);
        }
    }

    /// What it keeps now. To be taken before a catalog's snapshot: a crawl in between takes
    /// from here what only the later snapshot lists.
    pub(crate) fn now(&self) -> Now {
        let state = self.state.lock();
        Now {
            fed: state.fed,
            kept: state.kept.clone(),
        }
    }
}

impl State {
    fn begin(&mut self, partition: Partition, first: Offset) {
        let goes_on = |kept: &Kept| kept.end == first;
        if !self.kept.get(&partition).is_some_and(goes_on) {
            let fresh = Kept {
                end: first,
                pieces: VecDeque::new(),
                bytes: 0,
                cut: None,
            };
            self.kept.insert(partition, fresh);
        }
    }

    fn take(&mut self, stretch: PendingRows) {
        let partition = stretch.partition;
        self.begin(partition, stretch.first);
        let kept = self.kept.get_mut(&partition).expect("it was begun");
        kept.end = stretch.end;
        kept.push(Piece::new(stretch));
        self.trim(partition);
        while self.kept.values().map(|kept| kept.bytes).sum::<usize>() > self.most {
            let oldest = |kept: &&mut Kept| kept.pieces.front().map(|piece| piece.appended_at);
            let some = self
                .kept
                .values_mut()
                .filter(|kept| !kept.pieces.is_empty());
            let Some(kept) = some.min_by_key(oldest) else {
                break;
            };
            kept.cut = kept.pop();
        }
    }

    /// Lets go what is registered.
    fn trim(&mut self, partition: Partition) {
        let ends = self.registered.as_ref();
        let end = ends.and_then(|ends| ends.get(&partition).copied());
        if let (Some(end), Some(kept)) = (end, self.kept.get_mut(&partition)) {
            while kept.pieces.front().is_some_and(|piece| piece.end <= end) {
                kept.pop();
            }
        }
    }
}
