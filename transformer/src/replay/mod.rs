//! A replay: a range of the topic, read again outside the group into a lake of its own.
//!
//! It does what the worker does, without the group and the clock: the same positions, window,
//! transform, batches and commits. So a replay that was killed goes on where its own lake
//! ends, and one that is run twice commits nothing new.

mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sink::{Forgotten, Hour, Lake, Outcome, Pool, SealedBatch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{Offset, Partition, ReadError, Record, Timestamp, Topic, Watermarks};

pub use plan::{Replay, ReplaySpan, begin};

use crate::partition::{Active, BatchContext, SealLimits};
use crate::resume::{Place, ResumePoint};
use crate::window::DuplicateWindow;
use crate::worker::RETRY_EVERY;
use crate::{Config, Enrichment, Error};

/// How many records are asked for at once; a fetch ends at some 4 MiB, too.
const FETCH_RECORDS: usize = 20_000;

/// What a replay is made with.
pub struct Parts {
    /// The topic.
    pub topic: Arc<dyn Topic>,
    /// What clicks are enriched from.
    pub enrichment: Arc<Enrichment>,
    /// Where records become rows: it has work for whole seconds.
    pub pool: Pool,
    /// Called with the number of offsets that are committed, and of all.
    pub progress: Box<dyn Fn(u64, u64) + Send + Sync>,
    /// Ends it between two batches.
    pub stop: CancellationToken,
}

/// How far a replay came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayReport {
    /// The offsets of its ranges.
    pub total: u64,
    /// Those that are committed.
    pub committed: u64,
    /// Those of them that this run committed.
    pub landed: u64,
}

/// Reads a replay's ranges into its lake, from where that ends, one partition after the other,
/// so that the live stages beside it keep what they need. It holds as much in memory as
/// `sink.max_memory` and one window, beside what the live worker holds.
///
/// # Errors
/// If the topic no longer holds what is left; else the topic's and the lake's. What is
/// committed stays, and the next run goes on behind it.
pub async fn run(
    config: Config,
    sink: sink::Config,
    replay: Replay,
    parts: Parts,
) -> Result<ReplayReport, Error> {
    let identity = parts.topic.identity();
    let context = Arc::new(BatchContext::of(&config, identity, parts.enrichment));
    let total = replay.ranges.values().map(|(a, b)| a.distance(*b)).sum();
    let job = Job {
        config,
        sink,
        topic: parts.topic,
        context,
        pool: parts.pool,
        progress: parts.progress,
        stop: parts.stop,
        total,
        committed: AtomicU64::new(0),
        landed: AtomicU64::new(0),
    };
    for (&partition, &(first, end)) in &replay.ranges {
        let lane = Lane {
            job: &job,
            lake: &replay.lake,
            live: &replay.live,
            partition,
            first,
            end,
            origin: replay.origins.get(&partition).copied().unwrap_or_default(),
        };
        lane.run().await?;
    }
    Ok(ReplayReport {
        total,
        committed: job.committed.into_inner(),
        landed: job.landed.into_inner(),
    })
}

/// A task that panicked; what it held was not committed.
fn broken(error: &tokio::task::JoinError) -> Error {
    sink::Error::Unfit(format!("the work was cut short: {error}")).into()
}

/// Returns true if the topic or the lake may answer later.
const fn may_pass(error: &Error) -> bool {
    matches!(
        error,
        Error::Topic(ReadError::Unavailable(_)) | Error::Lake(sink::Error::Unavailable(_))
    )
}

/// What the partitions of a replay share.
struct Job {
    config: Config,
    sink: sink::Config,
    topic: Arc<dyn Topic>,
    context: Arc<BatchContext>,
    pool: Pool,
    progress: Box<dyn Fn(u64, u64) + Send + Sync>,
    stop: CancellationToken,
    total: u64,
    committed: AtomicU64,
    landed: AtomicU64,
}

impl Job {
    fn advance(&self, offsets: u64) {
        let before = self.committed.fetch_add(offsets, Ordering::Relaxed);
        (self.progress)(before + offsets, self.total);
    }

    /// The size in bytes at which a batch is sealed: an open one and one under way share the budget.
    fn seal_bytes(&self) -> usize {
        let share = self.sink.max_memory.as_u64() / 2;
        usize::try_from(share.min(self.sink.max_bytes.as_u64())).unwrap_or(usize::MAX)
    }
}

/// One partition of a replay.
struct Lane<'a> {
    job: &'a Job,
    lake: &'a Lake,
    live: &'a Lake,
    partition: Partition,
    first: Offset,
    end: Offset,
    origin: Offset,
}

/// A batch on its way to the lake.
type Commit = JoinHandle<Result<Outcome, sink::Error>>;

/// Why a pass over the partition ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// The range is committed, or the replay was asked to stop.
    Done,
    /// Another run of this replay was ahead, or retention: the lake is asked again.
    Again,
}

impl Lane<'_> {
    /// Goes on until the range is committed. It waits if an error may pass, as a worker does.
    async fn run(&self) -> Result<(), Error> {
        let mut counted = self.first;
        let mut heard = (Instant::now(), counted);
        loop {
            match self.advance(&mut counted).await {
                Ok(Ended::Done) => return Ok(()),
                Ok(Ended::Again) => {}
                Err(error) if may_pass(&error) => {
                    if heard.1 != counted {
                        heard = (Instant::now(), counted);
                    }
                    if heard.0.elapsed() > self.job.sink.max_silence {
                        return Err(error);
                    }
                    tracing::warn!(partition = %self.partition, "the replay waits: {error}");
                    tokio::select! {
                        () = sleep(RETRY_EVERY) => {}
                        () = self.job.stop.cancelled() => return Ok(()),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One pass from where the lake ends.
    async fn advance(&self, counted: &mut Offset) -> Result<Ended, Error> {
        let Some((position, hour)) = self.position().await? else {
            self.job.advance(counted.distance(self.end));
            return Ok(Ended::Done);
        };
        self.job.advance(counted.distance(position.next));
        *counted = position.next;
        if self.job.stop.is_cancelled() {
            return Ok(Ended::Done);
        }
        self.pass(position, hour, counted).await
    }

    /// Where the lake says that the range continues, and the hour of the record before;
    /// `None` if it is finished.
    async fn position(&self) -> Result<Option<(ResumePoint, Hour)>, Error> {
        let (partition, topic) = (self.partition, self.job.topic.as_ref());
        let Some(ledger) = self.lake.ledger().await? else {
            let why = "the replay's ledger is gone: take another name".to_owned();
            return Err(sink::Error::Refused(why).into());
        };
        let tips = self.lake.tips(ledger.clone(), &[partition].into()).await?;
        let next = tips.resume(partition);
        if next >= self.end {
            return Ok(None);
        }
        let marks = self.marks().await?;
        if next < marks.low {
            return Err(sink::Error::Refused(format!(
                "partition {partition}: the topic begins at {} now, the replay is at {next}: \
                 what is between can be replayed no more; begin another, from there on",
                marks.low
            ))
            .into());
        }
        let tip = match tips.last(partition) {
            Some(last) => Some(last),
            // The window is filled as it was when the record before was live.
            None => self.before(next).await?,
        };
        let forgotten = self.forgotten().await?;
        let place = Place {
            lake: self.lake,
            topic,
            config: &self.job.config,
            ledger: &ledger,
            forgotten: &forgotten,
            origin: self.origin,
            partition,
            marks,
        };
        let position = place.position(next, tip).await?;
        let hour = tip.map_or(Hour(0), |(_, appended_at)| Hour::of(appended_at));
        Ok((position.next < self.end).then_some((position, hour)))
    }

    /// What the live lake was asked to forget. It is read after the replay's own ledger: a request
    /// that comes later is written there too, and met before a commit.
    async fn forgotten(&self) -> Result<Forgotten, Error> {
        match self.live.ledger().await? {
            Some(live) => Ok(self.live.forgotten(&live).await?),
            None => Ok(Forgotten::default()),
        }
    }

    /// The end and the append time of the record before `next`; `None` if that is the
    /// lake's first or no longer there.
    async fn before(&self, next: Offset) -> Result<Option<(Offset, Timestamp)>, Error> {
        if next <= self.origin {
            return Ok(None);
        }
        let last = Offset(next.0 - 1);
        let records = self.job.topic.fetch(self.partition, last, 1).await?;
        Ok(records.first().map(|record| (next, record.appended_at)))
    }

    /// Reads from a position to the range's end: while some records become rows, the next are
    /// fetched and the batch before is committed.
    async fn pass(
        &self,
        position: ResumePoint,
        mut hour: Hour,
        counted: &mut Offset,
    ) -> Result<Ended, Error> {
        let config = &self.job.config;
        let window = DuplicateWindow::new(config.window, config.window_records);
        let (ledger, mut at) = (position.ledger, position.from);
        let mut active = Active::new(self.partition, position, window);
        let mut reading = self.fetch(at);
        let mut commit: Option<Commit> = None;
        loop {
            let mut records = reading.await.map_err(|error| broken(&error))??;
            if records.first().is_none_or(|record| record.offset > at)
                && self.is_cut(at, records.is_empty()).await?
            {
                return Ok(Ended::Again);
            }
            let within = records.partition_point(|record| record.offset < self.end);
            let last = within < records.len()
                || records
                    .last()
                    .is_none_or(|record| record.offset.next() >= self.end);
            records.truncate(within);
            if let Some(record) = records.last() {
                (at, hour) = (record.offset.next(), Hour::of(record.appended_at));
            }
            let end = last.then_some((self.end, hour));
            reading = self.fetch(at);
            active = self.take(active, records, end).await?;
            while let Some(sealed) = active.due() {
                if let Some(commit) = commit.take()
                    && self.settle(commit, counted).await? == Ended::Again
                {
                    return Ok(Ended::Again);
                }
                commit = Some(self.commit(sealed, ledger));
            }
            if last || self.job.stop.is_cancelled() {
                reading.abort();
                return match commit.take() {
                    Some(commit) => self.settle(commit, counted).await,
                    None => Ok(Ended::Done),
                };
            }
        }
    }

    fn fetch(&self, at: Offset) -> JoinHandle<Result<Vec<Record>, ReadError>> {
        let (topic, partition) = (Arc::clone(&self.job.topic), self.partition);
        tokio::spawn(async move { topic.fetch(partition, at, FETCH_RECORDS).await })
    }

    /// A fetch skipped offsets. Returns true if retention took them just now, and false if they hold
    /// no record.
    async fn is_cut(&self, at: Offset, ended: bool) -> Result<bool, Error> {
        let marks = self.marks().await?;
        if ended && marks.high < self.end {
            let why = format!("the topic ends at {}", marks.high);
            let (partition, end) = (self.partition, self.end);
            return Err(sink::Error::Recreated {
                partition,
                end,
                why,
            }
            .into());
        }
        Ok(marks.low > at)
    }

    async fn marks(&self) -> Result<Watermarks, Error> {
        let partition = Some(self.partition);
        let marks = self.job.topic.watermarks().await?;
        let marks = marks.get(&self.partition).copied();
        marks.ok_or_else(|| ReadError::OutOfRange { partition }.into())
    }

    /// Records become rows, off the event loop.
    async fn take(
        &self,
        mut active: Active,
        records: Vec<Record>,
        end: Option<(Offset, Hour)>,
    ) -> Result<Active, Error> {
        let context = Arc::clone(&self.job.context);
        let limits = SealLimits {
            offsets: self.job.sink.max_rows,
            bytes: self.job.seal_bytes(),
        };
        let work = move || {
            active.take_all(&records, &context, limits);
            if let Some((end, hour)) = end {
                active.finish(end, hour, &context);
            }
            active
        };
        let taken = self.job.pool.run(work).await;
        taken.map_err(|error| broken(&error))
    }

    fn commit(&self, sealed: SealedBatch, ledger: u64) -> Commit {
        let (lake, patience) = (self.lake.clone(), self.job.sink.max_silence);
        tokio::spawn(async move { lake.commit(sealed, ledger, patience).await })
    }

    /// Waits for the batch under way.
    async fn settle(&self, commit: Commit, counted: &mut Offset) -> Result<Ended, Error> {
        match commit.await.map_err(|error| broken(&error))?? {
            Outcome::Committed(footer) => {
                let offsets = counted.distance(footer.end);
                *counted = footer.end;
                self.job.landed.fetch_add(offsets, Ordering::Relaxed);
                self.job.advance(offsets);
                Ok(Ended::Done)
            }
            Outcome::AlreadyCommitted(_) | Outcome::GivenUp => Ok(Ended::Again),
        }
    }
}
