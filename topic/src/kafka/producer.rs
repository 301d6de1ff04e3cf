//! One life of the idempotent producer: it polls on a thread of its own, settles what
//! is delivered, and says when it is dead.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use tokio::time::Instant;

use super::request::{Request, Waiting};
use super::settings::{self, KafkaSettings};
use crate::{AppendError, Offset, Partition, Placed};

/// How often the thread checks if it should end; deliveries wake it by themselves.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// How often silent brokers are asked for a sign of life, and how long that may hold
/// the deliveries up.
const KNOCK_EVERY: Duration = Duration::from_secs(1);
const KNOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// The requests that are not settled, oldest first.
///
/// The producer is given up once one has waited for `topic.append_timeout`, with all that waits behind it:
/// their clients send them again. If only that one were given up, later drafts of its key
/// could be written before it is sent again.
#[derive(Default)]
struct UnsettledRequests(Mutex<VecDeque<(Instant, Weak<Request>)>>);

impl UnsettledRequests {
    /// When the oldest one came; `None` if all are settled.
    fn oldest(&self) -> Option<Instant> {
        let mut waiting = self.0.lock();
        while let Some((since, request)) = waiting.front() {
            if request.strong_count() > 0 {
                return Some(*since);
            }
            waiting.pop_front();
        }
        None
    }
}

/// What an append is answered that waited for too long, or that waited behind such a one.
pub(super) const LATE: &str = "no broker acknowledged in time";

/// What the producer's callbacks know.
pub(super) struct Deliveries {
    /// Since when no broker answers; `None` while one does.
    silent: Mutex<Option<Instant>>,
    limit: usize,
}

/// One producer with its thread; dropped, it fails what is in flight and ends.
pub(super) struct Live {
    pub(super) producer: Arc<BaseProducer<Deliveries>>,
    pub(super) born: Instant,
    unsettled: Arc<UnsettledRequests>,
    dead: Arc<Mutex<Option<String>>>,
    stop: Arc<AtomicBool>,
}

impl Live {
    /// Starts a producer. No broker has answered since `silent`, as its predecessor knows.
    pub(super) fn start(
        settings: &KafkaSettings,
        silent: Option<Instant>,
    ) -> Result<Self, AppendError> {
        let closed = |why: String| AppendError::Closed(why);
        let limit = usize::try_from(settings.batch_limit()).unwrap_or(usize::MAX);
        let deliveries = Deliveries {
            silent: Mutex::new(silent),
            limit,
        };
        let producer: BaseProducer<Deliveries> = settings
            .producer()
            .create_with_context(deliveries)
            .map_err(|error| closed(error.to_string()))?;
        let producer = Arc::new(producer);
        let (dead, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let unsettled = Arc::new(UnsettledRequests::default());
        let poll_thread = PollThread {
            producer: Arc::clone(&producer),
            topic: settings.address.topic.clone(),
            unsettled: Arc::clone(&unsettled),
            append_timeout: settings.config().append_timeout,
            dead: Arc::clone(&dead),
            stop: Arc::clone(&stop),
            knocked: Instant::now(),
        };
        std::thread::Builder::new()
            .name("kafka-writer".into())
            .spawn(move || poll_thread.run())
            .map_err(|error| closed(format!("no thread to write with: {error}")))?;
        Ok(Self {
            producer,
            born: Instant::now(),
            unsettled,
            dead,
            stop,
        })
    }

    /// Why this producer will never write again; `None` if it may.
    pub(super) fn dead(&self) -> Option<String> {
        self.dead.lock().clone()
    }

    /// A request is about to be sent.
    pub(super) fn awaits(&self, request: &Arc<Request>) {
        let waiting = (Instant::now(), Arc::downgrade(request));
        self.unsettled.0.lock().push_back(waiting);
    }

    /// Since when no broker answers; `None` if one does.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        *self.producer.context().silent.lock()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The polling thread's own things. It outlives its [`Live`] by a turn, so that the
/// purge of what is in flight never blocks a caller.
struct PollThread {
    producer: Arc<BaseProducer<Deliveries>>,
    topic: String,
    unsettled: Arc<UnsettledRequests>,
    append_timeout: Duration,
    dead: Arc<Mutex<Option<String>>>,
    stop: Arc<AtomicBool>,
    knocked: Instant,
}

impl PollThread {
    fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            self.producer.poll(POLL_TIMEOUT);
            if self.dead.lock().is_none()
                && let Some(why) = self.trouble()
            {
                *self.dead.lock() = Some(why);
                // Perhaps written, never acknowledged: the client tries again.
                self.producer
                    .purge(PurgeConfig::default().queue().inflight());
            }
            self.knock();
        }
    }

    /// Why the producer must be given up; `None` if it need not.
    fn trouble(&self) -> Option<String> {
        if let Some((code, why)) = self.producer.client().fatal_error() {
            return Some(format!("{code}: {why}"));
        }
        let oldest = self.unsettled.oldest()?;
        (oldest.elapsed() >= self.append_timeout).then(|| {
            self.producer.context().fell_silent();
            LATE.to_owned()
        })
    }

    /// Asks silent brokers for a sign of life. Without it a writer that is not used,
    /// because it is not ready, would never be ready again.
    fn knock(&mut self) {
        let silent = self.producer.context().silent.lock().is_some();
        if !silent || self.knocked.elapsed() < KNOCK_EVERY {
            return;
        }
        self.knocked = Instant::now();
        if self
            .producer
            .client()
            .fetch_metadata(Some(&self.topic), KNOCK_TIMEOUT)
            .is_ok()
        {
            *self.producer.context().silent.lock() = None;
        }
    }
}

impl Deliveries {
    fn fell_silent(&self) {
        self.silent.lock().get_or_insert_with(Instant::now);
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        settings::log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka writer");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.fell_silent();
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let answer = match delivered {
            Ok(message) => {
                *self.silent.lock() = None;
                placed(message.partition(), message.offset())
            }
            Err((error, _)) => Err(self.failed(error, waiting.size)),
        };
        waiting.settle(answer);
    }
}

impl Deliveries {
    fn failed(&self, error: &KafkaError, size: usize) -> AppendError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                AppendError::TooLarge {
                    size,
                    limit: self.limit,
                }
            }
            Some(RDKafkaErrorCode::MessageTimedOut) => {
                self.fell_silent();
                AppendError::Closed(LATE.into())
            }
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => {
                AppendError::Closed(LATE.into())
            }
            _ => AppendError::Closed(error.to_string()),
        }
    }
}

/// The place of an acknowledged record. A broker that says "I have that already" about
/// a retry long past gives no offset; then the client's own retry meets its twin.
fn placed(partition: i32, offset: i64) -> Result<Placed, AppendError> {
    match (u32::try_from(partition), u64::try_from(offset)) {
        (Ok(partition), Ok(offset)) => Ok(Placed {
            partition: Partition(partition),
            offset: Offset(offset),
        }),
        _ => Err(AppendError::Closed(
            "the record was acknowledged without its offset".into(),
        )),
    }
}
