//! What the pipeline keeps on this machine's disks and in the lake, as `compose` measures it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

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

/// Objects of the lake that have one fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// What becomes of them.
    pub state: &'static str,
    /// How many there are.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, as far as they are known.
    pub rows: u64,
}

/// Counts the objects of the lake; empty if they cannot be counted now.
pub type ObjectStates = Arc<dyn Fn() -> BoxFuture<'static, Vec<ObjectState>> + Send + Sync>;

/// Measures every place that is on a disk of this machine. It blocks.
pub type Disks = Arc<dyn Fn() -> Vec<DiskUse> + Send + Sync>;
