//! What the pipeline keeps on this machine's disks, as `compose` measures it.

use std::sync::Arc;
use std::time::Duration;

/// A place on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskUse {
    /// `topic`, `lake`, `catalog` or `spill`.
    pub place: &'static str,
    /// How many bytes it takes.
    pub bytes: u64,
    /// How many bytes it has grown by in a day, by the last hour; `None` while that is not known.
    /// 0 if it has not grown.
    pub growth: Option<u64>,
    /// How many bytes are free on its disk.
    pub free: u64,
    /// When the disk is full if the place goes on growing; `None` if it does not grow.
    pub full_in: Option<Duration>,
}

/// Measures every place that is on a disk of this machine. It blocks.
pub type Disks = Arc<dyn Fn() -> Vec<DiskUse> + Send + Sync>;
