//! A member of the consumer group: the [`Reader`] over Kafka.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::task::JoinHandle;

use super::error::{refused_settings, unavailable};
use super::examine::watch;
use super::fetch::Fetchers;
use super::handover::Handover;
use super::member::GroupMember;
use super::poller::Poller;
use super::settings::KafkaSettings;
use crate::{Event, Offset, Partition, ReadError, Reader};

/// How long a reader that is dropped waits until it has left the group. Otherwise the
/// group would keep its partitions until the session times out.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// One member of a group. A thread of its own polls Kafka, so a slow loop never costs
/// the membership; what it reads waits in a [`Handover`].
pub(super) struct KafkaReader {
    handover: Arc<Handover>,
    gone: Receiver<()>,
    /// Looks at the topic's settings.
    watch: JoinHandle<()>,
}

impl KafkaReader {
    /// Joins `group`; returns at once, the assignment comes as an event. Call it within a runtime.
    pub(super) fn join(
        settings: &KafkaSettings,
        fetchers: Arc<Fetchers>,
        group: &str,
    ) -> Result<Self, ReadError> {
        let handover = Arc::new(Handover::default());
        let member = GroupMember::new(Arc::clone(&handover));
        let mut consumer: BaseConsumer<GroupMember> = settings
            .reader(group)
            .create_with_context(member)
            .map_err(|error| refused_settings(&error))?;
        let bell = Arc::clone(&handover);
        consumer.set_nonempty_callback(move || bell.wake());
        consumer
            .subscribe(&[&settings.address.topic])
            .map_err(|error| unavailable(&error))?;
        let own = (settings.clone(), group.to_owned());
        let poller = Poller::new(consumer, own, fetchers, Arc::clone(&handover));
        let (leaving, gone) = sync_channel(1);
        std::thread::Builder::new()
            .name("kafka-reader".into())
            .spawn(move || {
                poller.run();
                // The receiver is gone if leaving the group took too long.
                let _ = leaving.send(());
            })
            .map_err(|error| ReadError::Unavailable(format!("no thread to read with: {error}")))?;
        let watch = tokio::spawn(watch(settings.clone(), Arc::clone(&handover)));
        Ok(Self {
            handover,
            gone,
            watch,
        })
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self) -> Result<Event, ReadError> {
        self.handover.next().await
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), ReadError> {
        self.handover.seek(partition, offset)
    }

    fn pause(&mut self, partition: Partition) -> Result<(), ReadError> {
        self.handover.pause(partition)
    }

    fn resume(&mut self, partition: Partition) -> Result<(), ReadError> {
        self.handover.resume(partition)
    }

    fn report(&mut self, partition: Partition, end: Offset) {
        self.handover.report(partition, end);
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.watch.abort();
        self.handover.leave();
        // Past the bound the thread ends by itself, and the group by its time-out.
        let _ = self.gone.recv_timeout(LEAVE_TIMEOUT);
    }
}
