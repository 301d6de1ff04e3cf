//! The window: which ids a partition's topic has seen shortly before.
//!
//! A record is a duplicate when its id was last seen at a lower offset, at most
//! `window_records` offsets and `window` of append time before, whatever became of that
//! record. So the answer is a function of a bounded stretch of topic, and a worker that
//! reads that stretch again answers the same.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use topic::{Offset, Timestamp};

/// An event's id as the lake keeps it.
type Id = [u8; 16];

/// When and with what content an id was last seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    offset: Offset,
    appended_at: Timestamp,
    content: u32,
}

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
    seen: HashMap<Id, Seen>,
    order: VecDeque<(Offset, Timestamp, Id)>,
}

impl Window {
    pub(crate) fn new(within: Duration, records: u64) -> Self {
        Self {
            within,
            records,
            seen: HashMap::new(),
            order: VecDeque::new(),
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
        self.order.push_back((offset, appended_at, id));
        match self.seen.insert(
            id,
            Seen {
                offset,
                appended_at,
                content,
            },
        ) {
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

    /// Lets go what no later record can meet. Append times may step back a little, so a
    /// stretch twice as long is kept; [`Window::holds`] decides.
    fn forget(&mut self, offset: Offset, appended_at: Timestamp) {
        while let Some(&(old, at, id)) = self.order.front() {
            let near = old.distance(offset) <= self.records;
            if near && appended_at.since(at) <= self.within * 2 {
                break;
            }
            self.order.pop_front();
            if self.seen.get(&id).is_some_and(|seen| seen.offset == old) {
                self.seen.remove(&id);
            }
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
}
