//! The window: which ids a partition's topic has seen shortly before.
//!
//! A record is a duplicate when its id was last seen at a lower offset, at most
//! `window_records` offsets and `window` of append time before, whatever became of that
//! record. So the answer is a function of a bounded stretch of topic, and a worker that
//! reads that stretch again answers the same.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use topic::clock::STEP_BACK;
use topic::{Offset, Timestamp};

/// An event's id as the lake keeps it.
type Id = [u8; 16];

/// A record: its id, when it came and with what content. 40 bytes, and some 15 more for its
/// place: the window is the largest thing that a worker holds, so an id is in it once.
#[derive(Debug, Clone, Copy)]
struct Seen {
    id: Id,
    offset: Offset,
    appended_at: Timestamp,
    content: u32,
}

/// Where a stretch begins: the first record's offset and append time.
pub(crate) type Seam = (Offset, Timestamp);

/// What the window says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The id is new here.
    New,
    /// Its twin stands shortly before.
    Duplicate {
        /// Whether the twin's content was another.
        differs: bool,
    },
}

/// The ids of one partition's last stretch.
#[derive(Debug)]
pub(crate) struct Window {
    within: Duration,
    records: u64,
    /// The stretch, oldest first.
    seen: VecDeque<Seen>,
    /// How many have left it.
    gone: usize,
    /// Of each id its last record's place in the stretch, counted from the first ever.
    last: HashTable<usize>,
    /// Keyed at random: clients choose their ids.
    hasher: RandomState,
}

impl Window {
    pub(crate) fn new(within: Duration, records: u64) -> Self {
        Self {
            within,
            records,
            seen: VecDeque::new(),
            gone: 0,
            last: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// Notes the record, and says whether its twin was seen. `content` is a checksum of the
    /// click's bytes.
    pub(crate) fn observe(
        &mut self,
        id: Id,
        offset: Offset,
        appended_at: Timestamp,
        content: u32,
    ) -> Verdict {
        self.forget(offset, appended_at);
        let (seen, gone, hasher) = (&self.seen, self.gone, &self.hasher);
        let place = gone + seen.len();
        let entry = self.last.entry(
            hasher.hash_one(id),
            |&place| seen[place - gone].id == id,
            |&place| hasher.hash_one(seen[place - gone].id),
        );
        let twin = match entry {
            Entry::Occupied(mut last) => {
                let twin = seen[*last.get() - gone];
                *last.get_mut() = place;
                Some(twin)
            }
            Entry::Vacant(last) => {
                last.insert(place);
                None
            }
        };
        self.seen.push_back(Seen {
            id,
            offset,
            appended_at,
            content,
        });
        match twin {
            Some(twin) if self.holds(twin, offset, appended_at) => Verdict::Duplicate {
                differs: twin.content != content,
            },
            _ => Verdict::New,
        }
    }

    fn holds(&self, twin: Seen, offset: Offset, appended_at: Timestamp) -> bool {
        twin.offset.distance(offset) <= self.records
            && appended_at.since(twin.appended_at) <= self.within
    }

    /// Whether a stretch that begins at `first` and reaches to this record holds every twin that
    /// a later one can meet: append times may have stepped back before it, and may do so again.
    pub(crate) fn is_filled(&self, first: Seam, offset: Offset, appended_at: Timestamp) -> bool {
        let (begun, begun_at) = first;
        begun.distance(offset) >= self.records
            || appended_at.since(begun_at) > self.within + STEP_BACK * 2
    }

    /// Lets go what no later record can meet; [`Window::holds`] decides.
    fn forget(&mut self, offset: Offset, appended_at: Timestamp) {
        while let Some(&old) = self.seen.front() {
            let near = old.offset.distance(offset) <= self.records;
            if near && appended_at.since(old.appended_at) <= self.within + STEP_BACK {
                break;
            }
            let hash = self.hasher.hash_one(old.id);
            // Where its id came again, that record's place stands there.
            if let Ok(last) = self.last.find_entry(hash, |&place| place == self.gone) {
                last.remove();
            }
            self.seen.pop_front();
            self.gone += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn check(records: &[(u8, u64, i64, u32)], expect: &[Option<bool>]) {
        let mut window = Window::new(Duration::from_secs(60), 1_000);
        let verdicts: Vec<Option<bool>> = records
            .iter()
            .map(|&(id, offset, at, content)| {
                let at = Timestamp::from_micros(at * SECOND);
                match window.observe([id; 16], Offset(offset), at, content) {
                    Verdict::New => None,
                    Verdict::Duplicate { differs } => Some(differs),
                }
            })
            .collect();
        assert_eq!(verdicts, expect);
    }

    #[test]
    fn input_22_a_twin_within_the_window_is_a_duplicate_whatever_its_content() {
        check(
            &[(1, 0, 0, 7), (2, 1, 1, 7), (1, 2, 60, 7)],
            &[None, None, Some(false)],
        );
        check(&[(1, 0, 0, 7), (1, 1, 1, 8)], &[None, Some(true)]);
    }

    #[test]
    fn a_twin_beyond_time_or_offsets_is_a_new_click() {
        check(&[(1, 0, 0, 7), (1, 1, 61, 7)], &[None, None]);
        check(&[(1, 0, 0, 7), (1, 1_001, 1, 7)], &[None, None]);
    }

    #[test]
    fn a_duplicate_renews_the_window() {
        check(
            &[(1, 0, 0, 7), (1, 1, 50, 7), (1, 2, 100, 7)],
            &[None, Some(false), Some(false)],
        );
    }

    #[test]
    fn a_clock_that_steps_back_still_meets_the_twin() {
        check(
            &[(1, 0, 100, 7), (2, 1, 161, 7), (1, 2, 150, 7)],
            &[None, None, Some(false)],
        );
    }

    #[test]
    fn many_ids_come_again_and_go() {
        let mut window = Window::new(Duration::from_secs(60), 1_000);
        for offset in 0..20_000_u64 {
            // Each id twice, 500 offsets apart, and never again within the window.
            let id = (offset / 1_000 * 500 + offset % 500).to_be_bytes();
            let id = [id, id].concat().try_into().unwrap();
            let at = Timestamp::from_micros(0);
            let twin = window.observe(id, Offset(offset), at, 7) != Verdict::New;
            assert_eq!(twin, offset % 1_000 >= 500, "{offset}");
        }
        assert_eq!((window.seen.len(), window.last.len()), (1_001, 501));
    }
}
