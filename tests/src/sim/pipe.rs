//! The writer of one process of the simulation.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use topic::{AppendError, Delivery, Draft, Placed, Writer};

use super::brokers::{Brokers, Limits};
use super::{Fault, Link, Process};

/// How long an append may take before the edge gives up; what was sent may still land.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// What a producer says that is lost for good.
const FATAL: &str = "the producer was fenced";

/// What an append waits for.
type Settled = oneshot::Sender<Result<Vec<Placed>, AppendError>>;

/// A process's writer: one append at a time is under way, in order; the others queue.
pub(super) struct Pipe {
    brokers: Arc<Brokers>,
    process: Arc<Process>,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Vec<Draft>, Settled)>,
    bytes: usize,
    busy: bool,
}

impl Pipe {
    pub(super) fn lay(brokers: &Arc<Brokers>, process: &Arc<Process>) -> Arc<Self> {
        Arc::new(Self {
            brokers: brokers.clone(),
            process: process.clone(),
            queue: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Sends what waits, one append after the other.
    async fn pump(self: Arc<Self>) {
        loop {
            let next = self.queue.lock().waiting.pop_front();
            let Some((drafts, settled)) = next else {
                break;
            };
            let bytes: usize = drafts.iter().map(Draft::size).sum();
            let outcome = self.deliver(drafts).await;
            self.process.pass().await;
            if matches!(&outcome, Err(AppendError::Closed(why)) if why == FATAL) {
                for (_, other) in self.queue.lock().waiting.drain(..) {
                    let _ = other.send(Err(AppendError::Closed(FATAL.into())));
                }
                self.queue.lock().bytes = bytes;
            }
            self.queue.lock().bytes -= bytes;
            // A request that was given up does not hear of it.
            let _ = settled.send(outcome);
            self.changed.notify_waiters();
        }
        self.queue.lock().busy = false;
        self.changed.notify_waiters();
    }

    async fn deliver(&self, mut drafts: Vec<Draft>) -> Result<Vec<Placed>, AppendError> {
        let dice = &self.brokers.dice;
        let error = |why: &str| Err(AppendError::Closed(why.into()));
        self.process.pass().await;
        if self.process.is_cut(Link::Topic).await || dice.strikes(Fault::AppendRefused, 20) {
            return error("the brokers do not answer");
        }
        if dice.strikes(Fault::AppendFatal, 5) {
            return error(FATAL);
        }
        if dice.strikes(Fault::AppendSlow, 3) {
            self.brokers.stall(dice.millis(3_000..15_000));
        }
        let whole = drafts.len();
        if whole > 1 && dice.strikes(Fault::AppendTorn, 60) {
            let kept = dice.number(1..whole as u64);
            drafts.truncate(usize::try_from(kept).expect("it is an index"));
        }
        let sent = drafts.len();
        let way = match dice.is_calm() {
            true => Duration::ZERO,
            false => dice.millis(1..20),
        };
        let answer = timeout(APPEND_TIMEOUT, self.brokers.send(drafts, way)).await;
        let Ok(placed) = answer else {
            return error("the append timed out, perhaps written");
        };
        let placed = placed.expect("what was sent lands");
        if dice.strikes(Fault::AppendReplyLost, 20) {
            return error("connection reset by peer");
        }
        match sent == whole {
            true => Ok(placed),
            false => error("a part of it failed"),
        }
    }
}

/// The end of a pipe into which the process writes.
pub(super) struct Pen(Arc<Pipe>);

impl Pen {
    pub(super) fn new(pipe: &Arc<Pipe>) -> Self {
        Self(pipe.clone())
    }
}

impl Writer for Pen {
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        let Limits { queue, max_record } = self.0.brokers.limits;
        let sizes = drafts.iter().map(Draft::size);
        if let Some(size) = sizes.clone().find(|size| *size > max_record) {
            let limit = max_record;
            return Err(AppendError::TooLarge { size, limit });
        }
        let bytes: usize = sizes.sum();
        let mut held = self.0.queue.lock();
        if held.bytes + bytes > queue {
            self.0.brokers.dice.struck(Fault::QueueFull);
            return Err(AppendError::Full);
        }
        held.bytes += bytes;
        let (settled, delivery) = Delivery::channel();
        held.waiting.push_back((drafts, settled));
        if !std::mem::replace(&mut held.busy, true) {
            tokio::spawn(Arc::clone(&self.0).pump());
        }
        Ok(delivery)
    }

    fn flush(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let settled = async {
            loop {
                let changed = self.0.changed.notified();
                if !self.0.queue.lock().busy {
                    return;
                }
                changed.await;
            }
        };
        Box::pin(async move { timeout(deadline, settled).await.is_ok() })
    }

    fn ready(&self) -> Result<(), AppendError> {
        match self.0.queue.lock().bytes * 2 > self.0.brokers.limits.queue {
            true => Err(AppendError::Full),
            false => Ok(()),
        }
    }
}
