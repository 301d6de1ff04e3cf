//! A consumer group within the process: its members share the partitions evenly, and
//! a partition stays where it is as long as that is even.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::{Event, Partition, Revocation};

/// How long a revoke waits for its acknowledgement.
pub(super) const REVOKE_TIMEOUT: Duration = Duration::from_secs(5);

/// One consumer group.
pub(super) struct Group {
    state: Mutex<GroupState>,
    /// Where the waits for acknowledgements run: a member may be dropped anywhere.
    runtime: Handle,
}

/// A member's number, counted from 0 and never given again.
type Id = u64;

struct GroupState {
    members: BTreeMap<Id, Mailbox>,
    owners: Vec<Owner>,
    joined: Id,
    revokes: u64,
}

/// What waits for a member's next call.
#[derive(Default)]
struct Mailbox {
    events: VecDeque<Event>,
    wake: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Free,
    Member(Id),
    /// Still the member's, until the revoke of this number is acknowledged.
    Leaving(Id, u64),
}

impl Group {
    pub(super) fn new(partitions: u32) -> Arc<Self> {
        let state = GroupState {
            members: BTreeMap::new(),
            owners: vec![Owner::Free; partitions as usize],
            joined: 0,
            revokes: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            runtime: Handle::current(),
        })
    }

    /// Adds a member; the notification wakes it when an event waits.
    pub(super) fn join(self: &Arc<Self>) -> (Id, Arc<Notify>) {
        let mut state = self.state.lock();
        let id = state.joined;
        state.joined += 1;
        let mailbox = Mailbox::default();
        let wake = Arc::clone(&mailbox.wake);
        state.members.insert(id, mailbox);
        self.balance(&mut state);
        (id, wake)
    }

    /// Removes a member; its partitions are free at once.
    pub(super) fn leave(self: &Arc<Self>, id: Id) {
        let mut state = self.state.lock();
        let gone = state.members.remove(&id);
        for owner in &mut state.owners {
            if matches!(owner, Owner::Member(who) | Owner::Leaving(who, _) if *who == id) {
                *owner = Owner::Free;
            }
        }
        self.balance(&mut state);
        drop(state);
        drop(gone);
    }

    /// A member's next event.
    pub(super) fn event(&self, id: Id) -> Option<Event> {
        self.state.lock().members.get_mut(&id)?.events.pop_front()
    }

    /// Gives free partitions to members that have too few, and asks those that have
    /// too many to let go. Runs again when they have.
    fn balance(self: &Arc<Self>, state: &mut GroupState) {
        let quotas = state.quotas();
        for (&id, &quota) in &quotas {
            let excess = state.held(id).split_off(quota.min(state.held(id).len()));
            let excess = state.withdraw(id, excess);
            if !excess.is_empty() {
                self.revoke(state, id, excess);
            }
        }
        for (&id, &quota) in &quotas {
            let room = quota.saturating_sub(state.held(id).len());
            let partitions: Vec<_> = state.owned(Owner::Free).take(room).collect();
            for partition in &partitions {
                state.owners[partition.0 as usize] = Owner::Member(id);
            }
            if !partitions.is_empty() {
                state.tell(id, Event::Assigned { partitions });
            }
        }
    }

    /// Asks a member to let go, and waits in the background until it did.
    fn revoke(self: &Arc<Self>, state: &mut GroupState, id: Id, partitions: Vec<Partition>) {
        let number = state.revokes;
        state.revokes += 1;
        for partition in &partitions {
            state.owners[partition.0 as usize] = Owner::Leaving(id, number);
        }
        let (ack, acknowledged) = Revocation::channel();
        state.tell(id, Event::Revoked { partitions, ack });
        let group = Arc::clone(self);
        self.runtime.spawn(async move {
            if tokio::time::timeout(REVOKE_TIMEOUT, acknowledged)
                .await
                .is_err()
            {
                tracing::warn!(
                    "a member of the group did not let go in time; its partitions go on without it"
                );
            }
            let mut state = group.state.lock();
            let leaving = Owner::Leaving(id, number);
            for owner in state.owners.iter_mut().filter(|owner| **owner == leaving) {
                *owner = Owner::Free;
            }
            group.balance(&mut state);
        });
    }
}

impl GroupState {
    /// How many partitions each member should have. The odd ones go to those that
    /// have most already, so that few move.
    fn quotas(&self) -> BTreeMap<Id, usize> {
        let count = self.members.len().max(1);
        let (even, odd) = (self.owners.len() / count, self.owners.len() % count);
        let mut ids: Vec<Id> = self.members.keys().copied().collect();
        ids.sort_by_key(|&id| std::cmp::Reverse(self.held(id).len()));
        let quota = |place| even + usize::from(place < odd);
        ids.into_iter()
            .enumerate()
            .map(|(place, id)| (id, quota(place)))
            .collect()
    }

    fn owned(&self, owner: Owner) -> impl Iterator<Item = Partition> {
        let owners = self.owners.iter().zip(0..);
        owners
            .filter(move |(who, _)| **who == owner)
            .map(|(_, number)| Partition(number))
    }

    fn held(&self, id: Id) -> Vec<Partition> {
        self.owned(Owner::Member(id)).collect()
    }

    fn tell(&mut self, id: Id, event: Event) {
        if let Some(mailbox) = self.members.get_mut(&id) {
            mailbox.events.push_back(event);
            mailbox.wake.notify_one();
        }
    }

    /// Takes back what a member was given and has not seen yet; returns the rest,
    /// which it must be asked for.
    fn withdraw(&mut self, id: Id, excess: Vec<Partition>) -> Vec<Partition> {
        let Some(mailbox) = self.members.get_mut(&id) else {
            return excess;
        };
        let mut seen = Vec::new();
        for partition in excess {
            let unseen = mailbox.events.iter_mut().any(|event| match event {
                Event::Assigned { partitions } => {
                    let before = partitions.len();
                    partitions.retain(|&given| given != partition);
                    partitions.len() < before
                }
                _ => false,
            });
            if unseen {
                self.owners[partition.0 as usize] = Owner::Free;
            } else {
                seen.push(partition);
            }
        }
        mailbox.events.retain(
            |event| !matches!(event, Event::Assigned { partitions } if partitions.is_empty()),
        );
        seen
    }
}
