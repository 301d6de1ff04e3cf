//! Sends batches to the topic, in order, with a bounded number in flight.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{AppendError, Backoff, Delivery};
use uuid::Uuid;

use super::batch::{BATCH_LINES, DraftBatch};
use super::checkpoint::Checkpoint;
use super::error::Error;
use super::lookup::Lookup;
use super::report::{ImportProgress, ImportReport};
use super::source::SourceFile;
use crate::accept::edge::Edge;

/// The most batches without an answer.
const MAX_IN_FLIGHT: usize = 8;
/// After this many unknown lines in a row, no later line can be known: an earlier import
/// can have had half as many in flight.
const MAX_UNKNOWN_LINES: usize = 2 * MAX_IN_FLIGHT * BATCH_LINES;
/// The most batches that are looked up at once. A lookup reads the whole lake, however many
/// lines it names, and these lines are held in memory.
const MAX_LOOKUP_BATCHES: usize = 32;
/// How often a batch is tried before the import gives up, after about a minute.
const MAX_TRIES: u32 = 60;
/// The first and the longest wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often the checkpoint is written while the import runs.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// The most rejected lines that the report names.
const MAX_NAMED_LINES: usize = 20;

/// Sends the batches of one file.
pub(super) struct Sender<'s> {
    edge: &'s Edge,
    lookup: &'s dyn Lookup,
    file: &'s SourceFile,
    checkpoint: Checkpoint,
    report: ImportReport,
    in_flight: VecDeque<(DraftBatch, Option<Delivery>)>,
    /// The unknown lines in a row, up to the last that was looked up.
    unknown_lines: usize,
    /// How many batches are looked up at once: twice as many after each lookup in which
    /// every line was known.
    lookup_batches: usize,
    stored: Instant,
}

impl<'s> Sender<'s> {
    pub(super) fn new(
        edge: &'s Edge,
        lookup: &'s dyn Lookup,
        file: &'s SourceFile,
        checkpoint: Checkpoint,
    ) -> Self {
        let report = ImportReport {
            digest: file.digest(),
            ..ImportReport::default()
        };
        let in_flight = VecDeque::with_capacity(MAX_IN_FLIGHT);
        Self {
            edge,
            lookup,
            file,
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
        self.checkpoint.store()?;
        self.report.complete = !stopped;
        Ok(self.report)
    }

    /// Receives as many batches as are looked up at once; fewer at the file's end.
    async fn receive(&self, batches: &mut Receiver<DraftBatch>) -> Vec<DraftBatch> {
        let mut group = Vec::with_capacity(self.lookup_batches);
        while group.len() < self.lookup_batches {
            match batches.recv().await {
                Some(batch) => group.push(batch),
                None => break,
            }
        }
        group
    }

    /// Removes the lines that the lake or the topic has.
    async fn remove_known(&mut self, group: Vec<DraftBatch>) -> Result<Vec<DraftBatch>, Error> {
        self.report.lines += group
            .iter()
            .map(|batch| batch.ids.len() as u64)
            .sum::<u64>();
        if self.unknown_lines >= MAX_UNKNOWN_LINES {
            return Ok(group);
        }
        let ids = group.iter().flat_map(|batch| &batch.ids);
        let known = self.known(ids).await?;
        let all = known.iter().all(|known| *known);
        let mut rest = &known[..];
        let mut fresh = Vec::with_capacity(group.len());
        for batch in group {
            let (of_batch, after) = rest.split_at(batch.ids.len());
            rest = after;
            let (unknown, known) = batch.split(of_batch);
            self.report.skipped += known.drafts.len() as u64;
            self.unknown_lines = match known.drafts.is_empty() {
                true => self.unknown_lines + unknown.drafts.len(),
                false => 0,
            };
            fresh.push(unknown);
        }
        self.lookup_batches = match all {
            true => MAX_LOOKUP_BATCHES.min(2 * self.lookup_batches),
            false if self.unknown_lines >= MAX_UNKNOWN_LINES => 1,
            false => MAX_IN_FLIGHT,
        };
        Ok(fresh)
    }

    /// Splits a batch into the lines that are not known and those that are.
    async fn split_known(&self, batch: DraftBatch) -> Result<(DraftBatch, DraftBatch), Error> {
        let known = self.known(batch.ids.iter()).await?;
        Ok(batch.split(&known))
    }

    /// Asks whether the lake or the topic has each of these ids.
    async fn known(&self, ids: impl Iterator<Item = &Uuid>) -> Result<Vec<bool>, Error> {
        let ids: Vec<String> = ids.map(ToString::to_string).collect();
        let known = self.lookup.known(&ids).await.map_err(Error::Lookup)?;
        if known.len() != ids.len() {
            return Err(Error::Lookup(
                "the answer is for another number of ids".into(),
            ));
        }
        Ok(known)
    }

    async fn send(
        &mut self,
        batch: DraftBatch,
        progress: &mut (dyn FnMut(ImportProgress) + Send),
    ) -> Result<(), Error> {
        if batch.drafts.is_empty() {
            self.in_flight.push_back((batch, None));
            return Ok(());
        }
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..MAX_TRIES {
            match self.edge.writer().append(batch.drafts.clone()) {
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
        match delivery {
            Some(delivery) => match delivery.await {
                Ok(_) => self.count(&batch),
                Err(error) => self.retry(batch, error).await?,
            },
            None => self.count(&batch),
        }
        self.checkpoint.advance(last);
        if self.stored.elapsed() >= STORE_EVERY {
            self.checkpoint.store()?;
            self.stored = Instant::now();
        }
        let lines = self.report.sent + self.report.skipped;
        progress(ImportProgress {
            lines,
            bytes: end,
            total: self.file.total(),
        });
        Ok(())
    }

    /// Sends a batch again that may have been written: only the lines that are not known.
    async fn retry(&mut self, batch: DraftBatch, error: AppendError) -> Result<(), Error> {
        let (mut rest, mut error) = (batch, error);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..MAX_TRIES {
            if matches!(error, AppendError::TooLarge { .. }) {
                break;
            }
            sleep(backoff.wait()).await;
            let (fresh, known) = self.split_known(rest).await?;
            self.count(&known);
            rest = fresh;
            if rest.drafts.is_empty() {
                return Ok(());
            }
            match self.edge.writer().append(rest.drafts.clone()) {
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

    fn count(&mut self, batch: &DraftBatch) {
        self.report.sent += batch.drafts.len() as u64;
        for (line, reason) in batch.rejected.values().cloned() {
            self.report.rejected += 1;
            if self.report.first_rejected.len() < MAX_NAMED_LINES {
                self.report.first_rejected.push((line, reason));
            }
        }
    }
}
