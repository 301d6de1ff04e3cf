//! What the segments hold in memory, and which one is written to a file next.
//!
//! fjall would do it by itself, but it wakes its workers through a queue that they write to,
//! too, and when writers fill that, everything hangs (fjall-rs/fjall, pull request 323): with many
//! partitions within a second. So no segment reaches fjall's own limit.

use std::collections::BTreeMap;
use std::time::Duration;

use fjall::{Database, Keyspace};

use crate::Partition;

/// How many bytes all segments hold before the fullest goes to a file. The segments that wait for
/// the worker, at most [`MAX_WAITING_FLUSHES`], come on top.
pub(super) const ALL_BYTES: u64 = 64 << 20;
/// How many bytes one holds before it does; a sixteenth of fjall's default.
const SEGMENT_BYTES: u64 = 4 << 20;
/// How many segments may wait for the worker before appends do.
const MAX_WAITING_FLUSHES: usize = 16;
/// How long appends wait: if the worker is dead, the next one fails.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes each partition's last segment holds in memory.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<Partition, u64>);

impl Memory {
    pub(super) fn add(&mut self, partition: Partition, bytes: u64) {
        *self.0.entry(partition).or_default() += bytes;
    }

    /// The partition whose segment must go to a file, which is then taken as empty; `None` if none
    /// must.
    pub(super) fn due(&mut self) -> Option<Partition> {
        let (&fullest, &most) = self.0.iter().max_by_key(|(_, bytes)| **bytes)?;
        let all: u64 = self.0.values().sum();
        (most >= SEGMENT_BYTES || all >= ALL_BYTES).then(|| {
            self.forget(fullest);
            fullest
        })
    }

    /// Its segment has gone to a file.
    pub(super) fn forget(&mut self, partition: Partition) {
        self.0.remove(&partition);
    }
}

/// Has the memory of a keyspace written to a file, after those that wait already.
#[expect(
    clippy::disallowed_methods,
    reason = "the store blocks, on threads for that"
)]
pub(super) fn hand_over(database: &Database, keyspace: &Keyspace) -> Result<(), fjall::Error> {
    let step = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    while database.outstanding_flushes() >= MAX_WAITING_FLUSHES && waited < FLUSH_TIMEOUT {
        std::thread::sleep(step);
        waited += step;
    }
    keyspace.rotate_memtable().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_goes_when_it_is_full_or_all_are() {
        let mut memory = Memory::default();
        assert_eq!(memory.due(), None);
        memory.add(Partition(1), SEGMENT_BYTES - 1);
        assert_eq!(memory.due(), None);
        memory.add(Partition(1), 1);
        assert_eq!((memory.due(), memory.due()), (Some(Partition(1)), None));
        let many = u32::try_from(ALL_BYTES / SEGMENT_BYTES).unwrap() * 4;
        for partition in 0..many {
            memory.add(Partition(partition), SEGMENT_BYTES / 4);
        }
        memory.add(Partition(7), 1);
        assert_eq!((memory.due(), memory.due()), (Some(Partition(7)), None));
    }
}
