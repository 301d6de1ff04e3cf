//! Lines that are sent together.

use std::borrow::Cow;
use std::net::IpAddr;

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
use crate::address::IpPolicy;
use crate::privacy::policy::PrivacyPolicy;
use crate::secrets::AddressCleaner;

/// The number of records at which a batch is full. It has no more lines than that.
pub(super) const BATCH_RECORDS: usize = 1_000;
/// The size of its drafts at which a batch is full.
const BATCH_BYTES: usize = 512 << 10;
/// What ends a text that was cut.
const ELLIPSIS: char = '…';

/// A click that a line became.
pub(super) struct LineClick {
    pub(super) json: Box<RawValue>,
    /// `None` if the line names no visitor.
    pub(super) visitor: Option<String>,
    /// How many items it holds, each of which becomes a record; 0 if it is one record.
    pub(super) items: usize,
    /// The client's address, if the line is of an access log.
    pub(super) address: Option<IpAddr>,
    /// The client's user agent, likewise.
    pub(super) user_agent: Option<String>,
    /// True if what was not Unicode became U+FFFD.
    pub(super) replaced: bool,
    /// True if a secret was taken out already.
    pub(super) redacted: bool,
    /// The texts that are not of the type that the mapping names.
    pub(super) misfits: Vec<Misfit>,
}

impl LineClick {
    /// A click of which a line says nothing else.
    pub(super) fn of(json: Box<RawValue>) -> Self {
        Self {
            json,
            visitor: None,
            items: 0,
            address: None,
            user_agent: None,
            replaced: false,
            redacted: false,
            misfits: Vec::new(),
        }
    }
}

/// A record of a line, and which of the line's items it is.
pub(super) type ItemDraft = (Option<u32>, Draft);

/// A line as a draft, or one of its items.
pub(super) struct DraftLine {
    /// Its number in the file.
    pub(super) line: u64,
    /// Which of the line's items it is; `None` if the line is one record.
    pub(super) item: Option<u32>,
    pub(super) id: Uuid,
    pub(super) draft: Draft,
    /// `None` if it will be a row.
    pub(super) letter: Option<LineLetter>,
}

impl DraftLine {
    /// The same record with the id of another try.
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
    /// All records of its lines.
    pub(super) records: Vec<DraftLine>,
    /// How many lines it has.
    pub(super) lines: u64,
    /// The number of the last line.
    pub(super) last: u64,
    /// The byte of the inflated file at which the batch ends.
    pub(super) end: u64,
    /// Records that are not sent because they are rows already.
    pub(super) held_rows: u64,
    /// Records that are not sent because they are dead letters already and would be again.
    pub(super) held_letters: LetterCount,
    /// The size of its drafts.
    pub(super) bytes: usize,
}

impl DraftBatch {
    /// The drafts, to be appended.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        let drafts = self.records.iter().map(|record| record.draft.clone());
        drafts.collect()
    }
}

/// Makes a draft of each line of a file.
#[derive(Clone, Copy)]
pub(super) struct LineDrafter<'d> {
    pub(super) ids: LineIds,
    /// The `source` of the envelopes.
    pub(super) origin: &'d str,
    pub(super) edge: &'d Edge,
    /// The largest draft that the topic takes, in bytes.
    pub(super) max_record: usize,
}

impl LineDrafter<'_> {
    /// Makes the drafts of a line, at which `judge` looks.
    fn draft_line(
        &self,
        line: u64,
        click: Result<LineClick, Torn>,
        judge: &dyn Judge,
    ) -> Vec<DraftLine> {
        let id = self.ids.id(line, LineTry::FIRST);
        let drafted = |(item, draft), letter| DraftLine {
            line,
            item,
            id,
            draft,
            letter,
        };
        let torn = match self.fitting(id, click) {
            Ok((drafts, misfits)) => {
                let cleaner = self.edge.cleaner();
                let judged = drafts.into_iter().map(|(item, draft)| {
                    let defect = judge.defect(&draft);
                    let of_item = misfits.iter().filter(|misfit| misfit.item == item);
                    let letter = defect.map(|defect| explained(defect, of_item, &draft, cleaner));
                    drafted((item, draft), letter)
                });
                return judged.collect();
            }
            Err(torn) => torn,
        };
        let draft = self.letter_draft(id, &torn.raw);
        let defect = judge.defect(&draft);
        let reason = defect.map_or_else(|| "not_an_object".into(), |defect| defect.reason);
        let detail = without_position(torn.reason);
        let shown = self.edge.cleaner().clean(&torn.raw);
        let letter = LineLetter::new(LineDefect { reason, detail }, &shown);
        vec![drafted((None, draft), Some(letter))]
    }

    /// Makes the drafts of a line, whatever will become of it.
    pub(super) fn drafts_of(&self, line: u64, click: Result<LineClick, Torn>) -> Vec<ItemDraft> {
        let id = self.ids.id(line, LineTry::FIRST);
        match self.fitting(id, click) {
            Ok((drafts, _)) => drafts,
            Err(torn) => vec![(None, self.letter_draft(id, &torn.raw))],
        }
    }

    /// The drafts of a click, if each of them fits a record: one, or one for each of its items.
    fn fitting(
        &self,
        id: Uuid,
        click: Result<LineClick, Torn>,
    ) -> Result<(Vec<ItemDraft>, Vec<Misfit>), Torn> {
        let click = click?;
        let torn = |reason| Torn::new(reason, click.json.get().as_bytes());
        let expanded = self.edge.expand(click.items, click.json.get().len());
        expanded.map_err(|rejection| torn(rejection.to_string()))?;
        let items = u32::try_from(click.items).unwrap_or(u32::MAX);
        let drafts: Vec<ItemDraft> = match items {
            0 => vec![(None, self.draft(id, &click, None))],
            items => (0..items)
                .map(|item| (Some(item), self.draft(id, &click, Some(item))))
                .collect(),
        };
        let (size, limit) = (
            drafts.iter().map(|(_, draft)| draft.size()).max(),
            self.max_record,
        );
        match size {
            Some(size) if size > limit => Err(torn(format!(
                "the line makes a record of {size} bytes, topic.max_record is {limit}"
            ))),
            _ => Ok((drafts, click.misfits)),
        }
    }

    fn draft(&self, id: Uuid, click: &LineClick, item: Option<u32>) -> Draft {
        let facts = EdgeFacts {
            format: "native",
            source: self.origin,
            ip: click.address,
            user_agent: click.user_agent.as_deref(),
            content_encoding: None,
            request: None,
            shares: Vec::new(),
            privacy: PrivacyPolicy::Ignore,
            redacted: false,
        };
        let parts = ClickParts {
            item,
            replaced: click.replaced,
            redacted: click.redacted,
            visitor: click.visitor.as_deref().map(Cow::Borrowed),
            ..ClickParts::new(id.to_string(), &click.json)
        };
        self.edge.draft(&facts, self.edge.clock().now(), parts)
    }

    /// The draft of a text that is no click, cut to what fits a record. Its secrets go first: where
    /// it is cut nothing shows any more what they are.
    fn letter_draft(&self, id: Uuid, raw: &str) -> Draft {
        let cleaned = self.edge.cleaner().clean(raw);
        let draft = |raw: &str| {
            let click = LineClick {
                redacted: matches!(cleaned, Cow::Owned(_)),
                ..LineClick::of(split::as_json_string(raw))
            };
            self.draft(id, &click, None)
        };
        let room = self.max_record.saturating_sub(draft("").size());
        draft(&cut(&cleaned, room))
    }
}

/// Collects drafts until there are enough for a batch, and sends it.
pub(super) struct BatchBuilder<'b> {
    drafter: LineDrafter<'b>,
    judge: &'b dyn Judge,
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
            drafter: LineDrafter {
                ids: file.ids(),
                origin: file.origin(),
                edge,
                max_record,
            },
            judge,
            batches,
            batch: DraftBatch::default(),
        }
    }

    /// What is kept of a client's address.
    pub(super) fn ip_policy(&self) -> IpPolicy {
        self.drafter.edge.ip_policy()
    }

    /// Adds a line that ends at byte `end`. Returns false if batches are no longer
    /// received.
    pub(super) fn push(&mut self, line: u64, end: u64, click: Result<LineClick, Torn>) -> bool {
        let drafted = self.drafter.draft_line(line, click, self.judge);
        let batch = &mut self.batch;
        batch.bytes += drafted
            .iter()
            .map(|record| record.draft.size())
            .sum::<usize>();
        batch.records.extend(drafted);
        batch.lines += 1;
        (batch.last, batch.end) = (line, end);
        let is_full = batch.records.len() >= BATCH_RECORDS || batch.bytes >= BATCH_BYTES;
        !is_full || self.flush()
    }

    /// Sends what has been collected. Returns false if batches are no longer received.
    pub(super) fn flush(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        batch.records.is_empty() || self.batches.blocking_send(batch).is_ok()
    }
}

/// The letter of a click that the transformer refuses. The mapping knows better than the
/// transformer why a field is what it is.
fn explained<'m>(
    defect: LineDefect,
    mut misfits: impl Iterator<Item = &'m Misfit>,
    draft: &Draft,
    cleaner: &AddressCleaner,
) -> LineLetter {
    let LineDefect { reason, detail } = defect;
    let is_of = |misfit: &&Misfit| {
        let rest = detail.strip_prefix(misfit.field.as_str());
        rest.is_some_and(|rest| rest.starts_with(':'))
    };
    if let Some(misfit) = misfits.find(is_of) {
        let detail = format!("{}: {}", misfit.field, misfit.why);
        return LineLetter::new(LineDefect { reason, detail }, &cleaner.clean(&misfit.text));
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
