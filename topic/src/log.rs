//! The traits of a topic: [`Topic`] opens and measures, [`Writer`] appends,
//! [`Reader`] is one member of a consumer group.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{Draft, Offset, Partition, Record, Timestamp};

/// Which topic this is: two topics of the same name on two clusters differ, and so
/// does a topic that was deleted and made anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster's id, from the brokers or from the embedded topic's own folder.
    pub cluster: String,
    /// The topic's name.
    pub topic: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.topic)
    }
}

/// What a partition holds: the half-open range `low..high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// The first offset that is still kept.
    pub low: Offset,
    /// The offset that the next record will get.
    pub high: Offset,
}

/// Where an acknowledged draft went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its partition.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
}

/// A topic that is open: the place from which writers and readers come.
#[async_trait]
pub trait Topic: Send + Sync {
    /// Which topic this is.
    fn identity(&self) -> &Identity;

    /// Low and high of every partition, asked of the topic now.
    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError>;

    /// The same, but high is where the records end: the last offsets may hold only marks of the
    /// brokers' own, for which nothing ever waits. It may take longer.
    async fn extents(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        self.watermarks().await
    }

    /// The first offset whose append time is at `time` or later; the partition's
    /// high watermark if there is none.
    async fn offset_at(&self, partition: Partition, time: Timestamp) -> Result<Offset, ReadError>;

    /// Up to `limit` records (at least 1 where any is left, and about 4 MiB at most)
    /// from the first retained offset at or after `from`, outside any group. Returns
    /// an empty list at the end.
    async fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError>;

    /// The topic's writer; every call gives the same one.
    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError>;

    /// A new member of the consumer group `group`.
    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ReadError>;
}

/// Appends drafts. One call a request; what it answers is durable.
pub trait Writer: Send + Sync {
    /// Takes the drafts into a queue bounded in bytes. The [`Delivery`] resolves when
    /// all of them are durable, in the order of the drafts, or when one of them failed
    /// (the others may have been written: the caller answers "try again", and the
    /// retry meets its twin).
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError>;

    /// Waits until what was taken is settled, one way or the other, for at most `deadline`.
    /// Returns true if nothing is left.
    fn flush(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Returns `Ok` if an append now has a fair chance: `/readyz` reports it.
    fn ready(&self) -> Result<(), AppendError>;
}

/// The answer to an append, on its way.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Vec<Placed>, AppendError>>);

impl Delivery {
    /// A delivery and the sender that settles it. A sender that is dropped settles
    /// it as [`AppendError::Closed`].
    #[must_use]
    pub fn channel() -> (oneshot::Sender<Result<Vec<Placed>, AppendError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }
}

impl Future for Delivery {
    type Output = Result<Vec<Placed>, AppendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|settled| {
            settled.unwrap_or_else(|_| Err(AppendError::Closed("the topic's writer ended".into())))
        })
    }
}

/// Why an append was not acknowledged, by what the caller does about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The queue is full: try again later.
    #[error("the topic's queue is full")]
    Full,
    /// A draft is larger than the topic takes: it will never fit.
    #[error("a record of {size} bytes is over the topic's limit of {limit}")]
    TooLarge {
        /// The draft's size in bytes.
        size: usize,
        /// The topic's limit in bytes.
        limit: usize,
    },
    /// The topic cannot be written now; the sentence says why. Perhaps written, never
    /// acknowledged: try again later.
    #[error("the topic cannot be written: {0}")]
    Closed(String),
}

/// One member of a consumer group. Dropping it leaves the group.
#[async_trait]
pub trait Reader: Send {
    /// The next event. Cancel-safe: a dropped call loses nothing. An error that
    /// names no partition may pass; call again at once: the reader keeps the pace, so that
    /// a caller that repeats the call does not spin.
    async fn next(&mut self) -> Result<Event, ReadError>;

    /// Positions an assigned partition and starts it. Without a seek an assigned
    /// partition stays silent; after it no record of the old position is delivered.
    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), ReadError>;

    /// Stops delivery of a partition, keeping its position.
    fn pause(&mut self, partition: Partition) -> Result<(), ReadError>;

    /// Starts it again.
    fn resume(&mut self, partition: Partition) -> Result<(), ReadError>;

    /// Tells the topic how far the lake is. The embedded topic keeps what is not there yet; Kafka
    /// shows it as the group's lag. A failure is no error.
    fn report(&mut self, partition: Partition, end: Offset);
}

/// What happens to a member of a group. Closed on purpose: a loop answers each.
#[derive(Debug)]
pub enum Event {
    /// These partitions are now this member's; each waits for its seek.
    Assigned {
        /// The partitions that came.
        partitions: Vec<Partition>,
    },
    /// Records of one partition, in order of offset; never empty.
    Records {
        /// Where they come from.
        partition: Partition,
        /// The records.
        records: Vec<Record>,
    },
    /// These partitions are about to go; they go when `ack` is acknowledged (or at the
    /// backend's bound).
    Revoked {
        /// The partitions that go.
        partitions: Vec<Partition>,
        /// Tells the group that this member has let go.
        ack: Revocation,
    },
}

/// The acknowledgement that a revoke waits for; dropping it acknowledges too.
#[derive(Debug)]
pub struct Revocation(Option<oneshot::Sender<()>>);

impl Revocation {
    /// A revocation, and the receiver on which the group waits.
    #[must_use]
    pub fn channel() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    /// Lets the partitions go.
    pub fn acknowledge(mut self) {
        self.tell();
    }

    fn tell(&mut self) {
        if let Some(sender) = self.0.take() {
            // A group that no longer waits has already moved on.
            let _ = sender.send(());
        }
    }
}

impl Drop for Revocation {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Why reading failed, by what the caller does about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The position is not in the topic (any more): compare watermarks, and stop the partition.
    #[error("{}offset out of the topic's range", partition.map_or(String::new(), |p| format!("partition {p}: ")))]
    OutOfRange {
        /// The partition; `None` if the backend cannot tell.
        partition: Option<Partition>,
    },
    /// A record is damaged at rest: the partition stops.
    #[error("partition {partition} is damaged near offset {offset}: {detail}")]
    Corrupt {
        /// Where.
        partition: Partition,
        /// Near which offset.
        offset: Offset,
        /// What was seen.
        detail: String,
    },
    /// The topic's settings do not allow exactly-once; the sentence says what to change.
    #[error("{0}")]
    Unfit(String),
    /// The topic does not answer now; try again.
    #[error("the topic does not answer: {0}")]
    Unavailable(String),
    /// The reader was closed.
    #[error("the topic is closed")]
    Closed,
}
