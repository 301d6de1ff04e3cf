//! A consumer group of the simulation's brokers: its members, and which partition each has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;
use topic::{Event, Offset, Partition, Revocation};

use super::Process;

/// A group: its members, and who has what.
#[derive(Default)]
pub(super) struct Group {
    members: BTreeMap<u64, Mailbox>,
    owners: BTreeMap<Partition, Owner>,
    joined: u64,
    /// What members reported as committed to the lake; nothing of ours reads it.
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

/// Partitions that a member was asked to let go.
pub(super) struct Leaving {
    pub(super) member: u64,
    pub(super) partitions: Vec<Partition>,
    pub(super) acknowledged: oneshot::Receiver<()>,
}

impl Group {
    /// Adds a member, which has nothing yet.
    pub(super) fn join(&mut self, process: &Arc<Process>) -> u64 {
        let id = self.joined;
        self.joined += 1;
        let mailbox = Mailbox {
            process: process.clone(),
            events: VecDeque::new(),
            evicted: false,
        };
        self.members.insert(id, mailbox);
        id
    }

    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        self.release(member);
    }

    /// Goes on without the member of this process. Returns false if it has none.
    pub(super) fn evict(&mut self, process: &Arc<Process>) -> bool {
        let of = |mailbox: &Mailbox| Arc::ptr_eq(&mailbox.process, process);
        let found = self.members.iter().find(|(_, mailbox)| of(mailbox));
        let Some((&id, _)) = found else { return false };
        let mut partitions = self.held(Owner::Member(id));
        partitions.extend(self.held(Owner::Leaving(id)));
        self.release(id);
        if let Some(mailbox) = self.members.get_mut(&id) {
            mailbox.evicted = true;
            // Events that it has not taken are void.
            mailbox.events.clear();
        }
        let (ack, _nobody_waits) = Revocation::channel();
        self.tell(id, Event::Revoked { partitions, ack });
        true
    }

    /// The member's next event (`None` if there is none), and whether it must join anew.
    pub(super) fn next(&mut self, member: u64) -> (Option<Event>, bool) {
        let Some(mailbox) = self.members.get_mut(&member) else {
            return (None, false);
        };
        let event = mailbox.events.pop_front();
        let rejoin = event.is_none() && mailbox.evicted;
        (event, rejoin)
    }

    /// Asks members that have too many of `count` partitions to let go, and gives free ones to
    /// those that have too few.
    pub(super) fn balance(&mut self, count: usize) -> Vec<Leaving> {
        let present = self.members.iter().filter(|(_, mailbox)| !mailbox.evicted);
        let mut members: Vec<(usize, u64)> = present
            .map(|(&id, _)| (self.held(Owner::Member(id)).len(), id))
            .collect();
        // The odd partitions stay with those that have most, so that few move.
        members.sort_by_key(|&(held, id)| (Reverse(held), id));
        let (even, odd) = (count / members.len().max(1), count % members.len().max(1));
        let quota = |place: usize| even + usize::from(place < odd);
        let mut leaving = Vec::new();
        for (place, &(_, member)) in members.iter().enumerate() {
            let mut held = self.held(Owner::Member(member));
            let partitions = held.split_off(quota(place).min(held.len()));
            if partitions.is_empty() {
                continue;
            }
            for &partition in &partitions {
                self.owners.insert(partition, Owner::Leaving(member));
            }
            let (ack, acknowledged) = Revocation::channel();
            leaving.push(Leaving {
                member,
                partitions: partitions.clone(),
                acknowledged,
            });
            self.tell(member, Event::Revoked { partitions, ack });
        }
        for (place, &(_, member)) in members.iter().enumerate() {
            let room = quota(place).saturating_sub(self.held(Owner::Member(member)).len());
            let all = (0..u32::try_from(count).expect("partitions are few")).map(Partition);
            let free = all.filter(|partition| !self.owners.contains_key(partition));
            let partitions: Vec<Partition> = free.take(room).collect();
            for &partition in &partitions {
                self.owners.insert(partition, Owner::Member(member));
            }
            if !partitions.is_empty() {
                self.tell(member, Event::Assigned { partitions });
            }
        }
        leaving
    }

    /// Frees what a member was asked to let go.
    pub(super) fn let_go(&mut self, member: u64, partitions: &[Partition]) {
        for partition in partitions {
            if self.owners.get(partition) == Some(&Owner::Leaving(member)) {
                self.owners.remove(partition);
            }
        }
    }

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
