//! The store: one fjall database, in it a keyspace of settings and the segments of
//! every partition. Everything here blocks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, PersistMode,
};
use parking_lot::{Mutex, RwLock};

use super::error::{of_folder, of_opening, unavailable};
use super::layout::{low_key, number, recognise};
use super::memory::{self, Memory};
use super::retention::{Overfull, Retention};
use super::segment::{self, Limits, Segment};
use super::stored::{self, Header};
use crate::{Draft, Identity, Offset, Partition, ReadError, Record, Timestamp, Watermarks};

/// How many records a stored batch holds at most, and so what a reader gets at once.
pub(super) const BATCH_RECORDS: usize = 1_000;
/// How many bytes a stored batch holds at most, unless it is a single record.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// What the store is opened with.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoreSettings {
    /// Partitions to make, or to add if there are fewer.
    pub(super) partitions: u32,
    /// What each partition keeps.
    pub(super) retention: Retention,
    /// True if a store that does not exist is made.
    pub(super) create: bool,
}

/// An open store. Dropping it frees the folder's lock.
pub(super) struct Store {
    db: Database,
    settings: Keyspace,
    pub(super) identity: Identity,
    retention: Retention,
    /// How many bytes a partition may hold, as the disk was when it was last looked at.
    bound: AtomicU64,
    partitions: Vec<RwLock<PartitionLog>>,
    /// Held while segments are dropped: what one caller found too old, another must not drop again.
    retaining: Mutex<()>,
    memory: Mutex<Memory>,
}

/// What is known in memory of one partition.
struct PartitionLog {
    low: Offset,
    high: Offset,
    /// In order of offset; the last one is written to.
    segments: Vec<Segment>,
}

/// A batch that waits for its commit.
struct Addition {
    partition: Partition,
    segment: Segment,
    high: Offset,
    /// Its bytes.
    more: u64,
}

impl Store {
    /// Opens the store in `folder`, or makes it.
    pub(super) fn open(
        folder: &Path,
        with: StoreSettings,
        now: Timestamp,
    ) -> Result<Self, ReadError> {
        let at = &folder.display();
        let exists = super::folder::has_topic(folder);
        if !exists && !with.create {
            return Err(ReadError::Unfit(format!(
                "there is no topic in {at}: start the edge first, or correct topic.url"
            )));
        }
        let unavailable = |error: fjall::Error| of_opening(at, &error);
        if !exists {
            std::fs::create_dir_all(folder).map_err(|error| of_folder(at, &error))?;
        }
        let db = super::folder::database(folder).map_err(unavailable)?;
        let settings = db
            .keyspace("settings", KeyspaceCreateOptions::default)
            .map_err(unavailable)?;
        let (identity, count) = recognise(&db, &settings, with.partitions, now)
            .map_err(unavailable)?
            .ok_or_else(|| {
                ReadError::Unfit(format!("{at} holds a store of another version or program"))
            })?;
        let mut store = Self {
            db,
            settings,
            identity,
            retention: with.retention,
            bound: AtomicU64::new(u64::MAX),
            partitions: Vec::new(),
            retaining: Mutex::default(),
            memory: Mutex::default(),
        };
        store.recover(count).map_err(|error| match error {
            ReadError::Unavailable(detail) => ReadError::Unavailable(format!("{at}: {detail}")),
            other => other,
        })?;
        store.measure(folder);
        Ok(store)
    }

    /// Finds the segments of every partition.
    fn recover(&mut self, count: u32) -> Result<(), ReadError> {
        let mut found: BTreeMap<Partition, Vec<Segment>> = BTreeMap::new();
        for name in self.db.list_keyspace_names() {
            let Some((partition, first, begin)) = segment::parse(&name) else {
                continue;
            };
            let keyspace = self
                .db
                .keyspace(&name, segment::options)
                .map_err(|error| unavailable(&error))?;
            let latest = Timestamp::from_micros(i64::MIN);
            found.entry(partition).or_default().push(Segment {
                first,
                begin,
                bytes: 0,
                latest,
                keyspace,
            });
        }
        for partition in (0..count).map(Partition) {
            let low = self
                .settings
                .get(low_key(partition))
                .map_err(|error| unavailable(&error))?;
            let mut low = Offset(low.map_or(0, |bytes| number(&bytes)));
            let mut high = low;
            let mut segments = found.remove(&partition).unwrap_or_default();
            segments.sort_by_key(|segment| segment.first);
            let mut kept = Vec::new();
            for mut segment in segments {
                let end = segment.recover(partition)?;
                // Below the low watermark: a drop that a crash cut short. Empty: a
                // segment that was made, and then its first batch was not written.
                if end <= low || end == segment.first {
                    self.db
                        .delete_keyspace(segment.keyspace)
                        .map_err(|error| unavailable(&error))?;
                    continue;
                }
                high = high.max(end);
                kept.push(segment);
            }
            if let Some(first) = kept.first() {
                low = low.max(first.first);
            }
            self.partitions.push(RwLock::new(PartitionLog {
                low,
                high,
                segments: kept,
            }));
        }
        Ok(())
    }

    /// How many partitions there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("partitions are counted in u32")
    }

    fn log(&self, partition: Partition) -> Result<&RwLock<PartitionLog>, ReadError> {
        self.partitions
            .get(partition.0 as usize)
            .ok_or(ReadError::OutOfRange {
                partition: Some(partition),
            })
    }

    /// Low and high of one partition.
    pub(super) fn watermarks(&self, partition: Partition) -> Result<Watermarks, ReadError> {
        let log = self.log(partition)?.read();
        Ok(Watermarks {
            low: log.low,
            high: log.high,
        })
    }

    /// Records from `from` on, within the limits; empty at the end.
    pub(super) fn read(
        &self,
        partition: Partition,
        from: Offset,
        mut limits: Limits,
    ) -> Result<Vec<Record>, ReadError> {
        let (segments, high) = {
            let log = self.log(partition)?.read();
            let at = log
                .segments
                .partition_point(|segment| segment.first <= from);
            (log.segments[at.saturating_sub(1)..].to_vec(), log.high)
        };
        let mut records: Vec<Record> = Vec::new();
        for segment in &segments {
            let position = records.last().map_or(from, |record| record.offset.next());
            if position >= high || (!records.is_empty() && position != segment.first) {
                break;
            }
            segment.read(
                partition,
                position.max(segment.first),
                &mut limits,
                &mut records,
            )?;
            if limits.records == 0 || limits.bytes == 0 {
                break;
            }
        }
        // A batch is in its memtable a moment before it counts as appended.
        records.retain(|record| record.offset < high);
        Ok(records)
    }

    /// The first offset whose append time is at `time` or later; high if there is none.
    pub(super) fn offset_at(
        &self,
        partition: Partition,
        time: Timestamp,
    ) -> Result<Offset, ReadError> {
        let (segments, high) = {
            let log = self.log(partition)?.read();
            (log.segments.clone(), log.high)
        };
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map_or(high, |next| next.first);
            if let Some(offset) = segment.offset_at(partition, end, time)? {
                return Ok(offset);
            }
        }
        Ok(high)
    }

    /// Appends to every named partition, all or nothing, and returns when it is on the disk.
    pub(super) fn append(
        &self,
        drafts: &BTreeMap<Partition, Vec<Draft>>,
        now: Timestamp,
    ) -> Result<(), fjall::Error> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        let mut additions = Vec::with_capacity(drafts.len());
        for (&partition, drafts) in drafts {
            additions.push(self.insert(&mut batch, partition, drafts, now)?);
        }
        batch.commit()?;
        for addition in additions {
            self.publish(addition);
        }
        self.flush_due()
    }

    /// Puts a partition's drafts into a batch that is not committed yet.
    fn insert(
        &self,
        batch: &mut WriteBatch,
        partition: Partition,
        drafts: &[Draft],
        now: Timestamp,
    ) -> Result<Addition, fjall::Error> {
        let (mut high, current) = {
            let log = self.partitions[partition.0 as usize].read();
            (log.high, log.segments.last().cloned())
        };
        let mut segment = match current {
            Some(segment) if !self.retention.is_full(&segment, self.bound(), now) => segment,
            current => {
                if let Some(ended) = current {
                    self.memory.lock().forget(partition);
                    memory::hand_over(&self.db, &ended.keyspace)?;
                }
                self.begin(partition, high, now)?
            }
        };
        let before = segment.bytes;
        for chunk in chunks(drafts) {
            segment.latest = segment.latest.max(now);
            let header = Header {
                count: u32::try_from(chunk.len()).expect("a chunk has at most 1,000 records"),
                appended_at: now,
                latest: segment.latest,
                before: segment.bytes,
            };
            let value = stored::encode(&header, chunk);
            segment.bytes += value.len() as u64;
            batch.insert(&segment.keyspace, segment::key(high), value);
            high = Offset(high.0 + chunk.len() as u64);
        }
        let more = segment.bytes - before;
        Ok(Addition {
            partition,
            segment,
            high,
            more,
        })
    }

    /// Shows to readers what was committed.
    fn publish(&self, addition: Addition) {
        let Addition {
            partition,
            segment,
            high,
            more,
        } = addition;
        self.memory.lock().add(partition, more);
        let mut log = self.partitions[partition.0 as usize].write();
        log.high = high;
        match log.segments.last_mut() {
            Some(last) if last.first == segment.first => *last = segment,
            _ => log.segments.push(segment),
        }
    }

    /// Has the segments that hold too much in memory written to files.
    fn flush_due(&self) -> Result<(), fjall::Error> {
        // Apart, since the loop's condition would hold the lock meanwhile.
        let due = || self.memory.lock().due();
        while let Some(partition) = due() {
            let log = self.partitions[partition.0 as usize].read();
            let last = log.segments.last().map(|last| last.keyspace.clone());
            drop(log);
            if let Some(keyspace) = last {
                memory::hand_over(&self.db, &keyspace)?;
            }
        }
        Ok(())
    }

    /// Makes a segment that begins at `first`.
    fn begin(
        &self,
        partition: Partition,
        first: Offset,
        now: Timestamp,
    ) -> Result<Segment, fjall::Error> {
        let name = segment::name(partition, first, now);
        let keyspace = self.db.keyspace(&name, segment::options)?;
        Ok(Segment {
            first,
            begin: now,
            bytes: 0,
            latest: Timestamp::from_micros(i64::MIN),
            keyspace,
        })
    }

    fn bound(&self) -> u64 {
        self.bound.load(Ordering::Relaxed)
    }

    /// Looks how much the disk has for the topic.
    fn measure(&self, folder: &Path) {
        let logs = self.partitions.iter();
        let held = logs.map(|log| log.read().bytes()).sum();
        let bound = self.retention.bound(folder, held, self.count());
        self.bound.store(bound, Ordering::Relaxed);
    }

    /// The first partition that holds more than it may; `None` if none does.
    pub(super) fn overfull(&self) -> Option<Overfull> {
        let bound = self.bound();
        (0..self.count()).map(Partition).find_map(|partition| {
            let bytes = self.partitions[partition.0 as usize].read().bytes();
            (bytes > bound).then_some(Overfull {
                partition,
                bytes,
                bound,
            })
        })
    }

    /// Drops the segments that are too old, and the oldest ones of a partition that is over its
    /// bound, as far as the lake has them: what is before `committed`. Low moves, durably,
    /// before anything is deleted. What is overfull still is returned.
    pub(super) fn retain(
        &self,
        folder: &Path,
        committed: &BTreeMap<Partition, Offset>,
        now: Timestamp,
    ) -> Result<Option<Overfull>, fjall::Error> {
        let _alone = self.retaining.lock();
        self.measure(folder);
        for (partition, log) in (0..).map(Partition).zip(&self.partitions) {
            let end = committed.get(&partition).copied().unwrap_or_default();
            let (dropped, low) = {
                let log = log.read();
                let ends = (log.high, end);
                let count = self
                    .retention
                    .expired(&log.segments, ends, self.bound(), now);
                let first = log.segments.get(count).map(|segment| segment.first);
                (count, first.unwrap_or(log.high))
            };
            if dropped == 0 {
                continue;
            }
            let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
            batch.insert(
                &self.settings,
                low_key(partition),
                low.0.to_be_bytes().as_slice(),
            );
            batch.commit()?;
            let gone: Vec<_> = {
                let mut log = log.write();
                log.low = low;
                log.segments.drain(..dropped).collect()
            };
            for segment in gone {
                self.db.delete_keyspace(segment.keyspace)?;
            }
        }
        Ok(self.overfull())
    }
}

impl PartitionLog {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

/// Cuts drafts into batches of at most [`BATCH_RECORDS`] and [`BATCH_BYTES`].
fn chunks(drafts: &[Draft]) -> impl Iterator<Item = &[Draft]> {
    let mut rest = drafts;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take(BATCH_RECORDS).take_while(|draft| {
            bytes += stored::weight(draft);
            bytes <= BATCH_BYTES
        });
        let count = fitting.count().max(1).min(rest.len());
        let (chunk, left) = rest.split_at(count);
        rest = left;
        (!chunk.is_empty()).then_some(chunk)
    })
}
