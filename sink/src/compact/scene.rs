//! What compaction knows of the world, how much it takes, and what it did.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use topic::{Partition, Timestamp, Watermarks};

use super::period::PeriodLength;
use crate::Hour;
use crate::object::sort::limits::{OBJECT_BYTES, SORT_BYTES, SortLimits};

/// What compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compacted {
    /// The hours whose objects were merged.
    pub hours: u64,
    /// The days.
    pub days: u64,
    /// The months.
    pub months: u64,
    /// The closed hours, days and months that have objects to merge, as far as it has looked. What
    /// one swap cannot take counts as several.
    pub closed: u64,
    /// The objects among [`Compacted::left`] that cannot be read.
    pub damaged: u64,
    /// The objects that were replaced, and their bytes.
    pub replaced: u64,
    /// Their bytes.
    pub replaced_bytes: u64,
    /// The objects that took their place.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
    /// What was left as it is, and why.
    pub left: Vec<String>,
}

impl Compacted {
    /// How many hours, days and months were merged.
    #[must_use]
    pub const fn periods(&self) -> u64 {
        self.hours + self.days + self.months
    }

    /// How many of [`Compacted::closed`] are still to be merged.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let left = (self.left.len() as u64).saturating_sub(self.damaged);
        self.closed.saturating_sub(self.periods() + left)
    }

    /// Notes what else was left as it is, and is no period.
    pub fn leave(&mut self, left: Vec<String>) {
        self.damaged += left.len() as u64;
        self.left.extend(left);
    }

    /// The count of the periods of that length.
    pub(super) const fn merged(&mut self, length: PeriodLength) -> &mut u64 {
        match length {
            PeriodLength::Hour => &mut self.hours,
            PeriodLength::Day => &mut self.days,
            PeriodLength::Month => &mut self.months,
        }
    }
}

/// How much a compaction takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionLimits {
    /// It sorts as many rows at once as take this much memory, in bytes. More of them are spilled to
    /// files. It needs less than 128 MiB in all with the default.
    pub sort_bytes: usize,
    /// An object is closed at this size.
    pub object_bytes: u64,
    /// An hour with fewer objects is left as it is.
    pub min_objects: usize,
    /// A swap takes so many commits at most, and no more of their footers are held at once. What is
    /// left of an hour that has more is merged by further swaps.
    pub swap_objects: usize,
}

impl Default for CompactionLimits {
    fn default() -> Self {
        Self {
            sort_bytes: SORT_BYTES,
            object_bytes: OBJECT_BYTES,
            min_objects: MIN_OBJECTS,
            swap_objects: SWAP_OBJECTS,
        }
    }
}

impl CompactionLimits {
    pub(super) fn sorting(&self) -> SortLimits {
        SortLimits {
            sort_bytes: self.sort_bytes,
            object_bytes: self.object_bytes,
            ..SortLimits::default()
        }
    }
}

/// One object is merged with nothing.
const MIN_OBJECTS: usize = 2;
/// An hour of 64 partitions with an object a minute of each, or three days of one with two an hour.
const SWAP_OBJECTS: usize = 4_096;
/// An hour closes so long after its end: brokers' clocks may step back when a leader changes.
const CLOSING_TIME: Duration = Duration::from_mins(10);

/// What compaction has to know of the world.
#[derive(Debug, Clone)]
pub struct CompactionScene<'a> {
    /// What the topic held, asked before the compaction: an hour is closed if the lake has all of
    /// it.
    pub watermarks: &'a BTreeMap<Partition, Watermarks>,
    /// The time.
    pub now: Timestamp,
    /// How much it takes.
    pub limits: CompactionLimits,
}

/// When an hour is closed at the earliest.
pub(super) fn closes_at(hour: Hour) -> Timestamp {
    let ended = Timestamp::of_count(hour.next().0, topic::Unit::Hour);
    let closing = i64::try_from(CLOSING_TIME.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(ended.micros().saturating_add(closing))
}
