//! Records outside any group: a few consumers that are assigned by hand and kept, so
//! that a caller who goes on where it ended does not start anew.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use tokio::time::Instant;

use super::meter::Meter;
use super::settings::{self, ASK, Quiet, Settings};
use super::wire::{kafka_offset, list, record};
use crate::{Offset, Partition, ReadError, Record};

/// How many consumers are kept; each has a few threads and a connection per broker.
const KEPT: usize = 4;

/// How many bytes one fetch returns at most, but for a single record.
const MOST: usize = 4 * 1024 * 1024;

/// The consumers that are at rest, the least lately used first.
pub(super) struct Fetchers {
    settings: Settings,
    meter: Arc<Meter>,
    idle: Mutex<Vec<Fetcher>>,
}

/// A consumer assigned to one partition.
struct Fetcher {
    consumer: BaseConsumer<Quiet>,
    partition: Partition,
    /// The offset that its next record has at least.
    next: Offset,
}

impl Fetchers {
    pub(super) fn new(settings: Settings, meter: Arc<Meter>) -> Self {
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
        // A fetcher that failed is dropped: the next one starts from a clean state.
        let records = fetcher.take(&self.settings, from, held.high, limit.max(1))?;
        let mut idle = self.idle.lock();
        idle.push(fetcher);
        let worn = if idle.len() > KEPT {
            Some(idle.remove(0))
        } else {
            None
        };
        drop(idle);
        drop(worn);
        Ok(records)
    }

    /// The fetcher that stands at `from`, else another one that is moved there.
    fn fetcher(&self, partition: Partition, from: Offset) -> Result<Fetcher, ReadError> {
        let mut idle = self.idle.lock();
        let here = idle
            .iter()
            .position(|f| f.partition == partition && f.next == from);
        if let Some(here) = here {
            return Ok(idle.remove(here));
        }
        let any = if idle.len() >= KEPT {
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
                .map_err(|error| settings::unavailable(&error))?,
        };
        let at = list(
            &self.settings.address.topic,
            [(partition, kafka_offset(from))],
        );
        consumer
            .assign(&at)
            .map_err(|error| settings::unavailable(&error))?;
        Ok(Fetcher {
            consumer,
            partition,
            next: from,
        })
    }
}

impl Fetcher {
    /// Records from `from` on, until `limit`, or what is at hand, or `high`. It waits
    /// only for the first.
    fn take(
        &mut self,
        settings: &Settings,
        from: Offset,
        high: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let deadline = Instant::now() + ASK;
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut trouble = String::new();
        while records.len() < limit && bytes < MOST && self.next < high {
            let wait = if records.is_empty() {
                Duration::from_millis(100)
            } else {
                Duration::ZERO
            };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if u32::try_from(message.partition()) != Ok(self.partition.0) {
                        continue;
                    }
                    let record = record(settings, self.partition, &message)?;
                    if record.offset < self.next {
                        continue;
                    }
                    self.next = record.offset.next();
                    bytes += record.size();
                    records.push(record);
                }
                // The end, and the last offsets hold no record: markers of foreign
                // transactions, or what compaction took before it was forbidden.
                Some(Err(KafkaError::PartitionEOF(_))) => self.next = high,
                None if !records.is_empty() => break,
                None => {}
                Some(Err(error)) => trouble = self.face(&error, from)?,
            }
            if records.is_empty() && Instant::now() >= deadline {
                let trouble = if trouble.is_empty() {
                    "no record came in time"
                } else {
                    &trouble
                };
                return Err(ReadError::Unavailable(trouble.to_owned()));
            }
        }
        Ok(records)
    }

    /// Whether an error is the answer, or one that may pass: then its sentence.
    fn face(&self, error: &KafkaError, from: Offset) -> Result<String, ReadError> {
        use RDKafkaErrorCode as Code;
        let partition = self.partition;
        let KafkaError::MessageConsumption(code) = error else {
            return Err(settings::unavailable(error));
        };
        match code {
            Code::AutoOffsetReset | Code::OffsetOutOfRange => Err(ReadError::OutOfRange {
                partition: Some(partition),
            }),
            Code::BadMessage | Code::BadCompression | Code::InvalidMessage => {
                let offset = self.next.max(from);
                Err(ReadError::Corrupt {
                    partition,
                    offset,
                    detail: error.to_string(),
                })
            }
            Code::TopicAuthorizationFailed | Code::UnknownTopicOrPartition => {
                Err(settings::unavailable(error))
            }
            // Among them: that the group's name, which nothing joins, is not permitted.
            _ => Ok(error.to_string()),
        }
    }
}
