//! Sends batches to the topic, in order, with a bounded number in flight.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{AppendError, Backoff, Delivery};

use super::batch::{BATCH_RECORDS, DraftBatch, DraftLine};
use super::checkpoint::Checkpoint;
use super::error::Error;
use super::id::LineTry;
use super::known::KnownLines;
use super::lookup::Lookup;
use super::report::{ImportProgress, ImportReport};
use super::source::SourceFile;
use crate::accept::edge::Edge;

/// The most batches without an answer.
const MAX_IN_FLIGHT: usize = 8;
/// After this many unknown lines in a row, no later line can be known: an earlier import
/// can have had half as many in flight.
const MAX_UNKNOWN_LINES: u64 = (2 * MAX_IN_FLIGHT * BATCH_RECORDS) as u64;
/// The most batches that are looked up at once. A lookup reads the whole lake, however many
/// lines it names, and these lines are held in memory.
const MAX_LOOKUP_BATCHES: usize = 32;
/// The size of drafts at which a group is full: a line of many items can be some megabytes.
const LOOKUP_BYTES: usize = 16 << 20;
/// How often a batch is tried before the import gives up, after about a minute.
const MAX_TRIES: u32 = 60;
/// The first and the longest wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often the checkpoint is written while the import runs.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// Sends the batches of one file.
pub(super) struct Sender<'s> {
    edge: &'s Edge,
    lookup: &'s dyn Lookup,
    file: &'s SourceFile,
    /// The try of lines that became dead letters.
    again: LineTry,
    checkpoint: Checkpoint,
    report: ImportReport,
    in_flight: VecDeque<(DraftBatch, Option<Delivery>)>,
    /// The unknown lines in a row, up to the last that was looked up.
    unknown_lines: u64,
    /// How many batches are looked up at once: twice as many after each lookup in which
    /// every record was known.
    lookup_batches: usize,
    stored: Instant,
}

impl<'s> Sender<'s> {
    pub(super) fn new(
        edge: &'s Edge,
        lookup: &'s dyn Lookup,
        file: &'s SourceFile,
        again: LineTry,
        checkpoint: Checkpoint,
    ) -> Self {
        let letters = checkpoint.letters().clone();
        let report = ImportReport {
            digest: file.digest(),
            skipped: checkpoint.records(),
            skipped_letters: letters.lines,
            letters,
            ..ImportReport::default()
        };
        let in_flight = VecDeque::with_capacity(MAX_IN_FLIGHT);
        Self {
            edge,
            lookup,
            file,
            again,
            checkpoint,
            report,
            in_flight,
            unknown_lines: 0,
            lookup_batches: MAX_IN_FLIGHT,
            stored: Instant::now(),
        }
    }

    /// Sends the batches that are received, until they end or the import has to stop.
    pub(super) async fn run(
        mut self,
        mut batches: Receiver<DraftBatch>,
        shutdown: CancellationToken,
        progress: &mut (dyn FnMut(ImportProgress) + Send),
    ) -> Result<ImportReport, Error> {
        let stopped = loop {
            let group = tokio::select! {
                biased;
                () = shutdown.cancelled() => break true,
                group = self.receive(&mut batches) => group,
            };
            if group.is_empty() {
                break false;
            }
            for batch in self.remove_known(group).await? {
                if shutdown.is_cancelled() {
                    break;
                }
                if self.in_flight.len() >= MAX_IN_FLIGHT {
                    self.settle(progress).await?;
                }
                self.send(batch, progress).await?;
            }
        };
        drop(batches);
        while !self.in_flight.is_empty() {
            self.settle(progress).await?;
        }
        self.store()?;
        self.report.records = self.report.sent + self.report.skipped;
        self.report.complete = !stopped;
        Ok(self.report)
    }

    /// Receives as many batches as are looked up at once; fewer at the file's end.
    async fn receive(&self, batches: &mut Receiver<DraftBatch>) -> Vec<DraftBatch> {
        let (mut group, mut bytes) = (Vec::with_capacity(self.lookup_batches), 0);
        while group.len() < self.lookup_batches && bytes < LOOKUP_BYTES {
            match batches.recv().await {
                Some(batch) => {
                    bytes += batch.bytes;
                    group.push(batch);
                }
                None => break,
            }
        }
        group
    }

    /// Removes the records that the lake or the topic has, but for dead letters that will be rows.
    async fn remove_known(&mut self, group: Vec<DraftBatch>) -> Result<Vec<DraftBatch>, Error> {
        if self.unknown_lines >= MAX_UNKNOWN_LINES {
            return Ok(group);
        }
        let mut group = group;
        let records = group.iter().flat_map(|batch| &batch.records);
        let count = records.clone().count();
        let first = records.clone().next().map_or(0, |record| record.line);
        let last = group.last().map_or(0, |batch| batch.last);
        let known = KnownLines::ask(self.lookup, self.file.ids(), (first, last)).await?;
        let mut all = 0;
        for batch in &mut group {
            let known = known.sort(batch, self.again);
            all += known;
            self.unknown_lines = match known {
                0 => self.unknown_lines + batch.lines,
                _ => 0,
            };
        }
        self.lookup_batches = match all == count {
            true => MAX_LOOKUP_BATCHES.min(2 * self.lookup_batches),
            false if self.unknown_lines >= MAX_UNKNOWN_LINES => 1,
            false => MAX_IN_FLIGHT,
        };
        Ok(group)
    }

    async fn send(
        &mut self,
        batch: DraftBatch,
        progress: &mut (dyn FnMut(ImportProgress) + Send),
    ) -> Result<(), Error> {
        if batch.records.is_empty() {
            self.in_flight.push_back((batch, None));
            return Ok(());
        }
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..MAX_TRIES {
            match self.edge.writer().append(batch.drafts()) {
                Ok(delivery) => {
                    self.in_flight.push_back((batch, Some(delivery)));
                    return Ok(());
                }
                Err(AppendError::Full) if !self.in_flight.is_empty() => {
                    self.settle(progress).await?;
                }
                Err(AppendError::Full | AppendError::Closed(_)) => sleep(backoff.wait()).await,
                Err(error @ AppendError::TooLarge { .. }) => return Err(Error::Topic(error)),
            }
        }
        Err(Error::Topic(AppendError::Full))
    }

    /// Waits for the oldest batch in flight and counts it.
    async fn settle(
        &mut self,
        progress: &mut (dyn FnMut(ImportProgress) + Send),
    ) -> Result<(), Error> {
        let Some((batch, delivery)) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let (last, end) = (batch.last, batch.end);
        self.report.lines += batch.lines;
        self.report.skipped += batch.held_rows + batch.held_letters.lines;
        self.report.skipped_letters += batch.held_letters.lines;
        self.report.letters.extend(batch.held_letters);
        match delivery {
            Some(delivery) => match delivery.await {
                Ok(_) => self.count(&batch.records),
                Err(error) => self.retry(batch.records, error).await?,
            },
            None => self.count(&batch.records),
        }
        let records = self.report.sent + self.report.skipped;
        self.checkpoint.advance(last, records);
        if self.stored.elapsed() >= STORE_EVERY {
            self.store()?;
            self.stored = Instant::now();
        }
        progress(ImportProgress {
            lines: self.report.lines,
            bytes: end,
            total: self.file.total(),
        });
        Ok(())
    }

    fn store(&mut self) -> Result<(), Error> {
        self.checkpoint.set_letters(&self.report.letters);
        self.checkpoint.store()
    }

    /// Sends records again that may have been written: only those that are not known.
    async fn retry(&mut self, records: Vec<DraftLine>, error: AppendError) -> Result<(), Error> {
        let (mut rest, mut error) = (records, error);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..MAX_TRIES {
            if matches!(error, AppendError::TooLarge { .. }) {
                break;
            }
            sleep(backoff.wait()).await;
            let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
                return Ok(());
            };
            let known =
                KnownLines::ask(self.lookup, self.file.ids(), (first.line, last.line)).await?;
            let (known, unknown): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|record| known.has(record));
            self.count(&known);
            rest = unknown;
            if rest.is_empty() {
                return Ok(());
            }
            let drafts = rest.iter().map(|record| record.draft.clone()).collect();
            match self.edge.writer().append(drafts) {
                Ok(delivery) => match delivery.await {
                    Ok(_) => {
                        self.count(&rest);
                        return Ok(());
                    }
                    Err(failed) => error = failed,
                },
                Err(failed) => error = failed,
            }
        }
        Err(Error::Topic(error))
    }

    fn count(&mut self, records: &[DraftLine]) {
        self.report.sent += records.len() as u64;
        for record in records {
            if let Some(letter) = &record.letter {
                self.report.rejected += 1;
                self.report.letters.add(record.line, letter);
            }
        }
    }
}
