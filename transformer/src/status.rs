//! A worker's state, for metrics and health checks.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;
use topic::{Offset, Partition};

/// A partition as its worker sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Where the lake ends, by this worker's last commit or by the tips.
    pub committed: Offset,
    /// Why the partition is stopped; `None` if it is not.
    pub stopped: Option<String>,
}

/// A worker's status, shared with its readers.
#[derive(Debug, Default)]
pub struct Status {
    partitions: Mutex<BTreeMap<Partition, PartitionStatus>>,
    landed: Arc<Notify>,
}

impl Status {
    /// Every partition that the worker holds now.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<Partition, PartitionStatus> {
        self.partitions.lock().clone()
    }

    /// Notified after each object that the worker commits; several may be one notification.
    #[must_use]
    pub fn landed(&self) -> Arc<Notify> {
        self.landed.clone()
    }

    pub(crate) fn lands(&self) {
        self.landed.notify_one();
    }

    pub(crate) fn committed(&self, partition: Partition, end: Offset) {
        let status = PartitionStatus {
            committed: end,
            stopped: None,
        };
        self.partitions.lock().insert(partition, status);
    }

    pub(crate) fn stopped(&self, partition: Partition, why: String) {
        self.partitions.lock().entry(partition).or_default().stopped = Some(why);
    }

    pub(crate) fn gone(&self, partition: Partition) {
        self.partitions.lock().remove(&partition);
    }

    /// Returns true if no partition is stopped.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.partitions
            .lock()
            .values()
            .all(|status| status.stopped.is_none())
    }
}
