//! What a partition keeps, and how it is cut into segments, which are dropped whole.

use std::path::Path;
use std::time::Duration;

use super::segment::Segment;
use crate::{Offset, Partition, Timestamp};

/// A segment is at most this part of what is kept, in time and in size, so that dropping whole
/// ones keeps close to both.
const SEGMENTS: u32 = 8;
/// The shortest segment. Each is a folder with files of its own.
const MIN_SPAN: Duration = Duration::from_secs(60);

/// What a partition keeps. What the lake lacks is kept beyond both limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// For how long.
    pub(super) age: Duration,
    /// How many bytes at most; `None` if the disk decides.
    pub(super) bytes: Option<u64>,
}

/// A partition that holds more than it may, because the lake lacks its oldest segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overfull {
    pub(super) partition: Partition,
    pub(super) bytes: u64,
    pub(super) bound: u64,
}

impl Retention {
    /// Returns true if a segment has its share of the time or of `bound` bytes.
    pub(super) fn is_full(&self, segment: &Segment, bound: u64, now: Timestamp) -> bool {
        let span = (self.age / SEGMENTS).max(MIN_SPAN);
        now.minus(span) >= segment.begin || segment.bytes >= (bound / u64::from(SEGMENTS)).max(1)
    }

    /// How many bytes each of `partitions` may hold while all together hold `held`: the
    /// configured number, or its share of half of what the disk has for the topic.
    pub(super) fn bound(&self, folder: &Path, held: u64, partitions: u32) -> u64 {
        if let Some(bytes) = self.bytes {
            return bytes;
        }
        // A disk that does not say how much is free sets no bound.
        rustix::fs::statvfs(folder).map_or(u64::MAX, |disk| {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            (free.saturating_add(held) / 2 / u64::from(partitions.max(1))).max(1)
        })
    }

    /// How many of the oldest `segments`, which end at `high`, may go now. The lake has what
    /// is before `committed`; the newest segment goes by age only, when nothing is written to it
    /// any more.
    pub(super) fn expired(
        &self,
        segments: &[Segment],
        (high, committed): (Offset, Offset),
        bound: u64,
        now: Timestamp,
    ) -> usize {
        let cutoff = now.minus(self.age);
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let mut count = 0;
        while let Some(segment) = segments.get(count) {
            let next = segments.get(count + 1);
            let old = segment.latest <= cutoff;
            let over = bytes > bound && next.is_some();
            if committed < next.map_or(high, |next| next.first) || !(old || over) {
                break;
            }
            bytes -= segment.bytes;
            count += 1;
        }
        count
    }
}

impl Overfull {
    /// What an append is answered.
    pub(super) fn sentence(&self) -> String {
        let size = |bytes| bytesize::ByteSize(bytes).display().iec().to_string();
        format!(
            "partition {} holds {} of the {} that it may keep, and the lake lacks its oldest records: \
             start a transformer, or raise topic.retention_size",
            self.partition,
            size(self.bytes),
            size(self.bound)
        )
    }
}
