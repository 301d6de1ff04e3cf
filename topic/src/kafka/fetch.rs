//! Records outside any group: a few consumers that are assigned by hand and kept, so
//! that a caller that goes on from its last offset does not start anew.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use tokio::time::Instant;

use super::error::{Meaning, RefusedBy, refused_settings, unavailable};
use super::meter::Meter;
use super::settings::{ASK_TIMEOUT, KafkaSettings, Quiet};
use super::wire::{kafka_offset, list, record};
use crate::{Offset, Partition, ReadError, Record};

/// How many consumers are kept; each has a few threads and a connection per broker.
const MAX_IDLE_FETCHERS: usize = 4;

/// How many bytes one fetch returns at most, but for a single record.
const FETCH_BYTES: usize = 4 * 1024 * 1024;

/// How long a poll waits for the first record.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The consumers that are at rest, the least lately used first.
pub(super) struct Fetchers {
    settings: KafkaSettings,
    meter: Arc<Meter>,
    idle: Mutex<Vec<Fetcher>>,
}

/// A consumer assigned to one partition.
struct Fetcher {
    consumer: BaseConsumer<Quiet>,
    partition: Partition,
    /// The offset that its next record has at least.
    next: Offset,
    /// Assigned and nothing taken since: only then does "the end" mean the end behind
    /// `next`, and not one that it met before more was written.
    sure: bool,
}

impl Fetchers {
    pub(super) fn new(settings: KafkaSettings, meter: Arc<Meter>) -> Self {
        Self {
            settings,
            meter,
            idle: Mutex::default(),
        }
    }

    /// What [`crate::Topic::fetch`] promises. Blocks.
    pub(super) fn fetch(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let held = self.meter.watermarks_of(partition)?;
        let from = from.max(held.low);
        if from >= held.high {
            return Ok(Vec::new());
        }
        let mut fetcher = self.fetcher(partition, from)?;
        let (records, trouble) = fetcher.take(&self.settings, held.high, limit.max(1));
        if let Some(error) = trouble {
            // The fetcher is dropped: the next one meets the same trouble from the
            // front, and does not go on behind it as librdkafka would.
            return if records.is_empty() {
                Err(error)
            } else {
                Ok(records)
            };
        }
        let mut idle = self.idle.lock();
        idle.push(fetcher);
        let worn = if idle.len() > MAX_IDLE_FETCHERS {
            Some(idle.remove(0))
        } else {
            None
        };
        drop(idle);
        drop(worn);
        Ok(records)
    }

    /// The fetcher whose position is `from`, else another one that is moved there.
    fn fetcher(&self, partition: Partition, from: Offset) -> Result<Fetcher, ReadError> {
        let mut idle = self.idle.lock();
        let here = idle
            .iter()
            .position(|f| f.partition == partition && f.next == from);
        if let Some(here) = here {
            return Ok(idle.remove(here));
        }
        let any = if idle.len() >= MAX_IDLE_FETCHERS {
            Some(idle.remove(0))
        } else {
            None
        };
        drop(idle);
        let consumer = match any {
            Some(fetcher) => fetcher.consumer,
            None => self
                .settings
                .fetcher()
                .create_with_context(Quiet)
                .map_err(|error| refused_settings(&error))?,
        };
        let mut fetcher = Fetcher {
            consumer,
            partition,
            next: from,
            sure: false,
        };
        fetcher.start(&self.settings)?;
        Ok(fetcher)
    }
}

impl Fetcher {
    /// Starts, or starts anew, at `next`.
    fn start(&mut self, settings: &KafkaSettings) -> Result<(), ReadError> {
        let at = list(
            &settings.address.topic,
            [(self.partition, kafka_offset(self.next))],
        );
        self.sure = true;
        self.consumer
            .assign(&at)
            .map_err(|error| unavailable(&error))
    }

    /// Records from `next` on, until `limit`, or what is at hand, or `high`, or trouble.
    /// It waits only for the first.
    fn take(
        &mut self,
        settings: &KafkaSettings,
        high: Offset,
        limit: usize,
    ) -> (Vec<Record>, Option<ReadError>) {
        let deadline = Instant::now() + ASK_TIMEOUT;
        let (mut records, mut bytes, mut waited) = (Vec::new(), 0, 0);
        let mut passing = "no record came in time".to_owned();
        while records.len() < limit && bytes < FETCH_BYTES && self.next < high {
            let wait = if records.is_empty() {
                POLL_TIMEOUT
            } else {
                Duration::ZERO
            };
            let step = match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if u32::try_from(message.partition()) != Ok(self.partition.0) {
                        continue;
                    }
                    record(settings, self.partition, &message).map(|record| {
                        if record.offset >= self.next {
                            self.next = record.offset.next();
                            self.sure = false;
                            bytes += record.size();
                            records.push(record);
                        }
                    })
                }
                None | Some(Err(KafkaError::PartitionEOF(_))) if !records.is_empty() => break,
                // The last offsets hold no record: markers of foreign transactions, or
                // what compaction took before it was forbidden.
                Some(Err(KafkaError::PartitionEOF(_))) if self.sure => {
                    self.next = high;
                    Ok(())
                }
                Some(Err(KafkaError::PartitionEOF(_))) => Ok(()),
                None if self.sure || waited < 2 => {
                    waited += 1;
                    Ok(())
                }
                None => self.start(settings),
                Some(Err(error)) => self.on_error(&error).map(|sentence| passing = sentence),
            };
            if let Err(error) = step {
                return (records, Some(error));
            }
            if records.is_empty() && Instant::now() >= deadline {
                return (records, Some(ReadError::Unavailable(passing)));
            }
        }
        (records, None)
    }

    /// An error that is the answer is the `Err`; the sentence of one that may pass is the `Ok`.
    fn on_error(&self, error: &KafkaError) -> Result<String, ReadError> {
        let partition = self.partition;
        let KafkaError::MessageConsumption(code) = error else {
            return Err(unavailable(error));
        };
        match Meaning::of(*code) {
            Meaning::OutOfRange => Err(ReadError::OutOfRange {
                partition: Some(partition),
            }),
            Meaning::Damaged => {
                let offset = self.next;
                Err(ReadError::Corrupt {
                    partition,
                    offset,
                    detail: error.to_string(),
                })
            }
            Meaning::Refused(RefusedBy::TopicRight) | Meaning::NoTopic => Err(unavailable(error)),
            // A fetcher joins no group, so a refusal by one does not matter.
            Meaning::Refused(_) | Meaning::Reconnecting | Meaning::Passing => Ok(error.to_string()),
        }
    }
}
