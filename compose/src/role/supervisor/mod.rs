//! The supervisor: it starts the stages of a process, watches them, and stops them.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::listener::bind_near;
use super::signals::Signals;
use super::telemetry::{self, DiskWatch, Telemetry};
use crate::settings::Settings;

/// The stages of a process, in the order in which they were started. They stop in the same
/// order, so start them along the way of the data: what a stage has taken in, the next one
/// still handles.
///
/// A stage runs until its token is cancelled. One that ends before, fails or panics ends the process.
pub(crate) struct Stages {
    signals: Signals,
    /// How long all of them together may take to stop.
    deadline: Duration,
    stages: Vec<Stage>,
    tasks: JoinSet<anyhow::Result<()>>,
    /// How stages ended that have not been asked for yet.
    ended: HashMap<Id, anyhow::Result<()>>,
    /// What happens before the first stage stops.
    on_stop: Vec<Box<dyn FnOnce() + Send>>,
    telemetry: Arc<Telemetry>,
    /// Where operators ask. `None` once it is served.
    listener: Option<TcpListener>,
}

struct Stage {
    name: &'static str,
    task: Id,
    stop: CancellationToken,
}

impl Stages {
    /// The supervisor of this process. Every role makes one, so every role serves its metrics
    /// and its health at `metrics.listen`.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let deadline = settings.sections.shutdown.deadline;
        let mut stages = Self::with(Signals::listen()?, deadline);
        stages.telemetry.watch(DiskWatch::new(settings));
        stages.listener = Some(bind_near(
            settings.sections.metrics.listen,
            "metrics.listen",
        )?);
        Ok(stages)
    }

    fn with(signals: Signals, deadline: Duration) -> Self {
        Self {
            signals,
            deadline,
            stages: Vec::new(),
            tasks: JoinSet::new(),
            ended: HashMap::new(),
            on_stop: Vec::new(),
            telemetry: Telemetry::new(),
            listener: None,
        }
    }

    /// The metrics and the checks of this process.
    pub(crate) fn telemetry(&self) -> Arc<Telemetry> {
        self.telemetry.clone()
    }

    /// Where operators ask. `None` once the stages run.
    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// The signals that this process received.
    pub(crate) fn signals(&self) -> Signals {
        self.signals.clone()
    }

    /// Starts a stage, which must end when its token is cancelled.
    pub(crate) fn start<F, E>(
        &mut self,
        name: &'static str,
        stage: impl FnOnce(CancellationToken) -> F,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let stop = CancellationToken::new();
        let running = stage(stop.clone());
        let task = self.tasks.spawn(async move {
            let ended = running.await;
            ended.map_err(|error| error.into().context(format!("the {name} failed")))
        });
        tracing::info!("the {name} started");
        self.stages.push(Stage {
            name,
            task: task.id(),
            stop,
        });
    }

    /// Runs `hook` before the first stage stops. It must not block.
    pub(crate) fn on_stop(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.on_stop.push(Box::new(hook));
    }

    /// Runs the stages until a signal comes.
    ///
    /// # Errors
    /// As [`Stages::run`].
    pub(crate) async fn run_until_signal(self) -> anyhow::Result<ExitCode> {
        let stop = self.signals.stop.clone();
        self.run(async move {
            stop.cancelled().await;
            Ok(ExitCode::SUCCESS)
        })
        .await
    }

    /// Runs the stages until `work` ends, then stops them. The exit code is that of `work`.
    ///
    /// # Errors
    /// Fails when `work` does, when a stage ends by itself or fails, when the stages
    /// take longer than the deadline to stop, and when a second signal comes meanwhile.
    pub(crate) async fn run(
        mut self,
        work: impl Future<Output = anyhow::Result<ExitCode>>,
    ) -> anyhow::Result<ExitCode> {
        if let Some(listener) = self.listener.take() {
            let address = listener.local_addr()?;
            let telemetry = self.telemetry();
            // Started last, so it answers until everything else has stopped.
            self.start("metrics", |stop| {
                telemetry::serve(listener, telemetry, stop)
            });
            tracing::info!("metrics on http://{address}/metrics");
        }
        let outcome = tokio::select! {
            outcome = work => outcome,
            failed = self.first_to_end() => Err(failed),
        };
        let stopped = self.stop().await;
        if let (Err(_), Err(also)) = (&outcome, &stopped) {
            tracing::error!("while stopping: {also:#}");
        }
        let code = outcome?;
        stopped.map(|()| code)
    }

    /// Waits for a stage that ends too early, and says why it did.
    async fn first_to_end(&mut self) -> anyhow::Error {
        let Some((task, ended)) = self.next_to_end().await else {
            return std::future::pending().await;
        };
        let at = self.stages.iter().position(|stage| stage.task == task);
        let stage = self
            .stages
            .remove(at.expect("each task belongs to a stage"));
        match ended {
            Ok(()) => anyhow!("the {} ended by itself", stage.name),
            Err(error) => error,
        }
    }

    /// The next task to end. `None` if no task is left.
    async fn next_to_end(&mut self) -> Option<(Id, anyhow::Result<()>)> {
        Some(match self.tasks.join_next_with_id().await? {
            Ok((task, ended)) => (task, ended),
            Err(error) => {
                let task = error.id();
                (task, Err(self.panicked(error)))
            }
        })
    }

    fn panicked(&self, error: JoinError) -> anyhow::Error {
        let stage = self.stages.iter().find(|stage| stage.task == error.id());
        let name = stage.map_or("stage", |stage| stage.name);
        let Ok(panic) = error.try_into_panic() else {
            return anyhow!("the {name} was aborted");
        };
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        anyhow!(
            "the {name} panicked: {}",
            text.unwrap_or("without a message")
        )
    }

    /// Stops one stage after the other.
    async fn stop(mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        for hook in std::mem::take(&mut self.on_stop) {
            hook();
        }
        let (signals, deadline) = (self.signals.clone(), self.deadline);
        let mut result = Ok(());
        for stage in std::mem::take(&mut self.stages) {
            stage.stop.cancel();
            let ended = tokio::select! {
                ended = self.end_of(&stage) => ended,
                () = sleep_until(begun + deadline) => bail!(
                    "the {} did not end within {} of the signal (shutdown.deadline); what was \
                     not committed is in the topic",
                    stage.name,
                    humantime::format_duration(deadline)
                ),
                () = signals.now.cancelled() => bail!(
                    "the {} was cut off by a second signal; what was not committed is in the \
                     topic",
                    stage.name
                ),
            };
            tracing::info!(after = ?begun.elapsed(), "the {} stopped", stage.name);
            result = result.and(ended);
        }
        result
    }

    /// Waits for this stage. Others may end meanwhile.
    async fn end_of(&mut self, stage: &Stage) -> anyhow::Result<()> {
        loop {
            if let Some(ended) = self.ended.remove(&stage.task) {
                return ended;
            }
            let next = self.next_to_end().await;
            let (task, ended) = next.context("every stage has a task until it has ended")?;
            self.ended.insert(task, ended);
        }
    }
}

#[cfg(test)]
mod tests;
