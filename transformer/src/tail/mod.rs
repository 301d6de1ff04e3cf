//! The tail: rows that the topic already has and the lake does not yet, for `clicks_live`.
//!
//! It reads beside the consumer group, from where the catalog's registered range ends. Up to the
//! sealed batch it does what the worker does: the same window, read again whenever a position is
//! set, and the same transform. So a click becomes the same row as in the lake, and a retry within
//! the window none. It commits nothing and reports nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sink::{Lake, PendingRows};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use topic::{Event, Offset, Partition, ReadError, Reader, Record, Topic, Watermarks};

use crate::partition::{Active, BatchContext, SealLimits};
use crate::resume::{self, ResumePoint, Start};
use crate::window::DuplicateWindow;
use crate::worker::RETRY_EVERY;
use crate::{Config, EnrichmentFeed, Error};

/// How long a row waits for others, so that a burst is handed over in few pieces.
const SEAL_AGE: Duration = Duration::from_millis(25);
/// Rows are handed over at this size in memory at the latest.
const SEAL_LIMITS: SealLimits = SealLimits {
    offsets: u64::MAX,
    bytes: 1 << 20,
};
/// How often it is asked whether the lake has begun, or a silent topic answers.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often an idle tail turns.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// Keeps the rows until the lake has them.
pub trait RowSink: Send + Sync {
    /// Where each partition's rows are wanted from, unless from its origin: after what is registered,
    /// or after what is kept already. `None` before that is known.
    fn wanted(&self) -> Option<BTreeMap<Partition, Offset>>;

    /// The next rows of the partition begin here. Kept rows that do not end here must be dropped.
    fn begin(&self, partition: Partition, first: Offset);

    /// Takes rows that begin where those before them ended. Must not block.
    fn take(&self, range: PendingRows);
}

/// What a tail is made of.
pub struct TailComponents {
    /// The topic.
    pub topic: Arc<dyn Topic>,
    /// The only member of a group of its own, so that it gets every partition.
    pub reader: Box<dyn Reader>,
    /// The lake, whose ledger says where the partitions begin.
    pub lake: Lake,
    /// What clicks are enriched from.
    pub enrichment: EnrichmentFeed,
    /// Where the rows go.
    pub rows: Arc<dyn RowSink>,
}

/// Reads and hands over until `shutdown`.
///
/// # Errors
/// If the topic cannot be read exactly once or is closed, and if the lake belongs to
/// another topic. An error that may pass ends nothing.
pub async fn run(
    config: Config,
    components: TailComponents,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut enrichment = components.enrichment;
    let identity = components.topic.identity();
    let context = BatchContext::newest(&config, identity, &mut enrichment);
    let mut tail = TailLoop {
        config,
        topic: components.topic,
        reader: components.reader,
        lake: components.lake,
        rows: components.rows,
        enrichment,
        context,
        partitions: BTreeMap::new(),
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        ended = tail.run() => ended,
    }
}

/// A partition of the topic.
enum Following {
    /// Its position is asked for at this moment.
    Waiting(Instant),
    /// It is read.
    Active(Box<Active>),
}

struct TailLoop {
    config: Config,
    topic: Arc<dyn Topic>,
    reader: Box<dyn Reader>,
    lake: Lake,
    rows: Arc<dyn RowSink>,
    enrichment: EnrichmentFeed,
    context: BatchContext,
    partitions: BTreeMap<Partition, Following>,
}

impl TailLoop {
    async fn run(&mut self) -> Result<(), Error> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.deadline()) => {}
                Ok(()) = self.enrichment.changed() => {
                    let identity = self.topic.identity();
                    self.context = BatchContext::newest(&self.config, identity, &mut self.enrichment);
                }
                event = self.reader.next() => match event {
                    Ok(event) => self.event(event),
                    Err(error) => self.read_error(error)?,
                },
            }
            self.turn().await?;
        }
    }

    /// When the loop must turn at the latest: a piece is due, or a position is asked for.
    fn deadline(&self) -> Instant {
        let due = self.partitions.values().filter_map(|held| match held {
            Following::Active(active) => active.open().map(|(.., since)| since + SEAL_AGE),
            Following::Waiting(at) => Some(*at),
        });
        let idle = Instant::now() + IDLE_PAUSE;
        due.min().map_or(idle, |due| due.min(idle))
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Assigned { partitions } => {
                for partition in partitions {
                    self.wait(partition, Duration::ZERO);
                }
            }
            Event::Records { partition, records } => self.read(partition, &records),
            Event::Revoked { partitions, ack } => {
                for partition in partitions {
                    self.partitions.remove(&partition);
                }
                ack.acknowledge();
            }
        }
    }

    fn read_error(&mut self, error: ReadError) -> Result<(), Error> {
        match error {
            ReadError::OutOfRange { partition } => {
                let again = match partition {
                    Some(partition) => vec![partition],
                    None => self.partitions.keys().copied().collect(),
                };
                for partition in again {
                    self.wait(partition, RETRY_PAUSE);
                }
            }
            // The worker stops there as well, and says it.
            ReadError::Corrupt { partition, .. } => self.wait(partition, RETRY_EVERY),
            // The reader keeps the pace, as for a worker.
            ReadError::Unavailable(why) => tracing::debug!("the tail is delayed: {why}"),
            ReadError::Unfit(_) | ReadError::Closed => return Err(error.into()),
        }
        Ok(())
    }

    fn wait(&mut self, partition: Partition, wait: Duration) {
        let at = Instant::now() + wait;
        self.partitions.insert(partition, Following::Waiting(at));
    }

    fn read(&mut self, partition: Partition, records: &[Record]) {
        let Some(Following::Active(active)) = self.partitions.get_mut(&partition) else {
            return;
        };
        active.take_all(records, &self.context, SEAL_LIMITS);
        hand_over(active, self.rows.as_ref());
    }

    /// Hands over what is due, and asks for the positions that are.
    async fn turn(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let mut waiting = Vec::new();
        for (&partition, held) in &mut self.partitions {
            match held {
                Following::Waiting(at) if now >= *at => waiting.push(partition),
                Following::Waiting(_) => {}
                Following::Active(active) => {
                    active.seal_aged(now, SEAL_AGE);
                    hand_over(active, self.rows.as_ref());
                }
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        match self.begin(&waiting).await {
            Ok(true) => {}
            Ok(false) => waiting.iter().for_each(|p| self.wait(*p, RETRY_PAUSE)),
            Err(error @ Error::Lake(sink::Error::AnotherTopic { .. })) => return Err(error),
            Err(error) => {
                tracing::warn!("the tail waits: {error}");
                waiting.iter().for_each(|p| self.wait(*p, RETRY_EVERY));
            }
        }
        Ok(())
    }

    /// Sets the positions of these partitions. Returns false if the lake or the catalog has not
    /// begun.
    async fn begin(&mut self, partitions: &[Partition]) -> Result<bool, Error> {
        let ledger = self.lake.ledger_of(&self.context.topic).await?;
        let (Some(ledger), Some(wanted)) = (ledger, self.rows.wanted()) else {
            return Ok(false);
        };
        let forgotten = self.lake.forgotten(&ledger).await?;
        let marks = self.topic.watermarks().await?;
        let mut starts = Vec::new();
        for &partition in partitions {
            let origin = ledger.first(partition);
            let next = wanted.get(&partition).copied().unwrap_or(origin);
            let topic = self.topic.as_ref();
            match start(topic, &self.config, partition, (origin, next), &marks).await {
                Ok(mut start) => {
                    // A tail that began before a request shows its rows until the lake has
                    // passed the request's end.
                    start.drops = forgotten.rule(partition, start.next);
                    starts.push((partition, origin, start));
                }
                Err(error) => {
                    tracing::warn!(%partition, "the tail waits: {error}");
                    self.wait(partition, RETRY_EVERY);
                }
            }
        }
        // As for a worker: retention may have passed while the windows were sought.
        let marks = self.topic.watermarks().await?;
        for (partition, origin, start) in starts {
            let topic = self.topic.as_ref();
            let position = start.position(topic, partition, origin, &marks).await?;
            self.follow(partition, position);
        }
        Ok(true)
    }

    /// Reads the partition from this position on.
    fn follow(&mut self, partition: Partition, position: ResumePoint) {
        tracing::debug!(%partition, next = %position.next, from = %position.from, "the tail begins");
        self.rows.begin(partition, position.next);
        let window = DuplicateWindow::new(self.config.window, self.config.window_records);
        let from = position.from;
        let active = Box::new(Active::new(partition, position, window));
        self.partitions.insert(partition, Following::Active(active));
        if let Err(error) = self.reader.seek(partition, from) {
            tracing::debug!(%partition, "{error}");
            self.wait(partition, RETRY_PAUSE);
        }
    }
}

/// Hands over what is sealed.
fn hand_over(active: &mut Active, rows: &dyn RowSink) {
    while let Some(sealed) = active.due() {
        rows.take(sealed.pending_rows());
    }
}

/// Where reading begins, so that what follows `next` is decided as the worker decides it.
async fn start(
    topic: &dyn Topic,
    config: &Config,
    partition: Partition,
    (origin, next): (Offset, Offset),
    marks: &BTreeMap<Partition, Watermarks>,
) -> Result<Start, Error> {
    let unnamed = || {
        let why = format!("it does not name partition {partition} yet");
        Error::from(ReadError::Unavailable(why))
    };
    let marks = marks.get(&partition).copied().ok_or_else(unnamed)?;
    if next > marks.high {
        let (end, why) = (next, format!("the topic ends at {}", marks.high));
        let error = sink::Error::Recreated {
            partition,
            end,
            why,
        };
        return Err(error.into());
    }
    // What retention took before the lake had it is missing here, too: the worker says it.
    let next = next.max(marks.low);
    let before = match next.0.checked_sub(1) {
        Some(last) if next > origin => topic.fetch(partition, Offset(last), 1).await?,
        _ => Vec::new(),
    };
    let wanted = match before.first() {
        Some(record) => {
            let before = (next, record.appended_at);
            resume::window_from(topic, config, partition, before).await?
        }
        None => origin,
    };
    Ok(Start {
        next,
        wanted: wanted.max(origin),
        ledger: 0,
        drops: None,
    })
}

#[cfg(test)]
mod tests;
