//! The tail: rows that the topic has and the lake does not yet, kept in memory until a crawl
//! registers them.
//!
//! Of each partition it keeps one unbroken range up to the newest row, in pieces that grow as
//! they age. It is bounded in bytes: when it is full the oldest piece goes, so what is newest is
//! always there, and it says from when on it is complete. Rows that are gone come back with the
//! object that the lake commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use parking_lot::Mutex;
use sink::{Offset, Partition, Stretch, Timestamp};
use tokio::sync::broadcast;

use crate::arrivals::WAITING;
use crate::lend::Held;

/// The largest piece that others are joined to, in bytes: what is registered of a piece goes
/// when all of it is.
const PIECE: usize = 1 << 20;
/// What a piece weighs besides its values: its columns' own fields, roughly.
const OVERHEAD: usize = 8 << 10;

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

/// An unbroken range of one partition.
#[derive(Debug, Clone)]
struct Kept {
    end: Offset,
    pieces: VecDeque<Piece>,
    /// What they weigh.
    bytes: usize,
    /// When the last record was appended that had to go before it was registered.
    cut: Option<Timestamp>,
}

/// Rows of a range, and perhaps none.
#[derive(Debug, Clone)]
struct Piece {
    first: Offset,
    end: Offset,
    /// When its first row was appended, or its last record where it has none.
    begun_at: Timestamp,
    /// When its last record was.
    appended_at: Timestamp,
    rows: RecordBatch,
    /// What it weighs in memory, in bytes.
    bytes: usize,
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
    pub fn take(&self, stretch: Stretch) {
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

    fn take(&mut self, stretch: Stretch) {
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

impl Kept {
    /// Where what is kept begins.
    fn first(&self) -> Offset {
        self.pieces.front().map_or(self.end, |piece| piece.first)
    }

    /// Whether nothing is missing between what is registered and what is kept.
    fn is_whole(&self, registered: Option<Offset>) -> bool {
        registered.map_or(self.cut.is_none(), |end| self.first() <= end)
    }

    /// Adds a piece and joins what has grown enough, so that there are few, and a row is copied
    /// a few times only.
    fn push(&mut self, mut piece: Piece) {
        self.bytes += piece.bytes;
        while let Some(before) = self.pieces.back()
            && before.bytes <= 2 * piece.bytes
            && before.bytes + piece.bytes <= PIECE
        {
            self.bytes -= before.bytes + piece.bytes;
            piece = before.join(&piece);
            self.bytes += piece.bytes;
            self.pieces.pop_back();
        }
        self.pieces.push_back(piece);
    }

    /// Lets the oldest piece go, and says when its last record was appended.
    fn pop(&mut self) -> Option<Timestamp> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes;
        Some(piece.appended_at)
    }
}

impl Piece {
    fn new(stretch: Stretch) -> Self {
        let Stretch {
            first,
            end,
            appended_at,
            rows,
            ..
        } = stretch;
        let appended = rows
            .column_by_name("appended_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .and_then(|column| column.values().first().copied());
        Self {
            first,
            end,
            begun_at: appended.map_or(appended_at, Timestamp::from_micros),
            appended_at,
            bytes: weight(&rows),
            rows,
        }
    }

    fn join(&self, next: &Self) -> Self {
        let rows = concat_batches(&self.rows.schema(), [&self.rows, &next.rows])
            .expect("all pieces have the lake's columns");
        Self {
            first: self.first,
            end: next.end,
            begun_at: self.begun_at,
            appended_at: next.appended_at,
            bytes: weight(&rows),
            rows,
        }
    }

    /// Its rows from `end` on.
    fn after(&self, end: Offset) -> RecordBatch {
        if self.first >= end {
            return self.rows.clone();
        }
        let offsets = self
            .rows
            .column_by_name("offset")
            .and_then(|column| column.as_primitive_opt::<UInt64Type>())
            .expect("the lake's columns hold the offset");
        let at = offsets.values().partition_point(|offset| *offset < end.0);
        self.rows.slice(at, self.rows.num_rows() - at)
    }
}

/// What a piece's rows weigh in memory, in bytes.
fn weight(rows: &RecordBatch) -> usize {
    rows.get_array_memory_size() + OVERHEAD
}

/// What the tail kept at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Now {
    fed: bool,
    kept: BTreeMap<Partition, Kept>,
}

/// How the tail of a partition stands beside the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) partition: Partition,
    /// Where the catalog's registered range ends; none where nothing is registered.
    pub(crate) registered_end: Option<Offset>,
    /// Where what is kept begins …
    pub(crate) first: Offset,
    /// … and ends.
    pub(crate) end: Offset,
    /// Its rows behind the registered end.
    pub(crate) rows: usize,
    /// Whether every row behind the registered end is kept.
    pub(crate) whole: bool,
    /// Where not: from when on they are, by append time.
    pub(crate) complete_from: Option<Timestamp>,
}

impl Now {
    /// The rows behind the registered ends of a snapshot.
    pub(crate) fn after(&self, ends: &BTreeMap<Partition, Offset>) -> Held {
        let mut rows = Vec::new();
        for (partition, kept) in &self.kept {
            let end = ends.get(partition).copied().unwrap_or_default();
            let pieces = kept.pieces.iter().filter(|piece| piece.end > end);
            rows.extend(pieces.map(|piece| piece.after(end)));
        }
        rows.retain(|rows| rows.num_rows() > 0);
        Held::new(sink::schema(), rows)
    }

    /// How each partition stands beside a snapshot.
    pub(crate) fn standings(&self, ends: &BTreeMap<Partition, Offset>) -> Vec<Standing> {
        let standing = |(&partition, kept): (&Partition, &Kept)| {
            let registered_end = ends.get(&partition).copied();
            let end = registered_end.unwrap_or_default();
            let behind = kept.pieces.iter().filter(|piece| piece.end > end);
            let whole = kept.is_whole(registered_end);
            let begun = kept.pieces.front().map(|piece| piece.begun_at);
            Standing {
                partition,
                registered_end,
                first: kept.first(),
                end: kept.end,
                rows: behind.map(|piece| piece.after(end).num_rows()).sum(),
                whole,
                complete_from: if whole { None } else { begun.or(kept.cut) },
            }
        };
        self.kept.iter().map(standing).collect()
    }

    /// What whoever reads `clicks_live` must know, where it is not simply complete.
    pub(crate) fn note(&self, ends: &BTreeMap<Partition, Offset>) -> Option<String> {
        if !self.fed {
            return Some(
                "clicks_live shows the lake alone: no tail runs in this process, `clickweir up` and `clickweir dashboard` run one"
                    .to_owned(),
            );
        }
        let standings = self.standings(ends);
        let lacking: Vec<_> = standings
            .iter()
            .filter(|standing| !standing.whole)
            .collect();
        if lacking.is_empty() {
            return None;
        }
        let from = lacking
            .iter()
            .filter_map(|standing| standing.complete_from)
            .max();
        let from = from.map_or_else(|| "the next click".to_owned(), |from| from.to_string());
        Some(format!(
            "clicks_live is complete up to the lake's end, and from {from} on; what lies between comes with the next crawls (the table tail says where; catalog.tail_memory is the limit)"
        ))
    }
}
