//! A reader: one member of a group, with its own positions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::group::Group;
use super::handle::StoreHandle;
use super::segment::Limits;
use super::store::{BATCH_BYTES, BATCH_RECORDS};
use crate::{Event, Offset, Partition, ReadError, ReadPositions, Reader, Record};

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
    positions: ReadPositions,
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
            positions: ReadPositions::default(),
        }
    }

    /// Records of the first partition that has any.
    async fn read(&mut self) -> Result<Option<Event>, ReadError> {
        for (partition, from) in self.positions.turns() {
            let read = self.read_at(partition, from).await;
            match read {
                Ok(records) => {
                    let Some(last) = records.last() else {
                        continue;
                    };
                    self.positions.advance(partition, last.offset.next());
                    return Ok(Some(Event::Records { partition, records }));
                }
                Err(ReadError::Unavailable(detail)) => {
                    tokio::time::sleep(UNAVAILABLE_PAUSE).await;
                    return Err(ReadError::Unavailable(detail));
                }
                Err(error) => {
                    // Said once; then the partition is silent until the next seek.
                    self.positions.silence(partition);
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
                self.positions.follow(&event);
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
        if !self.positions.silence(partition) {
            return Ok(());
        }
        let marks = self.shared.with(|store| store.watermarks(partition));
        if marks.is_ok_and(|marks| offset < marks.low || offset > marks.high) {
            return Err(ReadError::OutOfRange {
                partition: Some(partition),
            });
        }
        self.positions.seek(partition, offset);
        Ok(())
    }

    fn pause(&mut self, partition: Partition) -> Result<(), ReadError> {
        self.positions.pause(partition, true);
        Ok(())
    }

    fn resume(&mut self, partition: Partition) -> Result<(), ReadError> {
        self.positions.pause(partition, false);
        Ok(())
    }

    fn report(&mut self, partition: Partition, end: Offset) {
        self.shared.committed.lock().insert(partition, end);
    }
}
