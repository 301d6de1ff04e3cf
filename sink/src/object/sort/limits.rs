//! How much sorting takes.

/// How much memory and how much of a disk sorting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SortLimits {
    /// Rows of so many bytes in memory are sorted and spilled as a run.
    pub(crate) sort_bytes: usize,
    /// An object is closed at this size.
    pub(crate) object_bytes: u64,
    /// A row group is closed at this size …
    pub(crate) group_bytes: usize,
    /// … or at so many rows.
    pub(crate) group_rows: usize,
}

impl Default for SortLimits {
    fn default() -> Self {
        Self {
            sort_bytes: SORT_BYTES,
            object_bytes: OBJECT_BYTES,
            group_bytes: GROUP_BYTES,
            group_rows: GROUP_ROWS,
        }
    }
}

/// With 24 MiB of rows a compaction grows the process by less than 128 MiB: the merge takes as much
/// for the runs that it reads, and the object that is written as much again.
pub(crate) const SORT_BYTES: usize = 24 << 20;
/// What engines like to read: large enough that few are listed, small enough that one is rewritten
/// soon.
pub(crate) const OBJECT_BYTES: u64 = 512 << 20;
/// A reader of a sorted object holds one row group of it.
const GROUP_BYTES: usize = 8 << 20;
/// What engines read at once, and skip by its least and greatest times.
const GROUP_ROWS: usize = 128 << 10;
