//! Which partition a draft goes to.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::Partition;

/// Where a draft goes.
#[derive(Default)]
pub(super) struct Placement {
    /// The next keyless draft's place.
    turn: AtomicU32,
}

impl Placement {
    /// As librdkafka's default partitioner places a key, so that both backends agree;
    /// keyless drafts go round.
    pub(super) fn partition(&self, key: &[u8], count: u32) -> Partition {
        let place = if key.is_empty() {
            self.turn.fetch_add(1, Ordering::Relaxed)
        } else {
            crc32fast::hash(key)
        };
        Partition(place % count)
    }
}
