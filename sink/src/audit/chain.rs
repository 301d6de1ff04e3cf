//! A partition's objects, one after the other: each should begin where the one before it ended.

use topic::{Offset, Partition, Watermarks};

use super::finding::{Finding, restore};
use super::report::Audit;
use crate::{Counts, CoveredRange, Footer, Ledger};

/// An object's range and counts.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) path: String,
    pub(super) first: Offset,
    pub(super) end: Offset,
    pub(super) counts: Counts,
    /// True if the object is sound; what an unsound one held is lost.
    pub(super) sound: bool,
    /// True if only the catalog knows it.
    stand_in: bool,
}

impl Link {
    pub(super) fn new(path: String, footer: &Footer, sound: bool) -> Self {
        Self {
            path,
            first: footer.first,
            end: footer.end,
            counts: footer.counts,
            sound,
            stand_in: false,
        }
    }

    /// A range that swaps cover.
    pub(super) fn covered(path: String, range: &CoveredRange, sound: bool) -> Self {
        let counts = range.counts;
        Self {
            path,
            first: range.first,
            end: range.end,
            counts: Counts {
                rows: counts.counts.rows + counts.mended,
                dropped: counts.counts.dropped + counts.erased + counts.expired,
                ..counts.counts
            },
            sound,
            stand_in: false,
        }
    }

    /// The range of an object that is not there or cannot be read, as the catalog knows it.
    pub(super) fn stand_in(path: String, footer: &Footer) -> Self {
        Self {
            stand_in: true,
            ..Self::new(path, footer, false)
        }
    }

    /// Returns true if two hold an offset in common, or begin at the same one.
    fn meets(&self, other: &Self) -> bool {
        self.first == other.first || (self.first < other.end && other.first < self.end)
    }
}

/// How far a partition was added up.
struct ChainWalk<'a> {
    ledger: &'a Ledger,
    partition: Partition,
    marks: Watermarks,
    /// Where the next object should begin.
    at: Offset,
    /// The path of the object that reaches furthest; `None` before the first.
    before: Option<&'a str>,
    /// Offsets that gaps accepted, and offsets without a record.
    accepted: u64,
    absent: u64,
}

impl ChainWalk<'_> {
    /// Goes to the end of the gaps that begin here.
    fn pass_gaps(&mut self) {
        let past = self.ledger.past_gaps(self.partition, self.at);
        self.accepted += self.at.distance(past);
        self.at = past;
    }
}

impl Audit {
    /// Adds a partition up. `chain` is in the order of its firsts.
    pub(super) fn partition(
        &mut self,
        ledger: &Ledger,
        partition: Partition,
        marks: Watermarks,
        chain: &[Link],
    ) {
        let origin = ledger.first(partition);
        let mut walk = ChainWalk {
            ledger,
            partition,
            marks,
            at: origin,
            before: None,
            accepted: 0,
            absent: 0,
        };
        // A row of the catalog without an object is no loss if the lake chains without it.
        let real: Vec<&Link> = chain.iter().filter(|link| !link.stand_in).collect();
        let idle = |link: &Link| link.stand_in && real.iter().any(|other| link.meets(other));
        for link in chain.iter().filter(|link| !idle(link)) {
            walk.pass_gaps();
            self.compare_begin(&walk, link);
            self.count(link);
            walk.absent += link.counts.absent;
            if link.end >= walk.at {
                walk.before = Some(&link.path);
            }
            walk.at = walk.at.max(link.end);
        }
        walk.pass_gaps();
        self.compare_end(&mut walk);
        self.absent += walk.absent;
        self.pending += walk.at.distance(marks.high);
        self.acknowledged += origin
            .distance(marks.high.max(walk.at))
            .saturating_sub(walk.accepted + walk.absent);
    }

    /// An object should begin where the one before it ended.
    fn compare_begin(&mut self, walk: &ChainWalk<'_>, link: &Link) {
        let (partition, at) = (walk.partition, walk.at);
        if link.first > at {
            self.lost += at.distance(link.first);
            let what = format!(
                "they are in no object, and {} begins behind them",
                link.path
            );
            let mend = restore(at, Some(&walk.marks));
            let finding = Finding::new(what, mend).range(partition, at, link.first);
            self.findings.push(finding);
        }
        if link.first < at {
            let twice = at.min(link.end);
            self.doubled += link.first.distance(twice);
            let other = walk.before.unwrap_or("nothing of this lake");
            let finding = Finding::new(
                format!("they are in {other} too"),
                "delete the one that the catalog does not list (`clickweir audit` names it); \
                 readers bind the catalog's list",
            );
            let finding = finding.object(&link.path);
            self.findings
                .push(finding.range(partition, link.first, twice));
        }
    }

    /// Adds what an object holds.
    const fn count(&mut self, link: &Link) {
        let counts = link.counts;
        if link.sound {
            self.rows += counts.rows;
            self.dead_letters += counts.dead_letters;
            self.duplicates += counts.duplicates;
            self.dropped += counts.dropped;
        } else {
            self.lost += link.first.distance(link.end).saturating_sub(counts.absent);
        }
    }

    /// The lake should end within what the topic holds.
    fn compare_end(&mut self, walk: &mut ChainWalk<'_>) {
        let (partition, at, marks) = (walk.partition, walk.at, walk.marks);
        if at > marks.high {
            let high = marks.high;
            let what = format!("the lake ends at {at}, the topic at {high}: another topic");
            let mut finding = Finding::new(what, "give this topic a lake.url of its own");
            finding.object = walk.before.map(str::to_owned);
            self.findings.push(finding.range(partition, high, at));
        }
        if at < marks.low {
            self.lost += at.distance(marks.low);
            let mend = format!(
                "they are gone; `clickweir gap accept --partition {partition}` lets the partition \
                 go on"
            );
            let finding = Finding::new("they left the topic before the lake had them", mend);
            self.findings.push(finding.range(partition, at, marks.low));
            walk.at = marks.low;
        }
    }
}
