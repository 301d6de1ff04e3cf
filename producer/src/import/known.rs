//! Which lines the lake or the topic has, and what follows for a batch.

use std::collections::BTreeMap;

use super::batch::{DraftBatch, DraftLine};
use super::error::Error;
use super::id::{LineIds, LineTry};
use super::judge::LineDefect;
use super::lookup::{HeldAs, Lookup};
use super::report::LineLetter;

/// A record of a line that the lake or the topic has.
struct KnownRecord {
    item: Option<u32>,
    with: LineTry,
    held: HeldAs,
}

/// What the lake and the topic have of some lines.
pub(super) struct KnownLines {
    ids: LineIds,
    records: BTreeMap<u64, Vec<KnownRecord>>,
}

impl KnownLines {
    /// Asks about the lines from `first` to `last`.
    pub(super) async fn ask(
        lookup: &dyn Lookup,
        ids: LineIds,
        (first, last): (u64, u64),
    ) -> Result<Self, Error> {
        let range = ids.range(first, last);
        let held = lookup.held(std::slice::from_ref(&range)).await;
        let mut records = BTreeMap::<u64, Vec<_>>::new();
        for record in held.map_err(Error::Lookup)? {
            if !range.contains(&record.id) {
                return Err(Error::Lookup("the answer is about other ids".into()));
            }
            let (line, with) = ids.line(record.id);
            records.entry(line).or_default().push(KnownRecord {
                item: record.item,
                with,
                held: record.held,
            });
        }
        Ok(Self { ids, records })
    }

    /// Returns true if the record itself is known.
    pub(super) fn has(&self, record: &DraftLine) -> bool {
        let (line, with) = self.ids.line(record.id.into_bytes());
        let mut known = self.records.get(&line).into_iter().flatten();
        known.any(|known| (known.item, known.with) == (record.item, with))
    }

    /// What is known of a record. Of a line that was one record and would be several now, or the
    /// other way round, each of those counts as this one, so that no line is in the lake twice.
    fn of(&self, record: &DraftLine) -> Vec<&KnownRecord> {
        let known = self.records.get(&record.line).into_iter().flatten();
        let of_record = known.filter(|known| {
            known.item == record.item || known.item.is_some() != record.item.is_some()
        });
        of_record.collect()
    }

    /// Leaves in the batch what is to be sent: the records that are not known, and those that
    /// became dead letters and will be rows now, as the try `again`. Returns how many are known.
    pub(super) fn sort(&self, batch: &mut DraftBatch, again: LineTry) -> usize {
        let mut count = 0;
        for record in std::mem::take(&mut batch.records) {
            let known = self.of(&record);
            if known.is_empty() {
                batch.records.push(record);
                continue;
            }
            count += 1;
            let was_tried = known
                .iter()
                .any(|known| (known.item, known.with) == (record.item, again));
            if known.iter().any(|known| known.held == HeldAs::Row) {
                batch.held_rows += 1;
            } else if let Some(letter) = &record.letter {
                batch.held_letters.add(record.line, letter);
            } else if was_tried {
                batch.held_letters.add(record.line, &refused_again());
            } else {
                batch.records.push(record.retried(self.ids, again));
            }
        }
        count
    }
}

/// The letter of a line that looks like a row and is none: perhaps another version decided.
fn refused_again() -> LineLetter {
    let defect = LineDefect {
        reason: "dead_letter".into(),
        detail:
            "sent with this mapping already, and a dead letter: the table dead_letters says why"
                .into(),
    };
    LineLetter::new(defect, "")
}
