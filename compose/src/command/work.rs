//! Commands that run as a job: the shell starts one and watches it until it ends.

use std::sync::Arc;

use anyhow::bail;
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Command;
use super::job::{CommandJob, JobState};
use super::owner::Target;
use crate::node::Node;
use crate::print;

/// A request that is answered by a job.
pub(crate) trait Work: Serialize + DeserializeOwned + Send + 'static {
    /// The name in the URL: `POST /command/NAME`.
    const NAME: &'static str;
    /// True if a process runs one of these at a time.
    const EXCLUSIVE: bool;
    /// How far the job is.
    type Progress: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What the job came to.
    type Report: Clone + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Does the work, and tells `job` how far it is.
    fn run(
        self,
        node: Arc<Node>,
        job: Arc<JobOf<Self>>,
    ) -> impl Future<Output = anyhow::Result<Self::Report>> + Send;
}

/// The job that does this work.
pub(crate) type JobOf<W> = CommandJob<<W as Work>::Progress, <W as Work>::Report>;

/// What a shell asks of the process that does the work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum JobRequest<W> {
    Start(W),
    Poll { job: u64 },
}

/// A job's id and its state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobAnswer<P, R> {
    pub(crate) job: u64,
    pub(crate) state: JobState<P, R>,
}

impl<W: Work> Command for JobRequest<W> {
    const NAME: &'static str = W::NAME;
    type Answer = JobAnswer<W::Progress, W::Report>;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<Self::Answer> {
        let (id, job) = match self {
            Self::Start(work) => start(node, work)?,
            Self::Poll { job } => (job, node.jobs.get(W::NAME, job)?),
        };
        let state = job.poll().await;
        Ok(JobAnswer { job: id, state })
    }
}

fn start<W: Work>(node: &Arc<Node>, work: W) -> anyhow::Result<(u64, Arc<JobOf<W>>)> {
    let job = Arc::new(JobOf::<W>::new());
    let id = node.jobs.add(W::NAME, W::EXCLUSIVE, job.clone())?;
    let running = tokio::spawn(work.run(node.clone(), job.clone()));
    let watched = job.clone();
    tokio::spawn(async move {
        watched.end(match running.await {
            Ok(ended) => ended.map_err(|error| print::sentence(&error)),
            Err(_) => Err(format!(
                "the {} stopped by a fault of clickweir itself: the log says where",
                W::NAME
            )),
        });
    });
    Ok((id, job))
}

/// Starts the work there, and lets `show` draw its progress until it ends.
///
/// # Errors
/// Fails when the work cannot start, and with the work's own sentence when it fails.
pub(crate) async fn watch<W: Work>(
    target: &Target,
    work: W,
    bar: &ProgressBar,
    show: impl Fn(&ProgressBar, &W::Progress),
) -> anyhow::Result<W::Report> {
    let mut answer = target.send(JobRequest::Start(work)).await?;
    loop {
        match answer.state {
            JobState::Running(progress) => show(bar, &progress),
            JobState::Done(report) => {
                bar.finish_and_clear();
                return Ok(report);
            }
            JobState::Failed(why) => {
                bar.finish_and_clear();
                bail!(why);
            }
        }
        let job = answer.job;
        answer = target.send(JobRequest::<W>::Poll { job }).await?;
    }
}
