//! The loop that reads is the loop that commits: one member of the consumer group.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sink::{Footer, Lake, LakeId, Outcome};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use topic::{Event, Partition, ReadError, Reader, Record, Revocation, Topic};

use crate::partition::{Active, BatchContext, SealLimits};
use crate::resume::{self, ResumePoints};
use crate::status::CommitCosts;
use crate::{Config, EnrichmentFeed, Error, Status};

/// How often a stopped partition or a silent lake is asked again.
pub(crate) const RETRY_EVERY: Duration = Duration::from_secs(5);
/// How often an idle worker shows that it lives.
const PULSE_EVERY: Duration = Duration::from_secs(1);

/// What a worker is made of.
pub struct Components {
    /// The topic.
    pub topic: Arc<dyn Topic>,
    /// A member of the group.
    pub reader: Box<dyn Reader>,
    /// The lake.
    pub lake: Lake,
    /// The lake's identity, made at random, if this worker is the one that founds it.
    pub new_lake: LakeId,
    /// What clicks are enriched from.
    pub enrichment: EnrichmentFeed,
    /// Where the worker publishes its state.
    pub status: Arc<Status>,
    /// Called about every second while the worker makes progress.
    pub pulse: Box<dyn Fn() + Send + Sync>,
}

/// Reads, transforms, seals and commits until `shutdown`; then commits what is open, for at
/// most `sink.handover`.
///
/// # Errors
/// If the topic cannot be read exactly once or is closed, if the lake belongs to another topic,
/// and if its store, URL or ledger cannot carry a lake. Any other error only makes a partition
/// wait, or all of them.
pub async fn run(
    config: Config,
    sink: sink::Config,
    components: Components,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Components {
        topic,
        reader,
        lake,
        new_lake,
        mut enrichment,
        status,
        pulse,
    } = components;
    let context = BatchContext::newest(&config, topic.identity(), &mut enrichment);
    let mut worker = Worker {
        config,
        sink,
        topic,
        reader,
        lake,
        new_lake,
        enrichment,
        context,
        status,
        partitions: BTreeMap::new(),
        tasks: JoinSet::new(),
        epoch: 0,
        paused: false,
        delayed: None,
        shown: Instant::now(),
    };
    loop {
        let deadline = worker.deadline();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(step) = worker.tasks.join_next() => worker.step(step.ok())?,
            Ok(()) = worker.enrichment.changed() => worker.renew(),
            event = worker.reader.next() => match event {
                Ok(event) => worker.event(event).await?,
                Err(error) => worker.read_error(error)?,
            },
            () = sleep_until(deadline) => {}
        }
        worker.turn();
        if worker.status.healthy() {
            pulse();
        }
    }
    let held: Vec<Partition> = worker.partitions.keys().copied().collect();
    worker.let_go(&held).await
}

/// A partition that this member holds.
enum Assignment {
    /// Its position is being asked for, by the task of this epoch.
    Resuming(u64),
    /// It is read.
    Active {
        /// The epoch of its position, which distinguishes its commits from those of a former one.
        epoch: u64,
        active: Box<Active>,
    },
    /// It must not go on; its position is asked for again at this moment.
    Stopped(Instant),
}

/// What a task of the worker came to.
enum TaskResult {
    Resumed {
        partitions: BTreeSet<Partition>,
        epoch: u64,
        positions: Result<ResumePoints, Error>,
    },
    Committed {
        partition: Partition,
        epoch: u64,
        outcome: Result<Outcome, sink::Error>,
        costs: CommitCosts,
    },
}

struct Worker {
    config: Config,
    sink: sink::Config,
    topic: Arc<dyn Topic>,
    reader: Box<dyn Reader>,
    lake: Lake,
    new_lake: LakeId,
    enrichment: EnrichmentFeed,
    context: BatchContext,
    status: Arc<Status>,
    partitions: BTreeMap<Partition, Assignment>,
    tasks: JoinSet<TaskResult>,
    epoch: u64,
    paused: bool,
    /// Why reading is delayed, as it was logged last; `None` once an event has come.
    delayed: Option<String>,
    /// When the status was told last what the partitions hold.
    shown: Instant,
}

impl Worker {
    /// When the loop must turn at the latest: a batch comes of age, a stopped partition is
    /// asked again, or nothing happens at all.
    fn deadline(&self) -> Instant {
        let idle = Instant::now() + PULSE_EVERY;
        let due = self.partitions.values().filter_map(|held| match held {
            Assignment::Active { active, .. } => {
                active.open().map(|(.., since)| since + self.sink.max_age)
            }
            Assignment::Stopped(again) => Some(*again),
            Assignment::Resuming(_) => None,
        });
        due.min().map_or(idle, |due| due.min(idle))
    }

    async fn event(&mut self, event: Event) -> Result<(), Error> {
        self.delayed = None;
        match event {
            Event::Assigned { partitions } => {
                tracing::info!(?partitions, "partitions are assigned");
                self.resume(partitions.into_iter().collect());
            }
            Event::Records { partition, records } => self.take(partition, &records),
            Event::Revoked { partitions, ack } => return self.revoke(&partitions, ack).await,
        }
        Ok(())
    }

    fn read_error(&mut self, error: ReadError) -> Result<(), Error> {
        match error {
            ReadError::OutOfRange { partition } => {
                let again = match partition {
                    Some(partition) => BTreeSet::from([partition]),
                    None => self.partitions.keys().copied().collect(),
                };
                self.resume(again);
            }
            ReadError::Corrupt { partition, .. } => self.stop(partition, &error.into()),
            // The reader keeps the pace, and behind the error there may be records already.
            ReadError::Unavailable(why) => {
                if self.delayed.as_ref() != Some(&why) {
                    tracing::warn!("reading is delayed: {why}");
                    self.delayed = Some(why);
                }
            }
            ReadError::Unfit(_) | ReadError::Closed => return Err(error.into()),
        }
        Ok(())
    }

    /// Asks the lake where these partitions continue. Until it answers, their records are dropped.
    fn resume(&mut self, partitions: BTreeSet<Partition>) {
        let epoch = self.hold_back(&partitions);
        let (lake, topic, config) = (self.lake.clone(), self.topic.clone(), self.config.clone());
        let new_lake = self.new_lake;
        self.tasks.spawn(async move {
            let positions =
                resume::resume(&lake, new_lake, topic.as_ref(), &config, &partitions).await;
            TaskResult::Resumed {
                partitions,
                epoch,
                positions,
            }
        });
    }

    /// Continues where an object of another worker ends.
    fn resume_after(&mut self, there: Footer) {
        let partition = there.partition;
        let partitions = BTreeSet::from([partition]);
        let epoch = self.hold_back(&partitions);
        let (lake, topic, config) = (self.lake.clone(), self.topic.clone(), self.config.clone());
        self.tasks.spawn(async move {
            let position = resume::after(&lake, topic.as_ref(), &config, &there).await;
            let positions = Ok(BTreeMap::from([(partition, position)]));
            TaskResult::Resumed {
                partitions,
                epoch,
                positions,
            }
        });
    }

    /// Drops what these partitions hold until their position is known. Returns the epoch of that
    /// question.
    fn hold_back(&mut self, partitions: &BTreeSet<Partition>) -> u64 {
        self.epoch += 1;
        for &partition in partitions {
            self.drop_work(partition);
            self.partitions
                .insert(partition, Assignment::Resuming(self.epoch));
        }
        self.epoch
    }

    /// Forgets all that a partition holds; a create under way may still land, and is then met
    /// as "already there".
    fn drop_work(&mut self, partition: Partition) {
        if let Some(Assignment::Active { active, .. }) = self.partitions.remove(&partition)
            && let Some((task, _)) = active.committing
        {
            task.abort();
        }
    }

    /// Goes on with what clicks are enriched from now. An object has rows of one enrichment alone.
    fn renew(&mut self) {
        for active in self.partitions.values_mut().filter_map(Assignment::active) {
            active.seal();
        }
        let identity = self.topic.identity();
        self.context = BatchContext::newest(&self.config, identity, &mut self.enrichment);
        let versions = self.context.enrichment.versions();
        tracing::info!(?versions, "clicks are enriched from other versions");
    }

    fn take(&mut self, partition: Partition, records: &[Record]) {
        let Some(Assignment::Active { active, .. }) = self.partitions.get_mut(&partition) else {
            return;
        };
        let limits = SealLimits {
            offsets: self.sink.max_rows,
            bytes: usize::try_from(self.sink.max_bytes.as_u64()).unwrap_or(usize::MAX),
        };
        active.take_all(records, &self.context, limits);
    }

    /// Seals and commits what is due, and asks again for stopped partitions.
    fn turn(&mut self) {
        let now = Instant::now();
        let mut again = BTreeSet::new();
        for (partition, held) in &mut self.partitions {
            match held {
                Assignment::Active { active, .. } => active.seal_aged(now, self.sink.max_age),
                Assignment::Stopped(at) if now >= *at => {
                    again.insert(*partition);
                }
                _ => {}
            }
        }
        if !again.is_empty() {
            self.resume(again);
        }
        self.keep_budget();
        self.commit_due();
        if now >= self.shown + PULSE_EVERY {
            self.shown = now;
            self.show();
        }
    }

    /// Tells the status how far each partition is read and what it holds.
    fn show(&self) {
        for (&partition, held) in &self.partitions {
            if let Assignment::Active { active, .. } = held {
                let open = active.open().map_or(0, |(_, size, _)| size);
                let sealed = active.size().saturating_sub(open);
                self.status
                    .holds(partition, active.position(), open, sealed);
            }
        }
    }

    /// Seals the largest batch if open batches fill the budget, or hold more records than the tail can
    /// show; pauses reading if open and sealed ones are twice the budget. Sealed batches do not make it
    /// seal more: that would free nothing, and make small objects until they are committed.
    fn keep_budget(&mut self) {
        let budget = usize::try_from(self.sink.max_memory.as_u64()).unwrap_or(usize::MAX);
        let held: usize = self.partitions.values().map(Assignment::size).sum();
        self.seal_largest(budget as u64, |(_, bytes, _)| bytes as u64);
        self.seal_largest(self.sink.max_open_rows, |(offsets, ..)| offsets);
        let pause = if self.paused {
            held >= budget
        } else {
            held >= budget.saturating_mul(2)
        };
        if pause == self.paused {
            return;
        }
        self.paused = pause;
        for &partition in self.partitions.keys() {
            let told = if pause {
                self.reader.pause(partition)
            } else {
                self.reader.resume(partition)
            };
            if let Err(error) = told {
                tracing::debug!(%partition, pause, "{error}");
            }
        }
    }

    /// Seals the largest open batch by that measure, if all of them come to `most`.
    fn seal_largest(&mut self, most: u64, measure: fn((u64, usize, Instant)) -> u64) {
        let measure = |active: &Active| active.open().map_or(0, measure);
        let actives = self.partitions.values_mut().filter_map(Assignment::active);
        if actives.map(|active| measure(active)).sum::<u64>() >= most {
            let largest = self.partitions.values_mut().filter_map(Assignment::active);
            if let Some(active) = largest.max_by_key(|active| measure(active)) {
                active.seal();
            }
        }
    }

    /// Starts the next create of each partition that has none unresolved.
    fn commit_due(&mut self) {
        for (&partition, held) in &mut self.partitions {
            let Assignment::Active { epoch, active } = held else {
                continue;
            };
            let Some(sealed) = active.due() else { continue };
            let (lake, patience, size) = (self.lake.clone(), self.sink.max_silence, sealed.size());
            let (epoch, known) = (*epoch, active.known);
            let letters = sealed.letters_by_reason();
            let task = self.tasks.spawn(async move {
                let since = Instant::now();
                let outcome = lake.commit(sealed, known, patience).await;
                let elapsed = since.elapsed();
                TaskResult::Committed {
                    partition,
                    epoch,
                    outcome,
                    costs: CommitCosts { elapsed, letters },
                }
            });
            active.committing = Some((task, size));
        }
    }

    async fn revoke(&mut self, partitions: &[Partition], ack: Revocation) -> Result<(), Error> {
        let done = self.let_go(partitions).await;
        ack.acknowledge();
        tracing::info!(?partitions, "partitions are let go");
        done
    }

    /// Seals what these partitions hold and lets their creates finish, within the hand-over.
    /// What is not committed then is still in the topic.
    async fn let_go(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let deadline = Instant::now() + self.sink.handover;
        for partition in partitions {
            if let Some(active) = self
                .partitions
                .get_mut(partition)
                .and_then(Assignment::active)
            {
                active.seal();
            }
        }
        let busy = |worker: &Self| {
            partitions
                .iter()
                .any(|partition| match worker.partitions.get(partition) {
                    Some(Assignment::Active { active, .. }) => !active.idle(),
                    _ => false,
                })
        };
        self.commit_due();
        while busy(self) {
            let Ok(step) = timeout_at(deadline, self.tasks.join_next()).await else {
                break;
            };
            let Some(step) = step else { break };
            self.step(step.ok())?;
            self.commit_due();
        }
        for &partition in partitions {
            self.drop_work(partition);
            self.partitions.remove(&partition);
            self.status.gone(partition);
        }
        Ok(())
    }
}

impl Assignment {
    fn active(&mut self) -> Option<&mut Active> {
        match self {
            Self::Active { active, .. } => Some(active),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Active { active, .. } => active.size(),
            _ => 0,
        }
    }
}
