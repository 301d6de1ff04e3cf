//! The workers: one is kept warm, more come on demand and end when they are idle. A statement has
//! one of them for itself; its time, its memory and the patience of its caller end that one alone.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use crate::config::WorkerCommand;
use crate::error::Error;
use crate::query::worker::life::{Leash, Living, RunningWorker, place_ids};
use crate::query::worker::wire::Opening;

/// How many statements run side by side. More wait for their turn.
const MAX_STATEMENTS: usize = 6;
/// How long work waits for its turn.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a worker's memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_millis(100);
/// How often a worker is ended again until it has ended.
const END_EVERY: Duration = Duration::from_millis(20);
/// How long a worker is kept without work, but for one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The signal that no process survives.
const SIGNAL_KILL: i32 = 9;
/// What a worker takes beside the memory that DuckDB counts.
pub(crate) const ALLOWANCE_BYTES: u64 = 256 << 20;

/// What the workers of a pool do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolUse {
    /// People's statements. One worker is kept warm.
    Statements,
    /// Reading what one external table names, one file after the other. No worker is kept.
    Foreign,
}

impl PoolUse {
    const fn places(self) -> usize {
        match self {
            Self::Statements => MAX_STATEMENTS,
            Self::Foreign => 1,
        }
    }

    /// The error of work that took too much memory.
    fn too_large(self, bytes: u64) -> Error {
        let mebibytes = bytes >> 20;
        let (what, remedy) = match self {
            Self::Statements => ("the query", "narrow it, or raise catalog.query_memory"),
            Self::Foreign => ("reading it", "split it, or raise catalog.query_memory"),
        };
        Error::too_large(
            format!("{what} took more than {mebibytes} MiB of memory"),
            remedy,
        )
    }

    /// The error of work whose worker ended although nobody ended it.
    fn ended(self, status: Option<ExitStatus>) -> Error {
        let how = match status.map(|status| (status.signal(), status.code())) {
            // The kernel ends processes so when memory is short.
            Some((Some(SIGNAL_KILL), _)) => {
                return match self {
                    Self::Statements => Error::too_large(
                        "the process that ran the query was ended, probably for its memory",
                        "narrow the query",
                    ),
                    Self::Foreign => Error::too_large(
                        "the process that read it was ended from outside (signal 9), probably for its memory",
                        "it is tried again",
                    ),
                };
            }
            Some((Some(signal), _)) => format!("signal {signal}"),
            Some((None, Some(code))) => format!("exit code {code}"),
            _ => "its thread ended".to_owned(),
        };
        Error::Invalid(match self {
            Self::Statements => format!(
                "the query ended the process that ran it ({how}), and nothing else: a value may be nested too deep, or too large"
            ),
            Self::Foreign => format!(
                "reading it ended the process that read it ({how}), and nothing else: it is damaged or made to harm"
            ),
        })
    }
}

/// Workers for one kind of work, opened alike.
pub(crate) struct WorkerPool {
    workers: Arc<Workers>,
    permits: Arc<Semaphore>,
}

struct Workers {
    purpose: PoolUse,
    command: Option<WorkerCommand>,
    opening: Opening,
    started: AtomicU64,
    idle: Mutex<Vec<RunningWorker>>,
    living: Living,
}

/// Why a worker was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Late,
    Large,
    Abandoned,
}

/// What is known of a statement that runs.
#[derive(Default)]
struct Watch {
    /// The worker that has it.
    leash: Mutex<Option<Leash>>,
    verdict: Mutex<Option<Verdict>>,
}

impl Watch {
    /// Gives it a worker. Returns false if it is to run no more.
    fn begin(&self, leash: &Leash) -> bool {
        *self.leash.lock() = Some(leash.clone());
        self.verdict.lock().is_none()
    }

    /// Takes the worker from it, which then is ended no more, and returns why it was.
    fn ended(&self) -> Option<Verdict> {
        *self.leash.lock() = None;
        *self.verdict.lock()
    }

    fn end(&self, verdict: Verdict) {
        self.verdict.lock().get_or_insert(verdict);
        if let Some(leash) = &*self.leash.lock() {
            leash.end();
        }
    }
}

/// Ends a statement when it is dropped, as when the runtime ends.
struct EndOnDrop(Arc<Watch>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Verdict::Abandoned);
    }
}

impl WorkerPool {
    pub(crate) fn new(purpose: PoolUse, command: Option<WorkerCommand>, opening: Opening) -> Self {
        // What workers of a process that was killed have left.
        let _ = fs::remove_dir_all(&opening.spill);
        Self {
            workers: Arc::new(Workers {
                purpose,
                command,
                opening,
                started: AtomicU64::new(0),
                idle: Mutex::default(),
                living: Living::default(),
            }),
            permits: Arc::new(Semaphore::new(purpose.places())),
        }
    }

    /// Starts a worker, unless one waits for work.
    pub(crate) fn warm(&self) {
        warm(&self.workers);
    }

    /// Ends the workers that wait for work.
    pub(crate) fn rest(&self) {
        let idle = std::mem::take(&mut *self.workers.idle.lock());
        drop(idle);
    }

    /// The memory that the workers take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.workers.memory_bytes()
    }

    /// Has `work` done by a worker.
    ///
    /// # Errors
    /// The work's own; [`Error::Busy`] if every worker has work for long, [`Error::TimedOut`] and
    /// [`Error::TooLarge`] if it was ended at a limit.
    pub(crate) async fn run<T, F>(&self, limit: Duration, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut RunningWorker) -> Result<T, Error> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = timeout(QUEUE_TIMEOUT, permits.acquire_owned()).await;
        let permit = permit.map_err(|_| Error::Busy {
            places: self.workers.purpose.places(),
            waited: QUEUE_TIMEOUT,
        })?;
        let permit = permit.expect("the semaphore is never closed");
        let (workers, watch) = (Arc::clone(&self.workers), Arc::new(Watch::default()));
        let watched = Arc::clone(&watch);
        let job = tokio::task::spawn_blocking(move || {
            let _permit: OwnedSemaphorePermit = permit;
            workers.run(&watched, limit, work)
        });
        let (answer, asked) = oneshot::channel();
        // A task of its own: the caller may go away, and the work must be ended all the same.
        let workers = Arc::clone(&self.workers);
        tokio::spawn(guard(workers, watch, job, limit, answer));
        asked.await.expect("the task above answers")
    }
}

/// Waits for the work, and ends it at a limit.
async fn guard<T: Send + 'static>(
    workers: Arc<Workers>,
    watch: Arc<Watch>,
    mut job: JoinHandle<Result<T, Error>>,
    limit: Duration,
    mut answer: oneshot::Sender<Result<T, Error>>,
) {
    let end = EndOnDrop(Arc::clone(&watch));
    let late = Instant::now() + limit;
    let mut ticks = interval(MEMORY_EVERY);
    let joined = loop {
        tokio::select! {
            joined = &mut job => break joined,
            () = sleep_until(late) => watch.end(Verdict::Late),
            () = answer.closed() => watch.end(Verdict::Abandoned),
            _ = ticks.tick() => {
                if workers.is_too_large(&watch) {
                    watch.end(Verdict::Large);
                }
            }
        }
        if watch.verdict.lock().is_some() {
            break loop {
                watch.end(Verdict::Late);
                if let Ok(joined) = timeout(END_EVERY, &mut job).await {
                    break joined;
                }
            };
        }
    };
    drop(end);
    let done = joined.unwrap_or_else(|error| {
        Err(Error::Unavailable(format!(
            "the query was not run: {error}"
        )))
    });
    if workers.purpose == PoolUse::Statements {
        warm(&workers);
    }
    // It fails if the caller has gone away.
    let _ = answer.send(done);
}

/// Starts a worker in the background, unless one waits for work. Threads are started on demand.
fn warm(workers: &Arc<Workers>) {
    if workers.command.is_none() || !workers.idle.lock().is_empty() {
        return;
    }
    let workers = Arc::clone(workers);
    tokio::task::spawn_blocking(move || match workers.start() {
        Ok(worker) => workers.keep(worker),
        Err(error) => tracing::warn!(%error, "no process for SQL could be started"),
    });
}

impl Workers {
    fn start(&self) -> Result<RunningWorker, Error> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let mut opening = self.opening.clone();
        let spill = PathBuf::from(&opening.spill).join(number.to_string());
        fs::create_dir_all(&spill).map_err(|error| {
            let spill = spill.display();
            Error::Unavailable(format!("{spill} cannot be made: {error}"))
        })?;
        opening.spill = spill.display().to_string();
        RunningWorker::start(number, self.command.as_ref(), &opening, &self.living)
    }

    /// One that waits for work, lives and may touch what there is now, or else a new one.
    fn take(&self) -> Result<RunningWorker, Error> {
        loop {
            let idle = self.idle.lock().pop();
            let Some(worker) = idle else {
                return self.start();
            };
            if worker.is_alive() && worker.places == place_ids(&self.opening) {
                return Ok(worker);
            }
        }
    }

    fn keep(self: &Arc<Self>, mut worker: RunningWorker) {
        worker.idle_since = Instant::now();
        let mut idle = self.idle.lock();
        idle.push(worker);
        if idle.len() > 1 {
            let workers = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep(IDLE_TIMEOUT).await;
                if let Some(workers) = workers.upgrade() {
                    tokio::task::spawn_blocking(move || workers.trim());
                }
            });
        }
    }

    /// Ends those that had no work for long, but for one. The newest work goes to the last.
    fn trim(&self) {
        let mut ended = Vec::new();
        let mut idle = self.idle.lock();
        while idle.len() > 1 && idle[0].idle_since.elapsed() >= IDLE_TIMEOUT {
            ended.push(idle.remove(0));
        }
        drop(idle);
        drop(ended);
    }

    fn run<T>(
        self: &Arc<Self>,
        watch: &Watch,
        limit: Duration,
        work: impl FnOnce(&mut RunningWorker) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut worker = self.take()?;
        let done = match watch.begin(&worker.leash) {
            true => work(&mut worker),
            false => Err(Error::TimedOut(limit)),
        };
        let (broken, verdict) = (!worker.is_alive(), watch.ended());
        match (done, verdict) {
            // What came in time is an answer, whatever happened a moment later.
            (Ok(value), None) if !broken => {
                self.keep(worker);
                Ok(value)
            }
            (Ok(value), _) => Ok(value),
            (Err(error), None) if !broken => {
                self.keep(worker);
                Err(error)
            }
            (Err(_), Some(Verdict::Large)) => Err(self.purpose.too_large(self.limit_bytes())),
            (Err(_), Some(Verdict::Late | Verdict::Abandoned)) => Err(Error::TimedOut(limit)),
            (Err(_), None) if worker.gone => {
                let error = self.purpose.ended(worker.end());
                tracing::warn!(%error, "a process for SQL ended");
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// What one worker may take.
    fn limit_bytes(&self) -> u64 {
        self.opening.memory_bytes + ALLOWANCE_BYTES
    }

    fn memory_bytes(&self) -> u64 {
        let living: Vec<Leash> = self.living.lock().values().cloned().collect();
        living.iter().filter_map(Leash::resident_bytes).sum()
    }

    /// Returns true if a statement takes more than it may, or if it takes most where all together
    /// take too much.
    fn is_too_large(&self, watch: &Watch) -> bool {
        let own = watch.leash.lock().as_ref().and_then(Leash::resident_bytes);
        let Some(own) = own else {
            return false;
        };
        if own > self.limit_bytes() {
            return true;
        }
        let living: Vec<Leash> = self.living.lock().values().cloned().collect();
        let all = living.iter().filter_map(Leash::resident_bytes);
        let (sum, most) = all.fold((0, 0), |(sum, most), one| (sum + one, one.max(most)));
        sum > 2 * self.limit_bytes() && own == most
    }
}
