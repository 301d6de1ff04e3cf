//! Which lines the lake or the topic has, and what follows for a batch.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::batch::DraftBatch;
use super::error::Error;
use super::id::{LineIds, LineTry};
use super::judge::LineDefect;
use super::lookup::{HeldAs, Lookup};
use super::report::LineLetter;

/// What the lake and the topic have of some lines.
pub(super) struct KnownLines {
    ids: LineIds,
    tries: BTreeMap<u64, Vec<(LineTry, HeldAs)>>,
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
        let mut tries = BTreeMap::<u64, Vec<_>>::new();
        for (id, held) in held.map_err(Error::Lookup)? {
            if !range.contains(&id) {
                return Err(Error::Lookup("the answer is about other ids".into()));
            }
            let (line, with) = ids.line(id);
            tries.entry(line).or_default().push((with, held));
        }
        Ok(Self { ids, tries })
    }

    /// Returns true if the id itself is known.
    pub(super) fn has(&self, id: Uuid) -> bool {
        let (line, with) = self.ids.line(id.into_bytes());
        let tries = self.tries.get(&line).map_or(&[][..], Vec::as_slice);
        tries.iter().any(|(tried, _)| *tried == with)
    }

    /// Leaves in the batch what is to be sent: the lines that are not known, and those that became
    /// dead letters and will be rows now, as the try `again`. Returns how many lines are known.
    pub(super) fn sort(&self, batch: &mut DraftBatch, again: LineTry) -> usize {
        let mut known = 0;
        for line in std::mem::take(&mut batch.lines) {
            let Some(tries) = self.tries.get(&line.line) else {
                batch.lines.push(line);
                continue;
            };
            known += 1;
            let was_tried = tries.iter().any(|(with, _)| *with == again);
            if tries.iter().any(|(_, held)| *held == HeldAs::Row) {
                batch.held_rows += 1;
            } else if let Some(letter) = &line.letter {
                batch.held_letters.add(line.line, letter);
            } else if was_tried {
                batch.held_letters.add(line.line, &refused_again());
            } else {
                batch.lines.push(line.retried(self.ids, again));
            }
        }
        known
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
