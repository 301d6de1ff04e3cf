//! Lines that are sent together.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use topic::{Draft, Envelope};
use uuid::Uuid;

use super::id::{LineIds, LineTry};
use super::judge::{Judge, LineDefect};
use super::lines::Torn;
use super::map::Misfit;
use super::report::{LetterCount, LineLetter};
use super::source::SourceFile;
use crate::accept::edge::{ClickParts, Edge, EdgeFacts};
use crate::accept::split;

/// The most lines in a batch.
pub(super) const BATCH_LINES: usize = 1_000;
/// The size of its drafts at which a batch is full.
const BATCH_BYTES: usize = 512 << 10;
/// What ends a text that was cut.
const ELLIPSIS: char = '…';

/// A click that a line became.
pub(super) struct LineClick {
    pub(super) json: Box<RawValue>,
    /// `None` if the line names no visitor.
    pub(super) visitor: Option<String>,
    /// The texts that are not of the type that the mapping names.
    pub(super) misfits: Vec<Misfit>,
}

/// A line as a draft.
pub(super) struct DraftLine {
    /// Its number in the file.
    pub(super) line: u64,
    pub(super) id: Uuid,
    pub(super) draft: Draft,
    /// `None` if it will be a row.
    pub(super) letter: Option<LineLetter>,
}

impl DraftLine {
    /// The same line with the id of another try.
    pub(super) fn retried(mut self, ids: LineIds, with: LineTry) -> Self {
        let id = ids.id(self.line, with);
        let mut envelope = Envelope::decode(&self.draft.value).expect("the edge wrote it");
        // The key is the visitor's, or else the id.
        let has_visitor = *self.draft.key != *envelope.id.as_bytes();
        let text = id.to_string();
        envelope.id = Cow::Borrowed(&text);
        let value = envelope.encode();
        if !has_visitor {
            self.draft.key = text.into_bytes().into();
        }
        self.draft.value = value;
        Self { id, ..self }
    }
}

/// Lines that are sent together, as drafts.
#[derive(Default)]
pub(super) struct DraftBatch {
    pub(super) lines: Vec<DraftLine>,
    /// The number of the last line.
    pub(super) last: u64,
    /// The byte of the inflated file at which the batch ends.
    pub(super) end: u64,
    /// Lines that are not sent because they are rows already.
    pub(super) held_rows: u64,
    /// Lines that are not sent because they are dead letters already and would be again.
    pub(super) held_letters: LetterCount,
    bytes: usize,
}

impl DraftBatch {
    /// The drafts, to be appended.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        self.lines.iter().map(|line| line.draft.clone()).collect()
    }
}

/// Collects drafts until there are enough for a batch, and sends it.
pub(super) struct BatchBuilder<'b> {
    ids: LineIds,
    file: &'b SourceFile,
    edge: &'b Edge,
    judge: &'b dyn Judge,
    /// The largest draft that the topic takes, in bytes.
    max_record: usize,
    batches: &'b mpsc::Sender<DraftBatch>,
    batch: DraftBatch,
}

impl<'b> BatchBuilder<'b> {
    pub(super) fn new(
        file: &'b SourceFile,
        edge: &'b Edge,
        judge: &'b dyn Judge,
        max_record: usize,
        batches: &'b mpsc::Sender<DraftBatch>,
    ) -> Self {
        Self {
            ids: file.ids(),
            file,
            edge,
            judge,
            max_record,
            batches,
            batch: DraftBatch::default(),
        }
    }

    /// Adds a line that ends at byte `end`. Returns false if batches are no longer
    /// received.
    pub(super) fn push(&mut self, line: u64, end: u64, click: Result<LineClick, Torn>) -> bool {
        let id = self.ids.id(line, LineTry::FIRST);
        let fitting = click.and_then(|click| {
            let draft = self.draft(id, click.visitor.as_deref(), &click.json);
            let (size, limit) = (draft.size(), self.max_record);
            if size <= limit {
                return Ok((draft, click.misfits));
            }
            let reason =
                format!("the line makes a record of {size} bytes, topic.max_record is {limit}");
            Err(Torn::new(reason, click.json.get().as_bytes()))
        });
        let (draft, letter) = match fitting {
            Ok((draft, misfits)) => {
                let defect = self.judge.defect(&draft);
                let letter = defect.map(|defect| explained(defect, &misfits, &draft));
                (draft, letter)
            }
            Err(torn) => {
                let draft = self.letter_draft(id, &torn.raw);
                let defect = self.judge.defect(&draft);
                let reason = defect.map_or_else(|| "not_an_object".into(), |defect| defect.reason);
                let detail = without_position(torn.reason);
                let letter = LineLetter::new(LineDefect { reason, detail }, &torn.raw);
                (draft, Some(letter))
            }
        };
        self.batch.bytes += draft.size();
        self.batch.lines.push(DraftLine {
            line,
            id,
            draft,
            letter,
        });
        (self.batch.last, self.batch.end) = (line, end);
        let is_full = self.batch.lines.len() >= BATCH_LINES || self.batch.bytes >= BATCH_BYTES;
        !is_full || self.flush()
    }

    /// Sends what has been collected. Returns false if batches are no longer received.
    pub(super) fn flush(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        batch.lines.is_empty() || self.batches.blocking_send(batch).is_ok()
    }

    fn draft(&self, id: Uuid, visitor: Option<&str>, click: &RawValue) -> Draft {
        let facts = EdgeFacts {
            format: "native",
            source: self.file.origin(),
            ip: None,
            user_agent: None,
            content_encoding: None,
            request: None,
            sample_rate: None,
        };
        let parts = ClickParts {
            visitor: visitor.map(Cow::Borrowed),
            ..ClickParts::new(id.to_string(), click)
        };
        self.edge.draft(&facts, self.edge.clock().now(), parts)
    }

    /// The draft of a text that is no click, cut to what fits a record.
    fn letter_draft(&self, id: Uuid, raw: &str) -> Draft {
        let empty = self.draft(id, None, &split::as_json_string(""));
        let room = self.max_record.saturating_sub(empty.size());
        self.draft(id, None, &split::as_json_string(&cut(raw, room)))
    }
}

/// The letter of a click that the transformer refuses. The mapping knows better than the
/// transformer why a field is what it is.
fn explained(defect: LineDefect, misfits: &[Misfit], draft: &Draft) -> LineLetter {
    let LineDefect { reason, detail } = defect;
    let is_of = |misfit: &&Misfit| {
        let rest = detail.strip_prefix(misfit.field.as_str());
        rest.is_some_and(|rest| rest.starts_with(':'))
    };
    if let Some(misfit) = misfits.iter().find(is_of) {
        let detail = format!("{}: {}", misfit.field, misfit.why);
        return LineLetter::new(LineDefect { reason, detail }, &misfit.text);
    }
    let detail = without_position(detail);
    let click = Envelope::decode(&draft.value).map_or("", |envelope| envelope.click);
    LineLetter::new(LineDefect { reason, detail }, click)
}

/// The sentence without the place where a parser stopped, which differs from line to line.
fn without_position(mut detail: String) -> String {
    if let Some(at) = detail.rfind(" at line ") {
        detail.truncate(at);
    }
    detail
}

/// The longest beginning of a text that takes `room` bytes within a JSON string.
fn cut(raw: &str, room: usize) -> Cow<'_, str> {
    let size = |letter: char| match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => letter.len_utf8(),
    };
    if raw.chars().map(size).sum::<usize>() <= room {
        return Cow::Borrowed(raw);
    }
    let mut left = room.saturating_sub(ELLIPSIS.len_utf8());
    let fits = |letter: &char| {
        let kept = left.checked_sub(size(*letter));
        left = kept.unwrap_or(0);
        kept.is_some()
    };
    let mut kept: String = raw.chars().take_while(fits).collect();
    kept.push(ELLIPSIS);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_what_it_takes_as_json() {
        let check = |raw: &str, room: usize, expect: &str| {
            let kept = cut(raw, room);
            assert_eq!(kept, expect, "{raw:?}");
            let written = serde_json::to_string(&kept).unwrap();
            assert!(written.len() <= room + 2, "{written}");
        };
        check("abc", 3, "abc");
        check("abcd", 4, "abcd");
        check("abcde", 4, "a…");
        check("\u{1}\u{1}\u{1}", 18, "\u{1}\u{1}\u{1}");
        check("\u{1}\u{1}\u{1}", 17, "\u{1}\u{1}…");
        check("\"\n\u{7f}é", 7, "\"\n\u{7f}é");
        check("\"\n\u{7f}é", 6, "\"…");
    }
}
