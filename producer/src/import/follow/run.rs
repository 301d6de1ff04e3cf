//! Follows a log until it is stopped.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{AppendError, Backoff, Draft, Timestamp, Topic};

use super::super::batch::LineDrafter;
use super::super::error::Error;
use super::super::id::LineTry;
use super::super::job::ImportFormat;
use super::super::log::LogParser;
use super::super::map::MapError;
use super::generation::{LineChunk, LineLayout};
use super::log::{FollowedLog, NewLayout};
use super::sent::{SentRecord, sent};
use crate::accept::edge::Edge;

/// How often a log is looked at when nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long an earlier follower may take to end.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);
/// How often positions are stored while lines come.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// The first and the longest wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What the `source` of a followed line begins with.
const ORIGIN: &str = "follow:";

/// What is followed, and where its positions are kept.
#[derive(Debug, Clone)]
pub struct FollowJob {
    /// The log. It need not be there yet.
    pub file: PathBuf,
    /// How its lines are laid out; not CSV.
    pub format: ImportFormat,
    /// The fields of CloudFront's real-time logs, in their order.
    pub realtime_fields: Vec<String>,
    /// The largest draft that the topic takes, in bytes.
    pub max_record: usize,
    /// The folder that keeps the positions; it is created if needed.
    pub state: PathBuf,
}

/// How far a log is followed by this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowProgress {
    /// Lines that the topic acknowledged.
    pub lines: u64,
    /// Bytes that are written and not read yet.
    pub behind: u64,
}

/// Follows a log: sends each of its lines once, and stores how far it is. Returns when it is
/// stopped.
///
/// # Errors
/// [`Error`] if the log is followed already, if its positions cannot be stored, or if a record
/// does not fit the topic. A log that cannot be read is tried again.
pub async fn run(
    job: FollowJob,
    edge: Arc<Edge>,
    topic: Arc<dyn Topic>,
    shutdown: CancellationToken,
    progress: &mut (dyn FnMut(FollowProgress) + Send),
) -> Result<(), Error> {
    let name = job.file.file_name().unwrap_or_default().to_string_lossy();
    let origin = format!("{ORIGIN}{name}");
    let log = open(&job, &edge, &shutdown).await?;
    let sender = LineSender {
        edge,
        topic,
        origin,
        max_record: job.max_record,
        shutdown,
    };
    sender.follow(log, progress).await
}

/// Opens the log. An earlier follower may need a moment to end.
async fn open(
    job: &FollowJob,
    edge: &Arc<Edge>,
    shutdown: &CancellationToken,
) -> Result<FollowedLog, Error> {
    let since = Instant::now();
    loop {
        let opened = FollowedLog::open(job.file.clone(), &job.state, layout(job, edge)?);
        match opened {
            Err(Error::Followed(_))
                if since.elapsed() < LOCK_TIMEOUT && !shutdown.is_cancelled() =>
            {
                sleep(LOOK_EVERY).await;
            }
            opened => return opened,
        }
    }
}

fn layout(job: &FollowJob, edge: &Arc<Edge>) -> Result<NewLayout, Error> {
    let (fields, ip) = (job.realtime_fields.clone(), edge.ip_policy());
    match job.format {
        ImportFormat::Csv => Err(MapError::unfollowed().into()),
        ImportFormat::Ndjson => Ok(Box::new(|| LineLayout::Ndjson)),
        ImportFormat::Log(log) => Ok(Box::new(move || {
            LineLayout::Log(LogParser::new(log, &fields, ip))
        })),
    }
}

/// Sends the lines of one log.
struct LineSender {
    edge: Arc<Edge>,
    topic: Arc<dyn Topic>,
    origin: String,
    max_record: usize,
    shutdown: CancellationToken,
}

impl LineSender {
    async fn follow(
        self,
        mut log: FollowedLog,
        progress: &mut (dyn FnMut(FollowProgress) + Send),
    ) -> Result<(), Error> {
        if !self.find_known(&mut log).await {
            return Ok(());
        }
        let mut done = FollowProgress::default();
        let mut is_readable = true;
        let (mut stored, mut is_stored) = (Instant::now(), false);
        while !self.shutdown.is_cancelled() {
            let (back, read) = read(log).await;
            log = back;
            let chunk = match read {
                Ok(chunk) => {
                    is_readable = true;
                    chunk
                }
                Err(error) => {
                    if std::mem::take(&mut is_readable) {
                        let error = log.unreadable(error);
                        tracing::warn!("{error}; it is tried again");
                    }
                    None
                }
            };
            let Some(mut chunk) = chunk else {
                if !is_stored {
                    log.store(self.now(), false)?;
                    is_stored = true;
                }
                progress(FollowProgress { behind: 0, ..done });
                tokio::select! {
                    () = self.shutdown.cancelled() => {}
                    () = sleep(LOOK_EVERY) => {}
                }
                continue;
            };
            // Before anything is sent: what is sent was appended after what is stored.
            if is_stored || log.must_store() || stored.elapsed() >= STORE_EVERY {
                log.store(self.now(), true)?;
                (stored, is_stored) = (Instant::now(), false);
            }
            let lines = chunk.lines.len() as u64;
            if !self.send(&mut chunk).await? {
                // What became of these lines the next follower asks, since the last store.
                return Ok(());
            }
            log.advance(&chunk);
            done.lines += lines;
            done.behind = log.behind();
            progress(done);
        }
        log.store(self.now(), false)
    }

    fn now(&self) -> Timestamp {
        self.edge.clock().now()
    }

    /// Learns which lines the topic has that an earlier process sent and did not store. Returns
    /// false if it has to stop before.
    async fn find_known(&self, log: &mut FollowedLog) -> bool {
        let Some((since, ranges)) = log.unsettled() else {
            return true;
        };
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        while !self.shutdown.is_cancelled() {
            match sent(&*self.topic, since, &ranges).await {
                Ok(ids) => {
                    log.set_known(&ids);
                    return true;
                }
                Err(error) => tracing::warn!("{}: {error}; it is asked again", self.origin),
            }
            self.pause(&mut backoff).await;
        }
        false
    }

    /// Sends lines until the topic acknowledges them. Returns false if it has to stop before.
    async fn send(&self, chunk: &mut LineChunk) -> Result<bool, Error> {
        let drafter = LineDrafter {
            ids: chunk.ids,
            origin: &self.origin,
            edge: &self.edge,
            max_record: self.max_record,
        };
        let since = self.now();
        let lines = std::mem::take(&mut chunk.lines).into_iter();
        let records = lines.flat_map(|(place, click)| {
            let id = chunk.ids.id(place, LineTry::FIRST).into_bytes();
            let drafts = drafter.drafts_of(place, click).into_iter();
            drafts.map(move |(item, draft)| (place, (id, item), draft))
        });
        let unknown =
            records.filter(|(place, (_, item), _)| !chunk.known.contains(&(*place, *item)));
        let mut records: Vec<(SentRecord, Draft)> =
            unknown.map(|(_, record, draft)| (record, draft)).collect();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut said = false;
        while !records.is_empty() && !self.shutdown.is_cancelled() {
            let drafts = records.iter().map(|(_, draft)| draft.clone()).collect();
            let error = match self.edge.writer().append(drafts) {
                Ok(delivery) => match delivery.await {
                    Ok(_) => return Ok(true),
                    Err(error) => {
                        // Some of them may be there.
                        let known = self.known(&records, since).await;
                        records.retain(|(record, _)| !known.contains(record));
                        error
                    }
                },
                Err(error) => error,
            };
            match error {
                AppendError::TooLarge { .. } => return Err(Error::Topic(error)),
                AppendError::Full => {}
                AppendError::Closed(why) if !std::mem::replace(&mut said, true) => {
                    tracing::warn!("{}: {why}; its lines wait", self.origin);
                }
                AppendError::Closed(_) => {}
            }
            self.pause(&mut backoff).await;
        }
        Ok(records.is_empty())
    }

    /// Those of these records that the topic has; none if it does not say.
    async fn known(
        &self,
        records: &[(SentRecord, Draft)],
        since: Timestamp,
    ) -> HashSet<SentRecord> {
        let ids = || records.iter().map(|((id, _), _)| *id);
        let (Some(first), Some(last)) = (ids().min(), ids().max()) else {
            return HashSet::new();
        };
        let asked = sent(&*self.topic, since, &[first..=last]).await;
        asked.unwrap_or_default()
    }

    async fn pause(&self, backoff: &mut Backoff) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = sleep(backoff.wait()) => {}
        }
    }
}

/// Reads beside the runtime's tasks.
async fn read(mut log: FollowedLog) -> (FollowedLog, std::io::Result<Option<LineChunk>>) {
    let reading = tokio::task::spawn_blocking(move || {
        let read = log.read();
        (log, read)
    });
    reading.await.expect("reading a log does not panic")
}
