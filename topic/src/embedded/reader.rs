//! A reader: one member of a group, with its own positions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::group::Group;
use super::handle::StoreHandle;
use super::segment::Limits;
use super::store::{BATCH_BYTES, BATCH_RECORDS};
use crate::{Event, Offset, Partition, ReadError, Reader, Record};

/// How long a reader waits before it says that the store does not answer, so that a
/// loop that calls again does not spin.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(100);

/// One member of a group.
pub(super) struct EmbeddedReader {
    shared: Arc<StoreHandle>,
    group: Arc<Group>,
    id: u64,
    wake: Arc<Notify>,
    appended: watch::Receiver<u64>,
    assigned: BTreeMap<Partition, ReadPosition>,
    /// The partition that was read last: the next one has its turn.
    last: Option<Partition>,
}

/// Where a partition is read.
#[derive(Default)]
struct ReadPosition {
    /// `None` until the seek.
    offset: Option<Offset>,
    paused: bool,
}

impl EmbeddedReader {
    /// Joins the group.
    pub(super) fn join(shared: Arc<StoreHandle>, group: Arc<Group>) -> Self {
        let (id, wake) = group.join();
        let appended = shared.appended.subscribe();
        Self {
            shared,
            group,
            id,
            wake,
            appended,
            assigned: BTreeMap::new(),
            last: None,
        }
    }

    /// The partitions that may be read, the one after the last first.
    fn turns(&self) -> Vec<(Partition, Offset)> {
        let ready = |(&partition, position): (&Partition, &ReadPosition)| {
            position
                .offset
                .filter(|_| !position.paused)
                .map(|offset| (partition, offset))
        };
        let mut turns: Vec<_> = self.assigned.iter().filter_map(ready).collect();
        let after = turns.partition_point(|&(partition, _)| Some(partition) <= self.last);
        turns.rotate_left(after);
        turns
    }

    /// Records of the first partition that has any.
    async fn read(&mut self) -> Result<Option<Event>, ReadError> {
        for (partition, from) in self.turns() {
            let read = self.read_at(partition, from).await;
            match read {
                Ok(records) => {
                    let Some(last) = records.last() else {
                        continue;
                    };
                    if let Some(position) = self.assigned.get_mut(&partition) {
                        position.offset = Some(last.offset.next());
                    }
                    self.last = Some(partition);
                    return Ok(Some(Event::Records { partition, records }));
                }
                Err(ReadError::Unavailable(detail)) => {
                    tokio::time::sleep(UNAVAILABLE_PAUSE).await;
                    return Err(ReadError::Unavailable(detail));
                }
                Err(error) => {
                    // Said once; then the partition is silent until the next seek.
                    if let Some(position) = self.assigned.get_mut(&partition) {
                        position.offset = None;
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    async fn read_at(&self, partition: Partition, from: Offset) -> Result<Vec<Record>, ReadError> {
        let out = Err(ReadError::OutOfRange {
            partition: Some(partition),
        });
        let marks = self.shared.with(|store| store.watermarks(partition))?;
        if from < marks.low || from > marks.high {
            return out;
        }
        if from == marks.high {
            return Ok(Vec::new());
        }
        let limits = Limits {
            records: BATCH_RECORDS,
            bytes: BATCH_BYTES,
        };
        let records = self
            .shared
            .run(move |store| store.read(partition, from, limits))
            .await?;
        if records.first().is_some_and(|record| record.offset == from) {
            return Ok(records);
        }
        // Retention may have passed between the two looks.
        if self.shared.with(|store| store.watermarks(partition))?.low > from {
            return out;
        }
        let detail = String::from("the record is not there");
        Err(ReadError::Corrupt {
            partition,
            offset: from,
            detail,
        })
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn next(&mut self) -> Result<Event, ReadError> {
        loop {
            if let Some(event) = self.group.event(self.id) {
                match &event {
                    Event::Assigned { partitions } => {
                        let silent = |&partition| (partition, ReadPosition::default());
                        self.assigned.extend(partitions.iter().map(silent));
                    }
                    Event::Revoked { partitions, .. } => {
                        self.assigned
                            .retain(|partition, _| !partitions.contains(partition));
                    }
                    Event::Records { .. } => {}
                }
                return Ok(event);
            }
            // Marked as seen before the look, so that what comes after it wakes.
            self.appended.borrow_and_update();
            if let Some(event) = self.read().await? {
                return Ok(event);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                changed = self.appended.changed() => changed.map_err(|_| ReadError::Closed)?,
            }
        }
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), ReadError> {
        // It was revoked meanwhile: the event says so.
        let Some(position) = self.assigned.get_mut(&partition) else {
            return Ok(());
        };
        position.offset = None;
        let marks = self.shared.with(|store| store.watermarks(partition));
        if marks.is_ok_and(|marks| offset < marks.low || offset > marks.high) {
            return Err(ReadError::OutOfRange {
                partition: Some(partition),
            });
        }
        position.offset = Some(offset);
        Ok(())
    }

    fn pause(&mut self, partition: Partition) -> Result<(), ReadError> {
        if let Some(position) = self.assigned.get_mut(&partition) {
            position.paused = true;
        }
        Ok(())
    }

    fn resume(&mut self, partition: Partition) -> Result<(), ReadError> {
        if let Some(position) = self.assigned.get_mut(&partition) {
            position.paused = false;
        }
        Ok(())
    }

    fn report(&mut self, partition: Partition, end: Offset) {
        self.group.report(partition, end);
    }
}
