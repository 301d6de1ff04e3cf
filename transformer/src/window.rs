//! The window: which ids a partition's topic has seen shortly before.
//!
//! A record is a duplicate when its id was last seen at a lower offset, at most
//! `window_records` offsets and `window` of append time before, whatever became of that
//! record. So the answer is a function of a bounded range of topic, and a worker that
//! reads that range again answers the same.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use topic::clock::STEP_BACK;
use topic::{Offset, Timestamp};

/// An event's id in memory; see [`topic::id_key`].
type Id = [u8; 16];

/// How many records are allocated at once: a partition with few records takes no more.
const CHUNK_RECORDS: usize = 256;

/// A record: its id and a checksum of its content. 20 bytes, and some 10 more for its place:
/// the window is the largest thing that a worker holds, so an id is in it once, and what records
/// have in common is in their run.
#[derive(Debug, Clone, Copy)]
struct SeenId {
    id: Id,
    content: u32,
}

/// Records that are neighbours in the topic and came at one moment, as those of an append.
#[derive(Debug, Clone, Copy)]
struct AppendRun {
    /// The first one's place.
    place: usize,
    offset: Offset,
    appended_at: Timestamp,
}

/// Where a range begins: the first record's offset and append time.
pub(crate) type Seam = (Offset, Timestamp);

/// What the window says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// The id is new here.
    New,
    /// Its twin is shortly before.
    Duplicate {
        /// True if the twin's content was another.
        differs: bool,
    },
}

/// The ids of one partition's last range. A record's place is its number, counted from the
/// first ever.
#[derive(Debug)]
pub(crate) struct DuplicateWindow {
    within: Duration,
    records: u64,
    /// The range, oldest first; a chunk begins at a place that is a multiple of its length.
    seen: VecDeque<Vec<SeenId>>,
    /// Where and when each of them came, oldest first.
    runs: VecDeque<AppendRun>,
    /// The place of the oldest.
    gone: usize,
    /// The place of the next.
    next: usize,
    /// The place of each id's last record, without the upper half: a range is shorter.
    last: HashTable<u32>,
    /// Keyed at random: clients choose their ids.
    hasher: RandomState,
}

impl DuplicateWindow {
    pub(crate) fn new(within: Duration, records: u64) -> Self {
        Self {
            within,
            records: records.min(u64::from(u32::MAX) - 1),
            seen: VecDeque::new(),
            runs: VecDeque::new(),
            gone: 0,
            next: 0,
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
    ) -> Sighting {
        self.forget(offset, appended_at);
        let (seen, gone, hasher) = (&self.seen, self.gone, &self.hasher);
        let id_at = |&short: &u32| at(seen, gone, whole(gone, short)).id;
        let entry = self.last.entry(
            hasher.hash_one(id),
            |short| id_at(short) == id,
            |short| hasher.hash_one(id_at(short)),
        );
        let twin = match entry {
            Entry::Occupied(mut last) => {
                let twin = whole(gone, *last.get());
                *last.get_mut() = short(self.next);
                Some(twin)
            }
            Entry::Vacant(last) => {
                last.insert(short(self.next));
                None
            }
        };
        let verdict = match twin {
            Some(twin) if self.holds(twin, offset, appended_at) => Sighting::Duplicate {
                differs: at(&self.seen, self.gone, twin).content != content,
            },
            _ => Sighting::New,
        };
        self.note(SeenId { id, content }, offset, appended_at);
        verdict
    }

    fn note(&mut self, seen: SeenId, offset: Offset, appended_at: Timestamp) {
        let place = self.next;
        self.next += 1;
        match self.seen.back_mut() {
            Some(chunk) if chunk.len() < CHUNK_RECORDS => chunk.push(seen),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_RECORDS);
                chunk.push(seen);
                self.seen.push_back(chunk);
            }
        }
        let goes_on = self
            .runs
            .back()
            .is_some_and(|run| run.appended_at == appended_at && run.at(place) == offset);
        if !goes_on {
            self.runs.push_back(AppendRun {
                place,
                offset,
                appended_at,
            });
        }
    }

    fn holds(&self, twin: usize, offset: Offset, appended_at: Timestamp) -> bool {
        let begun = self.runs.partition_point(|run| run.place <= twin);
        let run = self.runs[begun - 1];
        run.at(twin).distance(offset) <= self.records
            && appended_at.since(run.appended_at) <= self.within
    }

    /// Returns true if a range that begins at `first` and reaches to this record holds every twin that
    /// a later one can meet: append times may have stepped back before it, and may do so again.
    pub(crate) fn is_filled(&self, first: Seam, offset: Offset, appended_at: Timestamp) -> bool {
        let (begun, begun_at) = first;
        begun.distance(offset) >= self.records
            || appended_at.since(begun_at) > self.within + STEP_BACK * 2
    }

    /// Forgets what no later record can meet; [`DuplicateWindow::holds`] decides.
    fn forget(&mut self, offset: Offset, appended_at: Timestamp) {
        while let Some(&run) = self.runs.front() {
            let near = run.at(self.gone).distance(offset) <= self.records;
            if near && appended_at.since(run.appended_at) <= self.within + STEP_BACK {
                break;
            }
            let hash = self
                .hasher
                .hash_one(at(&self.seen, self.gone, self.gone).id);
            // If its id came again, the map holds the later record's place.
            let oldest = short(self.gone);
            if let Ok(last) = self.last.find_entry(hash, |&place| place == oldest) {
                last.remove();
            }
            self.gone += 1;
            if self.gone.is_multiple_of(CHUNK_RECORDS) {
                self.seen.pop_front();
            }
            let next = self.runs.get(1).map_or(self.next, |run| run.place);
            if self.gone == next {
                self.runs.pop_front();
            }
        }
    }
}

impl AppendRun {
    /// The offset of one of its records.
    const fn at(&self, place: usize) -> Offset {
        Offset(self.offset.0 + (place - self.place) as u64)
    }
}

/// The record at a place, of a range that begins at `gone`.
fn at(seen: &VecDeque<Vec<SeenId>>, gone: usize, place: usize) -> &SeenId {
    &seen[place / CHUNK_RECORDS - gone / CHUNK_RECORDS][place % CHUNK_RECORDS]
}

/// A place without its upper half.
const fn short(place: usize) -> u32 {
    place as u32
}

/// The first place at or after `gone` that [`short`] makes this of.
const fn whole(gone: usize, short: u32) -> usize {
    gone + short.wrapping_sub(gone as u32) as usize
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn check(records: &[(u8, u64, i64, u32)], expect: &[Option<bool>]) {
        let mut window = DuplicateWindow::new(Duration::from_secs(60), 1_000);
        let verdicts: Vec<Option<bool>> = records
            .iter()
            .map(|&(id, offset, at, content)| {
                let at = Timestamp::from_micros(at * SECOND);
                match window.observe([id; 16], Offset(offset), at, content) {
                    Sighting::New => None,
                    Sighting::Duplicate { differs } => Some(differs),
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
        let mut window = DuplicateWindow::new(Duration::from_secs(60), 1_000);
        for offset in 0..20_000_u64 {
            // Each id twice, 500 offsets apart, and never again within the window.
            let id = (offset / 1_000 * 500 + offset % 500).to_be_bytes();
            let id = [id, id].concat().try_into().unwrap();
            let at = Timestamp::from_micros(0);
            let twin = window.observe(id, Offset(offset), at, 7) != Sighting::New;
            assert_eq!(twin, offset % 1_000 >= 500, "{offset}");
        }
        assert_eq!(window.next - window.gone, 1_001);
        assert_eq!((window.seen.len(), window.last.len()), (5, 501));
    }

    /// What the window promises, word by word, over all that was ever seen.
    fn twin(past: &[(u8, u64, i64, u32)], record: (u8, u64, i64, u32)) -> Option<bool> {
        let (id, offset, at, content) = record;
        let last = past.iter().rev().find(|past| past.0 == id)?;
        let held = offset - last.1 <= 1_000 && at - last.2 <= 60;
        held.then_some(last.3 != content)
    }

    #[test]
    fn any_range_is_judged_as_the_whole_past_would_be() {
        let mut choice = StdRng::seed_from_u64(7);
        for begin in [0, u32::MAX as usize - 3_000] {
            let mut window = DuplicateWindow::new(Duration::from_secs(60), 1_000);
            (window.gone, window.next) = (
                begin / CHUNK_RECORDS * CHUNK_RECORDS,
                begin / CHUNK_RECORDS * CHUNK_RECORDS,
            );
            let (mut offset, mut at, mut newest) = (0, 1_000, 1_000);
            let mut past = Vec::new();
            for _ in 0..20_000 {
                // Appends of several, absent offsets, pauses, and clocks that step back.
                offset += if choice.random_bool(0.1) {
                    choice.random_range(1..90)
                } else {
                    1
                };
                at += match choice.random_range(0..100) {
                    0 => choice.random_range(1..70),
                    1 => newest - at - choice.random_range(0..30),
                    2..20 => 1,
                    _ => 0,
                };
                newest = newest.max(at);
                let record = (choice.random(), offset, at, choice.random_range(0..2));
                let (id, _, _, content) = record;
                let appended_at = Timestamp::from_micros(at * SECOND);
                let verdict = window.observe([id; 16], Offset(offset), appended_at, content);
                let told = match verdict {
                    Sighting::New => None,
                    Sighting::Duplicate { differs } => Some(differs),
                };
                assert_eq!(told, twin(&past, record), "{record:?}");
                past.push(record);
            }
        }
    }
}
