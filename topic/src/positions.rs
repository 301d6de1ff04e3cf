//! Where a member of a group reads: the state that every [`Reader`](crate::Reader) without a
//! client library of its own keeps.

use std::collections::BTreeMap;

use crate::{Event, Offset, Partition};

/// The positions of the partitions that a member was assigned, and whose turn it is.
#[derive(Debug, Default)]
pub struct ReadPositions {
    assigned: BTreeMap<Partition, ReadPosition>,
    /// The partition that was read last: the next one has its turn.
    last: Option<Partition>,
}

#[derive(Debug, Default)]
struct ReadPosition {
    /// `None` until the seek.
    offset: Option<Offset>,
    paused: bool,
}

impl ReadPositions {
    /// Follows an event of the group. A partition that is assigned is silent until it is sought.
    pub fn follow(&mut self, event: &Event) {
        match event {
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
    }

    /// The partitions that may be read and where, the one after the last first.
    #[must_use]
    pub fn turns(&self) -> Vec<(Partition, Offset)> {
        let ready = |(&partition, position): (&Partition, &ReadPosition)| {
            let offset = position.offset.filter(|_| !position.paused)?;
            Some((partition, offset))
        };
        let mut turns: Vec<_> = self.assigned.iter().filter_map(ready).collect();
        let after = turns.partition_point(|&(partition, _)| Some(partition) <= self.last);
        turns.rotate_left(after);
        turns
    }

    /// A partition was read up to `next`, so the one after it has its turn.
    pub fn advance(&mut self, partition: Partition, next: Offset) {
        self.seek(partition, next);
        self.last = Some(partition);
    }

    /// Reads a partition from `offset` on. Nothing happens if it was revoked meanwhile, which an
    /// event says.
    pub fn seek(&mut self, partition: Partition, offset: Offset) {
        if let Some(position) = self.assigned.get_mut(&partition) {
            position.offset = Some(offset);
        }
    }

    /// Leaves a partition silent until the next seek. Returns false if it is not assigned.
    pub fn silence(&mut self, partition: Partition) -> bool {
        let position = self.assigned.get_mut(&partition);
        position.is_some_and(|position| {
            position.offset = None;
            true
        })
    }

    /// Stops and starts the reading of a partition, whose position stays.
    pub fn pause(&mut self, partition: Partition, paused: bool) {
        if let Some(position) = self.assigned.get_mut(&partition) {
            position.paused = paused;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_silent_until_it_is_sought_and_turns_go_round() {
        let mut positions = ReadPositions::default();
        let partitions = vec![Partition(0), Partition(1), Partition(2)];
        positions.follow(&Event::Assigned { partitions });
        assert!(positions.turns().is_empty(), "none is sought");
        for number in 0..3 {
            positions.seek(Partition(number), Offset(7));
        }
        positions.advance(Partition(0), Offset(9));
        positions.pause(Partition(1), true);
        let turns = [(Partition(2), Offset(7)), (Partition(0), Offset(9))];
        assert_eq!(positions.turns(), turns, "the one after the last is first");
        positions.pause(Partition(1), false);
        assert!(positions.silence(Partition(2)));
        let turns = [(Partition(1), Offset(7)), (Partition(0), Offset(9))];
        assert_eq!(positions.turns(), turns);
        assert!(!positions.silence(Partition(5)), "it is not assigned");
    }
}
