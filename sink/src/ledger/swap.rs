//! A swap: an entry of the ledger that puts objects in the place of others, whole and at once.

use std::fmt;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Timestamp};

use super::forget::ErasedShare;
use super::hex_text::hex_text;
use super::replayed::Promotion;
use crate::object::footer::Counts;
use crate::object::names::SWAPS;

/// Why rows and letters are taken out of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Somebody asked for it.
    Erased,
    /// They are older than an operator keeps.
    Expired,
}

/// Some objects are replaced by others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// What it is for. (An entry's own kind is `swap`.)
    pub by: SwapMaker,
    /// When its maker began with it.
    pub made_at: Timestamp,
    /// How many entries of the ledger its maker had read when it read what it replaces.
    pub read: u64,
    /// The replay that it puts in the live rows' place, or takes out again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// What it took out for a request to be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<ErasedShare>,
    /// The objects that count no longer, of rows or of dead letters.
    pub replaced: Vec<ReplacedObject>,
    /// The objects that count from now on.
    pub objects: Vec<SwapObject>,
    /// The objects of dead letters that hold the letters of its ranges.
    pub letters: Vec<SwapLetters>,
    /// What it covers, by partition and first. A commit that begins within a range counts for
    /// nothing, whenever it lands.
    pub ranges: Vec<CoveredRange>,
}

/// Who makes a swap, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwapMaker {
    /// Merges small objects. The rows stay the same.
    Compaction,
    /// Takes out what is older than an operator keeps.
    Retention,
    /// Rebuilds damaged objects from the topic.
    Repair,
    /// Puts a replay in the place of what was live.
    Promote,
    /// Puts back what a promotion replaced.
    Rollback,
    /// Takes out what somebody asked to be erased.
    Erasure,
    /// Turns dead letters into rows. It covers no range.
    Mend,
}

impl SwapMaker {
    /// Its name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compaction => "compaction",
            Self::Retention => "retention",
            Self::Repair => "repair",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Erasure => "erasure",
            Self::Mend => "mend",
        }
    }

    /// Returns true if the rows after such a swap are exactly those before it.
    #[must_use]
    pub const fn keeps_rows(self) -> bool {
        matches!(self, Self::Compaction)
    }
}

impl fmt::Display for SwapMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An object that a swap replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedObject {
    /// Its path in the lake.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub hash: String,
}

/// An object that a swap puts in the place of others: rows of any partitions of its ranges, in the
/// order of `occurred_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapObject {
    /// The SHA-256 of its bytes, in hexadecimal digits. It names the object.
    pub hash: String,
    /// Its size.
    pub bytes: u64,
    /// How many rows it holds.
    pub rows: u64,
    /// The least and the greatest `occurred_at` of the rows; `None` if it has no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred: Option<(Timestamp, Timestamp)>,
}

impl SwapObject {
    /// Its path in the lake.
    #[must_use]
    pub fn path(&self) -> Path {
        swap_path(&self.hash)
    }
}

/// The path of the object with this hash.
pub(crate) fn swap_path(hash: &str) -> Path {
    Path::from(format!("{SWAPS}/{hash}.parquet"))
}

/// An object of dead letters whose range a swap covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapLetters {
    /// The partition that its letters are of.
    pub partition: Partition,
    /// Its path in the lake.
    pub path: String,
    /// How many letters it holds.
    pub dead_letters: u64,
    /// The append time of the last record of the range that it was committed with.
    pub appended_at: Timestamp,
}

/// A range of a partition that a swap covers, and what became of its offsets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredRange {
    /// The partition.
    pub partition: Partition,
    /// Where it begins.
    pub first: Offset,
    /// Where it ends (exclusive).
    pub end: Offset,
    /// The append time of the record at `end - 1`.
    pub appended_at: Timestamp,
    /// What became of its offsets.
    #[serde(flatten)]
    pub counts: RangeCounts,
    /// The sum over its rows.
    pub digest: RowDigest,
}

/// What became of a covered range's offsets: `end - first` is their sum, without `differing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeCounts {
    /// As the footers of commits have them.
    #[serde(flatten)]
    pub counts: Counts,
    /// The duplicates whose content differs from their twin's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub differing: u64,
    /// Offsets whose rows or letters were erased.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Offsets whose rows or letters were taken out since they were old.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expired: u64,
    /// Offsets that were dead letters and are rows of a mend.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mended: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RangeCounts {
    /// All offsets of the range.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.counts
            .total()
            .saturating_add(self.erased)
            .saturating_add(self.expired)
            .saturating_add(self.mended)
    }

    /// How many rows the range's objects hold.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.counts.rows.saturating_add(self.mended)
    }

    /// Splits off so many rows, letters and other offsets. The others are duplicates, as far as
    /// there are any, then dropped ones, and so on.
    pub(crate) fn take(&mut self, rows: u64, letters: u64, others: u64) -> Self {
        let mut others = others;
        let mut some = |of: &mut u64| {
            let taken = others.min(*of);
            others -= taken;
            *of -= taken;
            taken
        };
        let mut taken = Self {
            counts: Counts {
                rows,
                dead_letters: letters,
                duplicates: some(&mut self.counts.duplicates),
                dropped: some(&mut self.counts.dropped),
                absent: some(&mut self.counts.absent),
            },
            erased: some(&mut self.erased),
            expired: some(&mut self.expired),
            ..Self::default()
        };
        taken.differing = taken.counts.duplicates.min(self.differing);
        taken.mended = rows.min(self.mended);
        taken.counts.rows -= taken.mended;
        self.differing -= taken.differing;
        self.mended -= taken.mended;
        self.counts.rows = self.counts.rows.saturating_sub(taken.counts.rows);
        self.counts.dead_letters = self.counts.dead_letters.saturating_sub(letters);
        taken
    }

    /// Counts so many rows and letters as taken out.
    pub(crate) const fn remove(&mut self, rows: u64, letters: u64, removal: Removal) {
        let mended = rows.saturating_sub(self.counts.rows);
        self.counts.rows -= rows - mended;
        self.mended -= mended;
        self.counts.dead_letters -= letters;
        let count = match removal {
            Removal::Erased => &mut self.erased,
            Removal::Expired => &mut self.expired,
        };
        *count += rows + letters;
    }

    /// Adds another range's.
    pub const fn add(&mut self, other: &Self) {
        self.counts.rows += other.counts.rows;
        self.counts.dead_letters += other.counts.dead_letters;
        self.counts.duplicates += other.counts.duplicates;
        self.counts.dropped += other.counts.dropped;
        self.counts.absent += other.counts.absent;
        self.differing += other.differing;
        self.erased += other.erased;
        self.expired += other.expired;
        self.mended += other.mended;
    }
}

impl CoveredRange {
    /// Returns true if it and another have an offset in common.
    #[must_use]
    pub fn meets(&self, partition: Partition, (first, end): (Offset, Offset)) -> bool {
        self.partition == partition && self.first < end && first < self.end
    }
}

/// A sum over rows that does not depend on their order: each row gives a hash of its partition,
/// offset, item and id, and the sum is taken modulo 2^128. Its text is 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RowDigest(pub(crate) u128);

impl RowDigest {
    /// The sum over the rows of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The sum without the rows of another.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

hex_text!(RowDigest, "no sum over rows");
