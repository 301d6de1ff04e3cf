//! How far an import is, and what became of its file.

use serde::{Deserialize, Serialize};

use super::judge::LineDefect;

/// The most reasons that are told apart.
const MAX_REASONS: usize = 20;
/// The most lines that are named for a reason.
const MAX_NAMED_LINES: usize = 5;
/// The most letters of a line that are shown.
const SHOWN_LETTERS: usize = 100;

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportProgress {
    /// Lines that are settled: sent or skipped.
    pub lines: u64,
    /// The bytes of these lines in the inflated file.
    pub bytes: u64,
    /// The bytes of the whole inflated file.
    pub total: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportReport {
    /// The SHA-256 of the inflated file, in hexadecimal digits.
    pub digest: String,
    /// True if the file is a JSON array, or objects over several lines: its items are what is
    /// counted in place of lines.
    pub has_items: bool,
    /// Lines that were settled, without the header and empty ones. A line break in quotes does not
    /// begin another line.
    pub lines: u64,
    /// The records that these lines are: as many, unless a line holds several items.
    pub records: u64,
    /// Records that this import sent and the topic acknowledged, including those that will be dead
    /// letters; none if the file was only checked.
    pub sent: u64,
    /// Records that the lake or the topic had already, including those before the position
    /// at which the import began.
    pub skipped: u64,
    /// Records that will be dead letters, of those that were sent or checked.
    pub rejected: u64,
    /// Dead letters among the skipped records.
    pub skipped_letters: u64,
    /// Why records are dead letters.
    pub letters: LetterCount,
    /// True if a file of the same name and other bytes was imported before: its lines stay, and all
    /// lines of this one are others.
    #[serde(default)]
    pub has_namesake: bool,
    /// False if the import was stopped before the end; the next one goes on from there.
    pub complete: bool,
}

impl ImportReport {
    /// Returns how many of the records are rows, or will be.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.records - self.rejected - self.skipped_letters
    }
}

/// Dead letters by their reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterCount {
    /// How many there are.
    pub lines: u64,
    /// The first reasons, in the order in which they came up.
    pub reasons: Vec<LetterReason>,
}

/// Dead letters of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterReason {
    /// The reason's name, as in the table of dead letters.
    pub reason: String,
    /// What exactly is wrong.
    pub detail: String,
    /// How many there are.
    pub lines: u64,
    /// The first of them: a line's number in the file, from 1, and its text, or that of the field
    /// that is wrong.
    pub first: Vec<(u64, String)>,
}

/// Why one line will be a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineLetter {
    pub(super) defect: LineDefect,
    /// The beginning of what is wrong.
    shown: String,
}

impl LineLetter {
    pub(super) fn new(defect: LineDefect, text: &str) -> Self {
        let mut letters = text.trim().chars();
        let shown = letters.by_ref().take(SHOWN_LETTERS);
        // A terminal must not obey what a file holds.
        let mut shown: String = shown
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        if letters.next().is_some() {
            shown.push('…');
        }
        Self { defect, shown }
    }
}

impl LetterCount {
    pub(super) fn add(&mut self, line: u64, letter: &LineLetter) {
        let LineDefect { reason, detail } = &letter.defect;
        let one = LetterReason {
            reason: reason.clone(),
            detail: detail.clone(),
            lines: 1,
            first: vec![(line, letter.shown.clone())],
        };
        self.lines += 1;
        self.add_reason(one);
    }

    /// Adds those of later lines.
    pub(super) fn extend(&mut self, later: Self) {
        self.lines += later.lines;
        for reason in later.reasons {
            self.add_reason(reason);
        }
    }

    fn add_reason(&mut self, later: LetterReason) {
        let is_room = self.reasons.len() < MAX_REASONS;
        let is_same = |known: &&mut LetterReason| {
            (&known.reason, &known.detail) == (&later.reason, &later.detail)
        };
        match self.reasons.iter_mut().find(is_same) {
            Some(known) => {
                known.lines += later.lines;
                known.first.extend(later.first);
                known.first.truncate(MAX_NAMED_LINES);
            }
            None if is_room => self.reasons.push(later),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_their_lines_stay_few() {
        let letter = |detail: String| {
            let reason = "bad_time".to_owned();
            LineLetter::new(LineDefect { reason, detail }, "\u{1b}[31m x\n")
        };
        let mut count = LetterCount::default();
        for line in 1..=1_000 {
            let mut later = LetterCount::default();
            later.add(line, &letter(format!("detail {}", line % 40)));
            count.extend(later);
        }
        assert_eq!((count.lines, count.reasons.len()), (1_000, MAX_REASONS));
        let first = &count.reasons[0];
        assert_eq!((first.detail.as_str(), first.lines), ("detail 1", 25));
        assert_eq!(first.first.len(), MAX_NAMED_LINES);
        assert_eq!(first.first[1], (41, " [31m x".to_owned()));
        let long = LineLetter::new(letter(String::new()).defect, &"é".repeat(101));
        assert_eq!(long.shown, "é".repeat(100) + "…");
    }
}
