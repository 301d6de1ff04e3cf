//! A segment: a range of one partition, a keyspace of its own, so that retention drops it
//! whole.

use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions};

use super::error::sentence;
use super::memory;
use super::stored::Stored;
use crate::{Offset, Partition, ReadError, Record, Timestamp};

/// A range of offsets of one partition, at most an eighth of what is kept.
#[derive(Clone)]
pub(super) struct Segment {
    /// The first offset.
    pub(super) first: Offset,
    /// When it was made.
    pub(super) begin: Timestamp,
    /// The bytes of all its batches.
    pub(super) bytes: u64,
    /// The greatest append time.
    pub(super) latest: Timestamp,
    pub(super) keyspace: Keyspace,
}

/// A keyspace's name; names of one partition sort as its segments do.
pub(super) fn name(partition: Partition, first: Offset, begin: Timestamp) -> String {
    format!("p{:05}.{:020}.{}", partition.0, first.0, begin.millis())
}

/// Reads a name that [`name`] made.
pub(super) fn parse(name: &str) -> Option<(Partition, Offset, Timestamp)> {
    let mut parts = name.strip_prefix('p')?.split('.');
    let partition = Partition(parts.next()?.parse().ok()?);
    let first = Offset(parts.next()?.parse().ok()?);
    let begin = Timestamp::from_millis(parts.next()?.parse().ok()?);
    Some((partition, first, begin))
}

/// How a segment's keyspace is made: what it holds in memory never comes to its own limit.
pub(super) fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(memory::ALL_BYTES)
}

impl Segment {
    /// Learns bytes and latest append time from the last batch; gives the segment's end.
    pub(super) fn recover(&mut self, partition: Partition) -> Result<Offset, ReadError> {
        let Some(guard) = self.keyspace.last_key_value() else {
            return Ok(self.first);
        };
        let (first, stored, size) = open(partition, self.first, guard)?;
        self.bytes = stored.header.before + size;
        self.latest = stored.header.latest;
        Ok(Offset(first.0 + u64::from(stored.header.count)))
    }

    /// The batch that holds `offset`, with its first offset.
    fn holding(
        &self,
        partition: Partition,
        offset: Offset,
    ) -> Result<Option<(Offset, Stored)>, ReadError> {
        let found = self.keyspace.range(..=key(offset)).next_back();
        found
            .map(|guard| open(partition, offset, guard).map(|(at, stored, _)| (at, stored)))
            .transpose()
    }

    /// Appends to `records` those from `from` on, until `limits` are met.
    pub(super) fn read(
        &self,
        partition: Partition,
        from: Offset,
        limits: &mut Limits,
        records: &mut Vec<Record>,
    ) -> Result<(), ReadError> {
        let Some((first, stored)) = self.holding(partition, from)? else {
            return Ok(());
        };
        if !take(partition, first, &stored, from, limits, records)? {
            return Ok(());
        }
        let end = Offset(first.0 + u64::from(stored.header.count));
        for guard in self.keyspace.range(key(end)..) {
            let (first, stored, _) = open(partition, end, guard)?;
            if !take(partition, first, &stored, from, limits, records)? {
                break;
            }
        }
        Ok(())
    }

    /// The first offset in `self.first..end` whose append time is at `time` or later.
    pub(super) fn offset_at(
        &self,
        partition: Partition,
        end: Offset,
        time: Timestamp,
    ) -> Result<Option<Offset>, ReadError> {
        if self.latest < time {
            return Ok(None);
        }
        // The greatest append time so far never steps back: halve until the batch is
        // found that first reaches `time`.
        let (mut low, mut high) = (self.first, end);
        while low < high {
            let middle = Offset(low.0 + (high.0 - low.0) / 2);
            let Some((first, stored)) = self.holding(partition, middle)? else {
                break;
            };
            if stored.header.latest >= time {
                high = first;
            } else {
                low = Offset(first.0 + u64::from(stored.header.count));
            }
        }
        Ok(Some(low))
    }
}

/// How much one read may bring.
pub(super) struct Limits {
    /// Records that may still come.
    pub(super) records: usize,
    /// Bytes of keys and values that may still come.
    pub(super) bytes: usize,
}

/// The key of the batch that begins at `offset`.
pub(super) fn key(offset: Offset) -> [u8; 8] {
    offset.0.to_be_bytes()
}

/// Opens an entry of a keyspace: first offset, batch, size in bytes.
fn open(
    partition: Partition,
    near: Offset,
    guard: fjall::Guard,
) -> Result<(Offset, Stored, u64), ReadError> {
    let corrupt = |offset, detail| ReadError::Corrupt {
        partition,
        offset,
        detail,
    };
    let (key, value) = guard
        .into_inner()
        .map_err(|error| failure(partition, near, &error))?;
    let key: [u8; 8] = (*key)
        .try_into()
        .map_err(|_| corrupt(near, format!("a batch's key of {} bytes", key.len())))?;
    let first = Offset(u64::from_be_bytes(key));
    let size = value.len() as u64;
    let stored =
        Stored::open(&Bytes::from_owner(value)).map_err(|detail| corrupt(first, detail))?;
    Ok((first, stored, size))
}

/// What a failed read means: the disk does not answer, or what it answers is damaged.
fn failure(partition: Partition, offset: Offset, error: &fjall::Error) -> ReadError {
    let detail = sentence(error);
    match error {
        fjall::Error::Io(_) | fjall::Error::Poisoned => ReadError::Unavailable(detail),
        fjall::Error::Storage(fjall::LsmError::Io(_)) => ReadError::Unavailable(detail),
        _ => ReadError::Corrupt {
            partition,
            offset,
            detail,
        },
    }
}

/// Moves a batch's records within the limits; returns false when they are met.
fn take(
    partition: Partition,
    first: Offset,
    stored: &Stored,
    from: Offset,
    limits: &mut Limits,
    records: &mut Vec<Record>,
) -> Result<bool, ReadError> {
    let found = stored
        .records(first, from)
        .map_err(|detail| ReadError::Corrupt {
            partition,
            offset: first,
            detail,
        })?;
    for record in found {
        let size =
            record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len);
        // A single record always fits, else a large one would stop its partition.
        if !records.is_empty() && (limits.records == 0 || limits.bytes < size) {
            return Ok(false);
        }
        limits.records = limits.records.saturating_sub(1);
        limits.bytes = limits.bytes.saturating_sub(size);
        records.push(record);
    }
    Ok(limits.records > 0 && limits.bytes > 0)
}
