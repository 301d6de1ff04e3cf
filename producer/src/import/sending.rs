//! Batches into the topic, in order, a bounded number of them in flight.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{AppendError, Delivery};
use uuid::Uuid;

use super::position::Position;
use super::reading::{BATCH_LINES, Batch, File};
use super::{Error, Lookup, Progress, Report};
use crate::Edge;

/// How many batches may be without an answer.
const FLIGHT: usize = 8;
/// After so many unknown lines in a row nothing further can be known: twice what an
/// earlier import can have had in flight.
const UNKNOWN: usize = 2 * FLIGHT * BATCH_LINES;
/// How many batches are asked for at once, at most: a question costs a look at the whole
/// lake, however many lines it names, and these lines are held in memory.
const TOGETHER: usize = 32;
/// How often a batch is tried again, once a second, before the import gives up.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);
/// How often the position is written while the import runs.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// How many rejected lines the report names.
const NAMED: usize = 20;

pub(super) struct Sending<'s> {
    edge: &'s Edge,
    lookup: &'s dyn Lookup,
    file: &'s File,
    position: Position,
    report: Report,
    flight: VecDeque<(Batch, Option<Delivery>)>,
    /// Unknown lines in a row, up to the last that was asked for.
    unknown: usize,
    /// How many batches are taken together: twice as many after each that was known whole.
    together: usize,
    stored: Instant,
}

impl<'s> Sending<'s> {
    pub(super) fn new(
        edge: &'s Edge,
        lookup: &'s dyn Lookup,
        file: &'s File,
        position: Position,
    ) -> Self {
        let report = Report {
            digest: file.digest(),
            ..Report::default()
        };
        let flight = VecDeque::with_capacity(FLIGHT);
        Self {
            edge,
            lookup,
            file,
            position,
            report,
            flight,
            unknown: 0,
            together: FLIGHT,
            stored: Instant::now(),
        }
    }

    /// Sends what comes, until it ends or the import is told to stop.
    pub(super) async fn run(
        mut self,
        mut batches: Receiver<Batch>,
        shutdown: CancellationToken,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, Error> {
        let stopped = loop {
            let group = tokio::select! {
                biased;
                () = shutdown.cancelled() => break true,
                group = self.gather(&mut batches) => group,
            };
            if group.is_empty() {
                break false;
            }
            for batch in self.fresh(group).await? {
                if shutdown.is_cancelled() {
                    break;
                }
                if self.flight.len() >= FLIGHT {
                    self.settle(progress).await?;
                }
                self.send(batch, progress).await?;
            }
        };
        drop(batches);
        while !self.flight.is_empty() {
            self.settle(progress).await?;
        }
        self.position.store()?;
        self.report.complete = !stopped;
        Ok(self.report)
    }

    /// As many batches as are to be asked for together; fewer at the file's end.
    async fn gather(&self, batches: &mut Receiver<Batch>) -> Vec<Batch> {
        let mut group = Vec::with_capacity(self.together);
        while group.len() < self.together {
            match batches.recv().await {
                Some(batch) => group.push(batch),
                None => break,
            }
        }
        group
    }

    /// The batches without the lines that the lake or the topic has.
    async fn fresh(&mut self, group: Vec<Batch>) -> Result<Vec<Batch>, Error> {
        self.report.lines += group
            .iter()
            .map(|batch| batch.ids.len() as u64)
            .sum::<u64>();
        if self.unknown >= UNKNOWN {
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
            self.unknown = match known.drafts.is_empty() {
                true => self.unknown + unknown.drafts.len(),
                false => 0,
            };
            fresh.push(unknown);
        }
        self.together = match all {
            true => TOGETHER.min(2 * self.together),
            false if self.unknown >= UNKNOWN => 1,
            false => FLIGHT,
        };
        Ok(fresh)
    }

    /// Splits a batch into what is not known and what is.
    async fn divided(&self, batch: Batch) -> Result<(Batch, Batch), Error> {
        let known = self.known(batch.ids.iter()).await?;
        Ok(batch.split(&known))
    }

    /// Whether the lake or the topic has each of these.
    async fn known(&self, ids: impl Iterator<Item = &Uuid>) -> Result<Vec<bool>, Error> {
        let ids: Vec<String> = ids.map(ToString::to_string).collect();
        let known = self.lookup.known(&ids).await.map_err(Error::Lookup)?;
        if known.len() != ids.len() {
            return Err(Error::Lookup(
                "it answered for another number of ids".into(),
            ));
        }
        Ok(known)
    }

    async fn send(
        &mut self,
        batch: Batch,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        if batch.drafts.is_empty() {
            self.flight.push_back((batch, None));
            return Ok(());
        }
        for _ in 0..TRIES {
            match self.edge.writer().append(batch.drafts.clone()) {
                Ok(delivery) => {
                    self.flight.push_back((batch, Some(delivery)));
                    return Ok(());
                }
                Err(AppendError::Full) if !self.flight.is_empty() => self.settle(progress).await?,
                Err(AppendError::Full | AppendError::Closed(_)) => sleep(PAUSE).await,
                Err(error @ AppendError::TooLarge { .. }) => return Err(Error::Topic(error)),
            }
        }
        Err(Error::Topic(AppendError::Full))
    }

    /// Waits for the oldest batch in flight, then counts it.
    async fn settle(&mut self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), Error> {
        let Some((batch, delivery)) = self.flight.pop_front() else {
            return Ok(());
        };
        let (last, end) = (batch.last, batch.end);
        match delivery {
            Some(delivery) => match delivery.await {
                Ok(_) => self.count(&batch),
                Err(error) => self.again(batch, error).await?,
            },
            None => self.count(&batch),
        }
        self.position.advance(last);
        if self.stored.elapsed() >= STORE_EVERY {
            self.position.store()?;
            self.stored = Instant::now();
        }
        let lines = self.report.sent + self.report.skipped;
        progress(Progress {
            lines,
            bytes: end,
            total: self.file.total(),
        });
        Ok(())
    }

    /// A batch that was perhaps written: what is not known is sent once more.
    async fn again(&mut self, batch: Batch, error: AppendError) -> Result<(), Error> {
        let (mut rest, mut error) = (batch, error);
        for _ in 0..TRIES {
            if matches!(error, AppendError::TooLarge { .. }) {
                break;
            }
            sleep(PAUSE).await;
            let (fresh, known) = self.divided(rest).await?;
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

    fn count(&mut self, batch: &Batch) {
        self.report.sent += batch.drafts.len() as u64;
        self.name(batch.rejected.values().cloned());
    }

    fn name(&mut self, rejected: impl Iterator<Item = (u64, String)>) {
        for (line, reason) in rejected {
            self.report.rejected += 1;
            if self.report.first_rejected.len() < NAMED {
                self.report.first_rejected.push((line, reason));
            }
        }
    }
}
