//! A partition's objects, one after the other: where each begins the one before it ended.

use topic::{Offset, Partition, Watermarks};

use super::finding::{Finding, restore};
use super::report::Audit;
use crate::{Counts, Footer, Ledger};

/// An object's range and counts.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) path: String,
    pub(super) first: Offset,
    pub(super) end: Offset,
    pub(super) counts: Counts,
    /// Whether the object was found sound; what an unsound one held is lost.
    pub(super) sound: bool,
    /// Whether only the catalog tells of it.
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

    /// The range of an object that is not there or cannot be read, as the catalog knows it.
    pub(super) fn stand_in(path: String, footer: &Footer) -> Self {
        Self {
            stand_in: true,
            ..Self::new(path, footer, false)
        }
    }

    /// Whether two hold an offset in common, or begin at the same one.
    fn meets(&self, other: &Self) -> bool {
        self.first == other.first || (self.first < other.end && other.first < self.end)
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
        let mut at = ledger.first(partition);
        let (origin, mut accepted, mut absent) = (at, 0, 0);
        let mut before: Option<&str> = None;
        // A row of the catalog that names nothing is no loss where the lake chains without it.
        let real: Vec<&Link> = chain.iter().filter(|link| !link.stand_in).collect();
        let idle = |link: &Link| link.stand_in && real.iter().any(|other| link.meets(other));
        for link in chain.iter().filter(|link| !idle(link)) {
            let past = ledger.past_gaps(partition, at);
            accepted += at.distance(past);
            at = past;
            if link.first > at {
                self.lost += at.distance(link.first);
                self.findings.push(
                    Finding::new(
                        format!(
                            "they are in no object, and {} begins behind them",
                            link.path
                        ),
                        restore(partition, at, Some(link.first), Some(&marks)),
                    )
                    .range(partition, at, link.first),
                );
            }
            if link.first < at {
                let twice = at.min(link.end);
                self.doubled += link.first.distance(twice);
                self.findings.push(
                    Finding::new(
                        format!(
                            "they are in {} too",
                            before.unwrap_or("nothing of this lake")
                        ),
                        "delete the one that the catalog does not list (`clickweir audit` names \
                         it); readers bind the catalog's list",
                    )
                    .object(&link.path)
                    .range(partition, link.first, twice),
                );
            }
            let counts = link.counts;
            if link.sound {
                self.rows += counts.rows;
                self.dead_letters += counts.dead_letters;
                self.duplicates += counts.duplicates;
                self.dropped += counts.dropped;
            } else {
                self.lost += link.first.distance(link.end).saturating_sub(counts.absent);
            }
            absent += counts.absent;
            if link.end >= at {
                before = Some(&link.path);
            }
            at = at.max(link.end);
        }
        let past = ledger.past_gaps(partition, at);
        accepted += at.distance(past);
        at = past;
        if at > marks.high {
            let what = format!(
                "the lake ends at {at}, the topic at {}: another topic",
                marks.high
            );
            let mut finding = Finding::new(what, "give this topic a lake.url of its own");
            finding.object = before.map(str::to_owned);
            self.findings.push(finding.range(partition, marks.high, at));
        }
        if at < marks.low {
            self.lost += at.distance(marks.low);
            self.findings.push(
                Finding::new(
                    "they left the topic before the lake had them",
                    format!(
                        "they are gone; `clickweir gap accept --partition {partition}` lets the \
                         partition go on"
                    ),
                )
                .range(partition, at, marks.low),
            );
            at = marks.low;
        }
        self.absent += absent;
        self.pending += at.distance(marks.high);
        self.acknowledged += origin
            .distance(marks.high.max(at))
            .saturating_sub(accepted + absent);
    }
}
