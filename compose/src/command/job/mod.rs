//! Work that takes long: it starts, shows its progress, and ends or is stopped.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a question about a running job waits for its end before it tells the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How many ended jobs are kept, so that the shells that started them learn how they ended.
const MAX_ENDED_JOBS: usize = 16;

/// How far a job is, or how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum JobState<P, R> {
    Running(P),
    Done(R),
    /// Why it failed, in one sentence.
    Failed(String),
}

/// A job: `P` is its progress, `R` its report.
pub(crate) struct CommandJob<P, R> {
    state: watch::Sender<JobState<P, R>>,
    /// Cancelled when the job should stop early.
    pub(crate) stop: CancellationToken,
}

impl<P: Default + Clone, R: Clone> CommandJob<P, R> {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(JobState::Running(P::default())),
            stop: CancellationToken::new(),
        }
    }

    /// Changes the progress.
    pub(crate) fn update(&self, change: impl FnOnce(&mut P)) {
        self.state.send_modify(|state| {
            if let JobState::Running(progress) = state {
                change(progress);
            }
        });
    }

    /// Ends the job.
    pub(crate) fn end(&self, ended: Result<R, String>) {
        self.state.send_replace(match ended {
            Ok(report) => JobState::Done(report),
            Err(why) => JobState::Failed(why),
        });
    }

    /// Waits until nobody has asked for the state for `timeout`; it looks every `every`.
    pub(crate) async fn until_unwatched(&self, every: Duration, timeout: Duration) {
        let mut watched = Instant::now();
        while watched.elapsed() < timeout {
            sleep(every).await;
            if self.state.receiver_count() > 0 {
                watched = Instant::now();
            }
        }
    }

    /// The state: at once when the job has ended, else after a short wait for its end.
    pub(crate) async fn poll(&self) -> JobState<P, R> {
        let mut states = self.state.subscribe();
        let ended = |state: &JobState<P, R>| !matches!(state, JobState::Running(_));
        match timeout(POLL_INTERVAL, states.wait_for(ended)).await {
            Ok(Ok(state)) => state.clone(),
            _ => self.state.borrow().clone(),
        }
    }
}

/// What [`Jobs`] needs of a job whose types it does not know.
trait AnyJob: Any + Send + Sync {
    fn is_running(&self) -> bool;
    fn stop(&self);
}

impl<P: Send + Sync + 'static, R: Send + Sync + 'static> AnyJob for CommandJob<P, R> {
    fn is_running(&self) -> bool {
        matches!(*self.state.borrow(), JobState::Running(_))
    }

    fn stop(&self) {
        self.stop.cancel();
    }
}

/// The jobs of a process: all that run, and those that ended last.
#[derive(Default)]
pub(crate) struct Jobs {
    inner: Mutex<JobTable>,
}

#[derive(Default)]
struct JobTable {
    last_id: u64,
    jobs: BTreeMap<u64, JobEntry>,
}

struct JobEntry {
    name: &'static str,
    job: Arc<dyn AnyJob>,
}

impl Jobs {
    /// Adds a job and gives it an id.
    ///
    /// # Errors
    /// Fails for an `exclusive` job while another of the same name runs.
    pub(crate) fn add<P, R>(
        &self,
        name: &'static str,
        exclusive: bool,
        job: Arc<CommandJob<P, R>>,
    ) -> anyhow::Result<u64>
    where
        P: Send + Sync + 'static,
        R: Send + Sync + 'static,
    {
        let mut inner = self.inner.lock();
        let mut entries = inner.jobs.values();
        if exclusive && entries.any(|entry| entry.name == name && entry.job.is_running()) {
            bail!("another {name} is running; try again when it has ended");
        }
        let ended = inner
            .jobs
            .iter()
            .filter(|(_, entry)| !entry.job.is_running());
        let ended: Vec<u64> = ended.map(|(id, _)| *id).collect();
        for id in ended.iter().rev().skip(MAX_ENDED_JOBS - 1) {
            inner.jobs.remove(id);
        }
        inner.last_id += 1;
        let id = inner.last_id;
        inner.jobs.insert(id, JobEntry { name, job });
        Ok(id)
    }

    /// The job of this id.
    ///
    /// # Errors
    /// Fails when no job of these types has the id.
    pub(crate) fn get<P, R>(
        &self,
        name: &'static str,
        id: u64,
    ) -> anyhow::Result<Arc<CommandJob<P, R>>>
    where
        P: Send + Sync + 'static,
        R: Send + Sync + 'static,
    {
        let entry = self
            .inner
            .lock()
            .jobs
            .get(&id)
            .map(|entry| entry.job.clone());
        let job: Option<Arc<dyn Any + Send + Sync>> = entry.map(|job| job as _);
        job.and_then(|job| job.downcast().ok())
            .with_context(|| format!("there is no {name} with the id {id}: start it again"))
    }

    /// Asks every job to stop early. Jobs that cannot stop early go on.
    pub(crate) fn stop(&self) {
        for entry in self.inner.lock().jobs.values() {
            entry.job.stop();
        }
    }
}

#[cfg(test)]
mod tests;
