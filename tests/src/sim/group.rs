//! Consumer groups of the simulation's brokers, and their members.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use topic::{Event, Offset, Partition, ReadError, Reader, Revocation};

use super::broker::Brokers;
use super::{Bug, Fault, Link, Process};

/// How long the brokers wait for a member that was asked to let go.
const HANDOVER: Duration = Duration::from_secs(5);
/// The most records of one event.
const RECORDS: u64 = 60;

/// A group: who is in it, and who has what.
#[derive(Default)]
pub(super) struct Group {
    members: BTreeMap<u64, Mailbox>,
    owners: BTreeMap<Partition, Owner>,
    joined: u64,
    /// What members said of the lake; nothing of ours reads it.
    pub(super) reported: BTreeMap<Partition, Offset>,
}

struct Mailbox {
    process: Arc<Process>,
    events: VecDeque<Event>,
    /// The group goes on without it; it does not know yet.
    evicted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Member(u64),
    /// The member was asked to let go.
    Leaving(u64),
}

impl Group {
    fn held(&self, owner: Owner) -> Vec<Partition> {
        let held = self.owners.iter().filter(|(_, whose)| **whose == owner);
        held.map(|(partition, _)| *partition).collect()
    }

    fn release(&mut self, member: u64) {
        let of = |owner: &Owner| matches!(owner, Owner::Member(who) | Owner::Leaving(who) if *who == member);
        self.owners.retain(|_, owner| !of(owner));
    }

    fn tell(&mut self, member: u64, event: Event) {
        if let Some(mailbox) = self.members.get_mut(&member) {
            mailbox.events.push_back(event);
        }
    }
}

impl Brokers {
    fn join(self: &Arc<Self>, group: &str, process: &Arc<Process>) -> u64 {
        let mut groups = self.groups.lock();
        let joined = groups.entry(group.to_owned()).or_default();
        let id = joined.joined;
        joined.joined += 1;
        let mailbox = Mailbox {
            process: process.clone(),
            events: VecDeque::new(),
            evicted: false,
        };
        joined.members.insert(id, mailbox);
        drop(groups);
        self.balance(group);
        id
    }

    fn leave(self: &Arc<Self>, group: &str, member: u64) {
        if let Some(left) = self.groups.lock().get_mut(group) {
            left.members.remove(&member);
            left.release(member);
        }
        self.balance(group);
    }

    /// The session of every member of this process has run out.
    pub fn evict(self: &Arc<Self>, process: &Arc<Process>) {
        let mut names = Vec::new();
        for (name, group) in self.groups.lock().iter_mut() {
            let of = |mailbox: &Mailbox| Arc::ptr_eq(&mailbox.process, process);
            let found = group.members.iter().find(|(_, mailbox)| of(mailbox));
            let Some((&id, _)) = found else { continue };
            let mut partitions = group.held(Owner::Member(id));
            partitions.extend(group.held(Owner::Leaving(id)));
            group.release(id);
            if let Some(mailbox) = group.members.get_mut(&id) {
                mailbox.evicted = true;
                // What it was told and has not heard is void.
                mailbox.events.clear();
            }
            let (ack, _nobody_waits) = Revocation::channel();
            group.tell(id, Event::Revoked { partitions, ack });
            names.push(name.clone());
        }
        names.iter().for_each(|name| self.balance(name));
    }

    /// Sets what the group is said to have read, or deletes it.
    pub fn reset_offsets(&self, group: &str) {
        let marks = self.marks();
        if let Some(group) = self.groups.lock().get_mut(group) {
            group.reported.clear();
            for (partition, marks) in marks {
                if self.dice.chance(700) {
                    let offset = Offset(self.dice.number(0..marks.high.0 + 50));
                    group.reported.insert(partition, offset);
                }
            }
        }
    }

    /// Asks members that have too many partitions to let go, and gives free ones to those
    /// that have too few. Runs again when something was let go.
    pub(super) fn balance(self: &Arc<Self>, name: &str) {
        let count = self.logs.lock().len();
        let mut groups = self.groups.lock();
        let Some(group) = groups.get_mut(name) else {
            return;
        };
        let present = group.members.iter().filter(|(_, mailbox)| !mailbox.evicted);
        let mut members: Vec<(usize, u64)> = present
            .map(|(&id, _)| (group.held(Owner::Member(id)).len(), id))
            .collect();
        // The odd partitions stay with those that have most, so that few move.
        members.sort_by_key(|&(held, id)| (std::cmp::Reverse(held), id));
        let (even, odd) = (count / members.len().max(1), count % members.len().max(1));
        let quota = |place: usize| even + usize::from(place < odd);
        for (place, &(_, id)) in members.iter().enumerate() {
            let mut held = group.held(Owner::Member(id));
            let partitions = held.split_off(quota(place).min(held.len()));
            if partitions.is_empty() {
                continue;
            }
            for &partition in &partitions {
                group.owners.insert(partition, Owner::Leaving(id));
            }
            let (ack, acknowledged) = Revocation::channel();
            let leaving = partitions.clone();
            group.tell(id, Event::Revoked { partitions, ack });
            let (brokers, name) = (self.clone(), name.to_owned());
            tokio::spawn(async move {
                // One that does not answer in time goes on without knowing.
                let _ = timeout(HANDOVER, acknowledged).await;
                brokers.let_go(&name, id, &leaving);
            });
        }
        for (place, &(_, id)) in members.iter().enumerate() {
            let room = quota(place).saturating_sub(group.held(Owner::Member(id)).len());
            let all = (0..u32::try_from(count).expect("partitions are few")).map(Partition);
            let free = all.filter(|partition| !group.owners.contains_key(partition));
            let partitions: Vec<Partition> = free.take(room).collect();
            for &partition in &partitions {
                group.owners.insert(partition, Owner::Member(id));
            }
            if !partitions.is_empty() {
                group.tell(id, Event::Assigned { partitions });
            }
        }
        drop(groups);
        self.changed.notify_waiters();
    }

    fn let_go(self: &Arc<Self>, name: &str, member: u64, partitions: &[Partition]) {
        if let Some(group) = self.groups.lock().get_mut(name) {
            for partition in partitions {
                if group.owners.get(partition) == Some(&Owner::Leaving(member)) {
                    group.owners.remove(partition);
                }
            }
        }
        self.balance(name);
    }
}

/// A member of a group: a reader.
pub(super) struct Member {
    brokers: Arc<Brokers>,
    process: Arc<Process>,
    group: String,
    id: u64,
    assigned: BTreeMap<Partition, Position>,
    /// The partition that was read last: the next one has its turn.
    last: Option<Partition>,
    bug: Option<Bug>,
}

#[derive(Default)]
struct Position {
    /// None until the seek.
    offset: Option<Offset>,
    paused: bool,
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
            assigned: BTreeMap::new(),
            last: None,
            bug,
        }
    }

    /// What the group says; one that was sent home hears so, and joins anew.
    fn event(&mut self) -> Option<Event> {
        let mut groups = self.brokers.groups.lock();
        let mailbox = groups.get_mut(&self.group)?.members.get_mut(&self.id)?;
        let event = mailbox.events.pop_front();
        let rejoin = event.is_none() && mailbox.evicted;
        drop(groups);
        match &event {
            Some(Event::Assigned { partitions }) => {
                let silent = partitions.iter().map(|&p| (p, Position::default()));
                self.assigned.extend(silent);
            }
            Some(Event::Revoked { partitions, .. }) => {
                self.assigned
                    .retain(|partition, _| !partitions.contains(partition));
            }
            _ => {}
        }
        if rejoin {
            self.brokers.leave(&self.group, self.id);
            self.id = self.brokers.join(&self.group, &self.process);
        }
        event
    }

    /// Records of the next partition that has any.
    fn read(&mut self) -> Result<Option<Event>, ReadError> {
        let mut turns: Vec<Partition> = self.assigned.keys().copied().collect();
        let after = turns.partition_point(|&partition| Some(partition) <= self.last);
        turns.rotate_left(after);
        let marks = self.brokers.marks();
        for partition in turns {
            let position = self.assigned.get_mut(&partition).expect("it is assigned");
            let Some(from) = position.offset.filter(|_| !position.paused) else {
                continue;
            };
            if from < marks[&partition].low || from > marks[&partition].high {
                position.offset = None;
                let partition = Some(partition);
                return Err(ReadError::OutOfRange { partition });
            }
            let limit = self.brokers.dice.number(1..RECORDS);
            let limit = usize::try_from(limit).expect("it is small");
            let records = self.brokers.read(partition, from, limit);
            if let Some(last) = records.last() {
                position.offset = Some(last.offset.next());
                self.last = Some(partition);
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
        // One that was revoked meanwhile: the event says so.
        let Some(position) = self.assigned.get_mut(&partition) else {
            return Ok(());
        };
        position.offset = Some(offset);
        self.brokers.changed.notify_waiters();
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
        if let Some(group) = self.brokers.groups.lock().get_mut(&self.group) {
            group.reported.insert(partition, end);
        }
    }
}
