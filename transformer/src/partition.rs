//! One partition on its way from records to sealed batches: its window, its open batch, and the
//! sealed ones that wait for their turn. No input or output happens here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sink::{Batch, DropRule, Hour, Knowledge, SealedBatch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use topic::{Identity, Offset, Partition, Record};

use crate::resume::ResumePoint;
use crate::row::transform::{self, Read};
use crate::window::{DuplicateWindow, Seam, Sighting};
use crate::{Config, Enrichment, EnrichmentFeed};

/// What every partition of a worker shares.
pub(crate) struct BatchContext {
    pub(crate) topic: Identity,
    pub(crate) configuration: String,
    pub(crate) enrichment: Arc<Enrichment>,
}

impl BatchContext {
    /// With what clicks are enriched from now.
    pub(crate) fn newest(config: &Config, topic: &Identity, feed: &mut EnrichmentFeed) -> Self {
        let newest = feed.borrow_and_update().clone();
        Self::of(config, topic, newest)
    }

    pub(crate) fn of(config: &Config, topic: &Identity, enrichment: Arc<Enrichment>) -> Self {
        Self {
            topic: topic.clone(),
            configuration: config.configuration(&enrichment),
            enrichment,
        }
    }
}

/// When an open batch is sealed, whatever the hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealLimits {
    /// At so many offsets.
    pub(crate) offsets: u64,
    /// At so many bytes in memory.
    pub(crate) bytes: usize,
}

/// A partition that is being read.
pub(crate) struct Active {
    partition: Partition,
    /// Where the next batch begins; what is before it only fills the window.
    next: Offset,
    window: DuplicateWindow,
    /// True if retention has cut the window's range, until what was read since fills it.
    window_cut: bool,
    /// Where reading began.
    begun: Option<Seam>,
    /// What is known of the ledger since the position was set or the last object was committed.
    pub(crate) known: Knowledge,
    /// What is left out. `None` if nothing is, or nothing any more.
    drops: Option<Arc<DropRule>>,
    open: Option<(Batch, Instant)>,
    sealed: VecDeque<SealedBatch>,
    /// The one create that has no answer yet, and what it holds in memory.
    pub(crate) committing: Option<(AbortHandle, usize)>,
}

impl Active {
    pub(crate) fn new(
        partition: Partition,
        position: ResumePoint,
        window: DuplicateWindow,
    ) -> Self {
        Self {
            partition,
            next: position.next,
            window,
            window_cut: position.window_cut,
            begun: None,
            known: position.ledger.into(),
            drops: position.drops,
            open: None,
            sealed: VecDeque::new(),
            committing: None,
        }
    }

    /// Takes the next records, and seals what they fill. Every way from the topic to a batch goes
    /// through here: the worker's, the tail's and the replay's.
    pub(crate) fn take_all(
        &mut self,
        records: &[Record],
        context: &BatchContext,
        limits: SealLimits,
    ) {
        for record in records {
            self.take(record, context);
            if self.open().is_some_and(|(offsets, bytes, _)| {
                offsets >= limits.offsets || bytes >= limits.bytes
            }) {
                self.seal();
            }
        }
    }

    /// Seals the open batch if it is of this age.
    pub(crate) fn seal_aged(&mut self, now: Instant, age: Duration) {
        if self.open().is_some_and(|(.., since)| now >= since + age) {
            self.seal();
        }
    }

    /// Takes the next record, in order of offset.
    fn take(&mut self, record: &Record, context: &BatchContext) {
        let read = transform::read(self.partition, record, &context.enrichment);
        let verdict = read.event.map_or(Sighting::New, |(id, content)| {
            let content = crc32fast::hash(content);
            self.window
                .observe(id, record.offset, record.appended_at, content)
        });
        // A client that says that it sends again has changed the click by saying so.
        let verdict = match verdict {
            Sighting::Duplicate { .. } if read.retried => Sighting::Duplicate { differs: false },
            other => other,
        };
        let begun = *self
            .begun
            .get_or_insert((record.offset, record.appended_at));
        if record.offset < self.next {
            return;
        }
        let hour = Hour::of(record.appended_at);
        if self
            .open
            .as_ref()
            .is_some_and(|(batch, _)| batch.hour() != hour)
        {
            self.seal();
        }
        if self.open.is_none()
            && self
                .window
                .is_filled(begun, record.offset, record.appended_at)
        {
            self.window_cut = false;
        }
        let left_out = self.leaves_out(record, &read);
        let batch = self.batch(hour, context);
        if let Sighting::Duplicate { differs } = verdict {
            batch.duplicate(record.offset, record.appended_at, differs);
            return;
        }
        if left_out {
            batch.leave_out(record.offset, record.appended_at);
            return;
        }
        match read.row {
            Ok(row) => batch.push(&row),
            Err(defect) => batch.reject(defect.letter(record)),
        }
    }

    /// Returns true if somebody asked to be erased, and the record is of those.
    fn leaves_out(&mut self, record: &Record, read: &Read<'_>) -> bool {
        let Some(drops) = &self.drops else {
            return false;
        };
        if record.offset >= drops.until() {
            self.drops = None;
            return false;
        }
        match &read.row {
            Ok(row) => drops.takes_row(row),
            Err(_) => drops.takes_letter(
                record.offset,
                record.key.as_deref(),
                record.value.as_deref(),
            ),
        }
    }

    /// The open batch's offsets, bytes and the moment it was opened.
    pub(crate) fn open(&self) -> Option<(u64, usize, Instant)> {
        self.open
            .as_ref()
            .map(|(batch, since)| (batch.offsets(), batch.size(), *since))
    }

    /// Closes the open batch, if there is one.
    pub(crate) fn seal(&mut self) {
        if let Some((batch, _)) = self.open.take() {
            self.next = batch.end();
            self.sealed.push_back(batch.seal());
        }
    }

    /// The next offset to be read.
    pub(crate) fn position(&self) -> Offset {
        let open = self.open.as_ref();
        open.map_or(self.next, |(batch, _)| batch.end())
    }

    /// Closes the open batch at `end`, or makes one that ends there: the offsets between hold
    /// no record, and `hour` is that of the last one before.
    pub(crate) fn finish(&mut self, end: Offset, hour: Hour, context: &BatchContext) {
        if self.open.is_none() && self.next >= end {
            return;
        }
        self.batch(hour, context).pass(end);
        self.seal();
    }

    /// The open batch; a new one of `hour` if there is none.
    fn batch(&mut self, hour: Hour, context: &BatchContext) -> &mut Batch {
        let (batch, _) = self.open.get_or_insert_with(|| {
            let batch = Batch::new(
                context.topic.clone(),
                context.configuration.clone(),
                self.partition,
                self.next,
                hour,
                self.window_cut,
            )
            .with_versions(context.enrichment.versions());
            (batch, Instant::now())
        });
        batch
    }

    /// The next batch whose turn it is, while no create of this partition is unresolved.
    pub(crate) fn due(&mut self) -> Option<SealedBatch> {
        if self.committing.is_some() {
            None
        } else {
            self.sealed.pop_front()
        }
    }

    /// Returns true if nothing is open, sealed or unresolved.
    pub(crate) fn idle(&self) -> bool {
        self.open.is_none() && self.sealed.is_empty() && self.committing.is_none()
    }

    /// Its estimated size in memory, in bytes, without the window.
    pub(crate) fn size(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |(batch, _)| batch.size());
        let sealed: usize = self.sealed.iter().map(SealedBatch::size).sum();
        open + sealed + self.committing.as_ref().map_or(0, |(_, size)| *size)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use topic::Timestamp;

    use super::*;

    const HOUR: i64 = topic::Unit::Hour.micros();

    fn record(offset: u64, appended_at: i64, id: u64) -> Record {
        let value = format!(
            r#"{{"v":1,"id":"{id}","received_at":1795000000000000,"format":"native","source":"t","click":{{"occurred_at":"2011-12-09T12:50:00Z"}}}}"#
        );
        let appended_at = Timestamp::from_micros(appended_at);
        Record {
            offset: Offset(offset),
            appended_at,
            key: None,
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        }
    }

    fn active(next: u64) -> (Active, BatchContext) {
        let position = ResumePoint {
            next: Offset(next),
            from: Offset(0),
            window_cut: false,
            ledger: 1,
            drops: None,
        };
        let window = DuplicateWindow::new(Duration::from_secs(60), 1_000);
        let topic = Identity {
            cluster: "c".into(),
            topic: "t".into(),
        };
        let context = BatchContext {
            topic,
            configuration: "c".into(),
            enrichment: Arc::default(),
        };
        (Active::new(Partition(1), position, window), context)
    }

    #[test]
    fn invariant_8_a_batch_holds_one_hour_of_arrival_however_old_its_clicks_are() {
        let (mut active, context) = active(0);
        for (offset, at) in [
            (0, 9 * HOUR - 1),
            (1, 9 * HOUR),
            (2, 10 * HOUR),
            (4, 9 * HOUR),
        ] {
            active.take(&record(offset, at, offset), &context);
        }
        active.seal();
        let mut sealed = Vec::new();
        while let Some(batch) = active.due() {
            sealed.push((batch.name().hour.0, batch.name().first.0, batch.end().0));
        }
        // The clock stepped back at the end: an older hour, and the chain goes on.
        assert_eq!(
            sealed,
            [(8, 0, 1), (9, 1, 2), (10, 2, 3), (9, 3, 5)],
            "invariant 3"
        );
    }

    #[test]
    fn a_range_ends_where_it_was_meant_to_whatever_holds_no_record() {
        let check = |sealed_before: bool, end: u64, expect: &[(u64, u64)]| {
            let (mut active, context) = active(0);
            active.take(&record(0, 9 * HOUR, 7), &context);
            if sealed_before {
                active.seal();
            }
            active.finish(Offset(end), Hour(9), &context);
            let mut sealed = Vec::new();
            while let Some(batch) = active.due() {
                assert_eq!(batch.name().hour, Hour(9));
                sealed.push((batch.name().first.0, batch.end().0));
            }
            assert_eq!(sealed, expect, "{sealed_before} {end}");
        };
        check(false, 1, &[(0, 1)]);
        check(false, 4, &[(0, 4)]);
        check(true, 1, &[(0, 1)]);
        check(true, 4, &[(0, 1), (1, 4)]);
    }

    #[test]
    fn a_cut_is_said_until_the_window_is_filled_again() {
        let (mut active, context) = active(0);
        active.window_cut = true;
        for (offset, seconds) in [(0, 0), (1, 120), (2, 121), (3, 122)] {
            active.take(&record(offset, seconds * 1_000_000, offset), &context);
            active.seal();
        }
        let mut said = Vec::new();
        while let Some(batch) = active.due() {
            said.push(batch.window_cut());
        }
        assert_eq!(said, [true, true, false, false]);
    }

    /// A request of visitor `v-1` that reaches to offset 3.
    async fn asked() -> Arc<DropRule> {
        let folder = tempfile::tempdir().unwrap();
        let lake = sink::Lake::open(&sink::S3::in_folder(folder.path())).unwrap();
        let (_, context) = active(0);
        let id = sink::LakeId::new(7);
        lake.found(&context.topic, BTreeMap::new(), id)
            .await
            .unwrap();
        let keys = sink::LakeKeys::new([1; 32], [2; 32]);
        let keys = lake.make_keys(&keys).await.unwrap().subjects();
        let forget = sink::Forget {
            id: sink::ForgetId::new(1),
            subject: sink::Subject::Visitor(keys.hash("v-1")),
            until: BTreeMap::from([(Partition(1), Offset(3))]),
            asked_at: Timestamp::from_micros(1),
        };
        lake.forget(&forget).await.unwrap();
        let ledger = lake.ledger().await.unwrap().unwrap();
        let forgotten = lake.forgotten(&ledger).await.unwrap();
        forgotten.rule(Partition(1), Offset(0)).unwrap()
    }

    #[tokio::test]
    async fn what_was_asked_to_be_erased_is_dropped_and_what_came_later_is_kept() {
        let (mut active, context) = active(0);
        active.drops = Some(asked().await);
        let of = |offset: u64, id: u64, click: &str| {
            let mut record = record(offset, 9 * HOUR, id);
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            let value = value.replace(r#"{"occurred_at":"2011-12-09T12:50:00Z"}"#, click);
            record.value = Some(Bytes::from(value));
            record
        };
        let (theirs, other) = (r#"{"visitor_id":"v-1"}"#, r#"{"visitor_id":"v-2"}"#);
        let letter = r#"{"visitor_id":"v-1","price":[]}"#;
        for (offset, id, click) in [
            (0, 1, theirs),
            (1, 2, other),
            (2, 3, letter),
            (3, 1, theirs),
            (4, 4, theirs),
            (5, 5, letter),
        ] {
            active.take(&of(offset, id, click), &context);
        }
        active.seal();
        let folder = tempfile::tempdir().unwrap();
        let lake = sink::Lake::open(&sink::S3::in_folder(folder.path())).unwrap();
        let sealed = active.due().unwrap();
        let outcome = lake.commit(sealed, 1, Duration::from_secs(9)).await;
        let sink::Outcome::Committed(footer) = outcome.unwrap() else {
            panic!("it is committed");
        };
        let counts = sink::Counts {
            rows: 2,
            dead_letters: 1,
            // The window knows an id whatever became of its record.
            duplicates: 1,
            dropped: 2,
            absent: 0,
        };
        assert_eq!(footer.counts, counts);
        assert!(active.drops.is_none(), "nothing costs any more");
    }

    #[test]
    fn what_lies_before_the_position_only_fills_the_window() {
        let (mut active, context) = active(2);
        for (offset, id) in [(0, 7), (1, 8), (2, 7), (3, 9)] {
            active.take(&record(offset, 9 * HOUR, id), &context);
        }
        assert_eq!(active.open().map(|(offsets, ..)| offsets), Some(2));
        assert!(!active.idle());
    }
}
