//! The store: one fjall database, in it a keyspace of settings and the segments of
//! every partition. Everything here blocks.

use std::collections::BTreeMap;
use std::path::Path;

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, PersistMode,
};
use parking_lot::{Mutex, RwLock};
use rand::RngCore;

use super::error::{sentence, unavailable};
use super::memory::{self, Memory};
use super::segment::{self, Limits, Segment};
use super::stored::{self, Header};
use crate::{Draft, Identity, Offset, Partition, ReadError, Record, Timestamp, Watermarks};

/// The topic's name: the folder may be moved or renamed, the topic stays the same.
const TOPIC: &str = "clicks";
/// The version of the folder's layout.
const LAYOUT: &[u8] = b"1";
/// How many records a stored batch holds at most, and so what a reader gets at once.
pub(super) const BATCH_RECORDS: usize = 1_000;
/// How many bytes a stored batch holds at most, unless it is a single record.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// What the store is opened with.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoreSettings {
    /// Partitions to make, or to add if there are fewer.
    pub(super) partitions: u32,
    /// How many bytes a partition keeps; 0 means no limit.
    pub(super) retention_size: u64,
    /// True if a store that does not exist is made.
    pub(super) create: bool,
}

/// An open store. Dropping it frees the folder's lock.
pub(super) struct Store {
    db: Database,
    settings: Keyspace,
    pub(super) identity: Identity,
    retention_size: u64,
    partitions: Vec<RwLock<Log>>,
    memory: Mutex<Memory>,
}

/// What is known in memory of one partition.
struct Log {
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
        let at = folder.display();
        let exists = folder.join("version").exists();
        if !exists && !with.create {
            return Err(ReadError::Unfit(format!(
                "there is no topic in {at}: start the edge first, or correct topic.url"
            )));
        }
        let unavailable = |error: fjall::Error| match error {
            fjall::Error::Locked => ReadError::Unfit(format!(
                "another clickweir has the topic in {at} open: stop it, or give this one a topic.url of its own"
            )),
            error => ReadError::Unavailable(format!("{at}: {}", sentence(&error))),
        };
        if !exists {
            std::fs::create_dir_all(folder)
                .map_err(|error| ReadError::Unavailable(format!("{at}: {error}")))?;
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
            retention_size: with.retention_size,
            partitions: Vec::new(),
            memory: Mutex::default(),
        };
        store.recover(count).map_err(|error| match error {
            ReadError::Unavailable(detail) => ReadError::Unavailable(format!("{at}: {detail}")),
            other => other,
        })?;
        Ok(store)
    }

    /// Finds the segments of every partition.
    fn recover(&mut self, count: u32) -> Result<(), ReadError> {
        let mut found: BTreeMap<Partition, Vec<Segment>> = BTreeMap::new();
        for name in self.db.list_keyspace_names() {
            let Some((partition, first, day)) = segment::parse(&name) else {
                continue;
            };
            let keyspace = self
                .db
                .keyspace(&name, segment::options)
                .map_err(|error| unavailable(&error))?;
            let latest = Timestamp::from_micros(i64::MIN);
            found.entry(partition).or_default().push(Segment {
                first,
                day,
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
            self.partitions.push(RwLock::new(Log {
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

    fn log(&self, partition: Partition) -> Result<&RwLock<Log>, ReadError> {
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
            Some(segment) if segment.day == segment::day(now) && !self.full(&segment) => segment,
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

    /// Returns true if a segment has its share of a small `topic.retention_size`: an eighth,
    /// so that dropping whole segments keeps close to the limit.
    fn full(&self, segment: &Segment) -> bool {
        self.retention_size > 0 && segment.bytes >= (self.retention_size / 8).max(1)
    }

    /// Makes a segment that begins at `first`.
    fn begin(
        &self,
        partition: Partition,
        first: Offset,
        now: Timestamp,
    ) -> Result<Segment, fjall::Error> {
        let day = segment::day(now);
        let name = segment::name(partition, first, day);
        let keyspace = self.db.keyspace(&name, segment::options)?;
        Ok(Segment {
            first,
            day,
            bytes: 0,
            latest: Timestamp::from_micros(i64::MIN),
            keyspace,
        })
    }

    /// Drops the segments whose day was over before `cutoff`, and the oldest ones of a
    /// partition that is over its size. Low moves, durably, before anything is deleted.
    pub(super) fn retain(&self, cutoff: Timestamp) -> Result<(), fjall::Error> {
        for (index, log) in self.partitions.iter().enumerate() {
            let partition = Partition(u32::try_from(index).expect("partitions are counted in u32"));
            let (dropped, low) = {
                let log = log.read();
                let count = self.expired(&log.segments, cutoff);
                (
                    count,
                    log.segments
                        .get(count)
                        .map_or(log.high, |segment| segment.first),
                )
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
        Ok(())
    }

    /// How many of the oldest segments are to go.
    fn expired(&self, segments: &[Segment], cutoff: Timestamp) -> usize {
        let old = segments
            .iter()
            .take_while(|segment| segment.over() <= cutoff)
            .count();
        let mut bytes: u64 = segments[old..].iter().map(|segment| segment.bytes).sum();
        let mut count = old;
        while self.retention_size > 0 && bytes > self.retention_size && count + 1 < segments.len() {
            bytes -= segments[count].bytes;
            count += 1;
        }
        count
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

/// The identity and the number of partitions, made if the store is new; `None` if
/// the store is not a topic.
fn recognise(
    db: &Database,
    settings: &Keyspace,
    partitions: u32,
    now: Timestamp,
) -> Result<Option<(Identity, u32)>, fjall::Error> {
    let layout = settings.get("layout")?;
    let cluster = match (&layout, settings.get("cluster")?) {
        (Some(layout), Some(cluster)) if **layout == *LAYOUT => {
            String::from_utf8_lossy(&cluster).into_owned()
        }
        (None, None) if db.keyspace_count() == 1 => new_id(now),
        _ => return Ok(None),
    };
    let stored = settings
        .get("partitions")?
        .map_or(0, |bytes| number(&bytes));
    let count = partitions.max(u32::try_from(stored).unwrap_or(u32::MAX));
    if layout.is_none() || stored != u64::from(count) {
        let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(settings, "layout", LAYOUT);
        batch.insert(settings, "cluster", cluster.as_bytes());
        batch.insert(
            settings,
            "partitions",
            u64::from(count).to_be_bytes().as_slice(),
        );
        batch.commit()?;
    }
    Ok(Some((
        Identity {
            cluster,
            topic: TOPIC.into(),
        },
        count,
    )))
}

/// A UUIDv7 from the clock that was handed in.
fn new_id(now: Timestamp) -> String {
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random)
        .into_uuid()
        .to_string()
}

fn low_key(partition: Partition) -> String {
    format!("low.{partition}")
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}
