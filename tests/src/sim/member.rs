//! A member of a consumer group of the simulation: a reader.

use std::sync::Arc;

use async_trait::async_trait;
use topic::{Event, Offset, Partition, ReadError, ReadPositions, Reader};

use super::brokers::Brokers;
use super::{Bug, Fault, Link, Process};

/// The most records of one event.
const MAX_EVENT_RECORDS: u64 = 60;

/// A member, and what it was assigned.
pub(super) struct Member {
    brokers: Arc<Brokers>,
    process: Arc<Process>,
    group: String,
    id: u64,
    positions: ReadPositions,
    bug: Option<Bug>,
}

impl Member {
    pub(super) fn join(
        brokers: &Arc<Brokers>,
        process: &Arc<Process>,
        group: &str,
        bug: Option<Bug>,
    ) -> Self {
        Self {
            brokers: brokers.clone(),
            process: process.clone(),
            group: group.to_owned(),
            id: brokers.join(group, process),
            positions: ReadPositions::default(),
            bug,
        }
    }

    /// The group's next event for this member. One that was evicted joins anew.
    fn event(&mut self) -> Option<Event> {
        let mut groups = self.brokers.groups.lock();
        let (event, rejoin) = groups.get_mut(&self.group)?.next(self.id);
        drop(groups);
        if let Some(event) = &event {
            self.positions.follow(event);
        }
        if rejoin {
            self.brokers.leave(&self.group, self.id);
            self.id = self.brokers.join(&self.group, &self.process);
        }
        event
    }

    /// Records of the next partition that has any.
    fn read(&mut self) -> Result<Option<Event>, ReadError> {
        let marks = self.brokers.marks();
        for (partition, from) in self.positions.turns() {
            if from < marks[&partition].low || from > marks[&partition].high {
                self.positions.silence(partition);
                let partition = Some(partition);
                return Err(ReadError::OutOfRange { partition });
            }
            let limit = self.brokers.dice.number(1..MAX_EVENT_RECORDS);
            let limit = usize::try_from(limit).expect("it is small");
            let records = self.brokers.read(partition, from, limit);
            if let Some(last) = records.last() {
                self.positions.advance(partition, last.offset.next());
                return Ok(Some(Event::Records { partition, records }));
            }
        }
        Ok(None)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A killed process says nothing to its group: its session runs out.
        if !self.process.is_dead() {
            self.brokers.leave(&self.group, self.id);
        }
    }
}

#[async_trait]
impl Reader for Member {
    async fn next(&mut self) -> Result<Event, ReadError> {
        let brokers = self.brokers.clone();
        loop {
            self.process.pass().await;
            let changed = brokers.changed.notified();
            if self.process.is_cut(Link::Topic).await || brokers.dice.strikes(Fault::ReadFailed, 5)
            {
                return Err(ReadError::Unavailable("the brokers do not answer".into()));
            }
            if let Some(event) = self.event() {
                return Ok(event);
            }
            if let Some(event) = self.read()? {
                return Ok(event);
            }
            changed.await;
        }
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), ReadError> {
        let believed = || {
            let groups = self.brokers.groups.lock();
            groups.get(&self.group)?.reported.get(&partition).copied()
        };
        let offset = match self.bug {
            Some(Bug::GroupBelieved) => believed().unwrap_or(offset),
            _ => offset,
        };
        self.positions.seek(partition, offset);
        self.brokers.changed.notify_waiters();
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
        if let Some(group) = self.brokers.groups.lock().get_mut(&self.group) {
            group.reported.insert(partition, end);
        }
    }
}
