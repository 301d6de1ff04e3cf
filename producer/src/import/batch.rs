//! Lines that are sent together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use topic::Draft;
use uuid::Uuid;

use super::lines::Torn;
use super::source::SourceFile;
use crate::accept::edge::{ClickParts, Edge, EdgeFacts};
use crate::accept::split;

/// The most lines in a batch.
pub(super) const BATCH_LINES: usize = 1_000;
/// The size of its drafts at which a batch is full.
const BATCH_BYTES: usize = 512 << 10;

/// A click and its visitor.
pub(super) type LineClick = (Box<RawValue>, Option<String>);

/// Lines that are sent together, as drafts.
#[derive(Default)]
pub(super) struct DraftBatch {
    pub(super) drafts: Vec<Draft>,
    pub(super) ids: Vec<Uuid>,
    /// The number of the last line.
    pub(super) last: u64,
    /// The byte of the inflated file at which the batch ends.
    pub(super) end: u64,
    /// The drafts that will be dead letters, by their place: line and reason.
    pub(super) rejected: BTreeMap<usize, (u64, String)>,
    bytes: usize,
}

impl DraftBatch {
    /// Splits the batch into the drafts that are not known and those that are. Both keep
    /// the batch's end.
    pub(super) fn split(self, known: &[bool]) -> (Self, Self) {
        let empty = || Self {
            last: self.last,
            end: self.end,
            ..Self::default()
        };
        let (mut fresh, mut old) = (empty(), empty());
        let mut rejected = self.rejected;
        for (n, (draft, id)) in self.drafts.into_iter().zip(self.ids).enumerate() {
            let side = if known[n] { &mut old } else { &mut fresh };
            if let Some(reason) = rejected.remove(&n) {
                side.rejected.insert(side.drafts.len(), reason);
            }
            side.bytes += draft.size();
            side.drafts.push(draft);
            side.ids.push(id);
        }
        (fresh, old)
    }
}

/// Collects drafts until there are enough for a batch, and sends it.
pub(super) struct BatchBuilder<'b> {
    file: &'b SourceFile,
    edge: &'b Edge,
    batches: &'b mpsc::Sender<DraftBatch>,
    batch: DraftBatch,
}

impl<'b> BatchBuilder<'b> {
    pub(super) fn new(
        file: &'b SourceFile,
        edge: &'b Edge,
        batches: &'b mpsc::Sender<DraftBatch>,
    ) -> Self {
        Self {
            file,
            edge,
            batches,
            batch: DraftBatch::default(),
        }
    }

    /// Adds a line that ends at byte `end`. Returns false if batches are no longer
    /// received.
    pub(super) fn push(&mut self, line: u64, end: u64, click: Result<LineClick, Torn>) -> bool {
        let id = self.file.id(line);
        let (click, visitor) = click.unwrap_or_else(|torn| {
            self.batch
                .rejected
                .insert(self.batch.drafts.len(), (line, torn.reason));
            (split::as_json_string(&torn.raw), None)
        });
        let facts = EdgeFacts {
            format: "native",
            source: self.file.origin(),
            ip: None,
            user_agent: None,
            content_encoding: None,
        };
        let parts = ClickParts {
            id: id.to_string().into(),
            id_generated: false,
            visitor: visitor.map(Cow::Owned),
            click: &click,
        };
        let draft = self.edge.draft(&facts, self.edge.clock().now(), parts);
        self.batch.bytes += draft.size();
        self.batch.drafts.push(draft);
        self.batch.ids.push(id);
        (self.batch.last, self.batch.end) = (line, end);
        let is_full = self.batch.drafts.len() >= BATCH_LINES || self.batch.bytes >= BATCH_BYTES;
        !is_full || self.flush()
    }

    /// Sends what has been collected. Returns false if batches are no longer received.
    pub(super) fn flush(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        batch.drafts.is_empty() || self.batches.blocking_send(batch).is_ok()
    }
}
