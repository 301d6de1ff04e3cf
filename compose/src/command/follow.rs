//! `clickweir follow`: the lines of logs become clicks as they are written.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use producer::Edge;
use producer::import::follow::{FollowJob, FollowProgress, run};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::owner::Target;
use super::work::{JobOf, Work, watch};
use crate::node::Node;
use crate::print;
use crate::settings::{FileFormat, FollowFile, Settings};

/// How long a follower goes on when nobody watches it any more.
const WATCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it looks.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// What is followed, as the command line says it.
#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    /// The logs, by the names under which they are written; a log may come later
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Their format [default: what the beginning of each shows]; ndjson is a click a line
    #[arg(long)]
    format: Option<FileFormat>,
}

/// Follows a log until `stop`.
pub(crate) async fn follow_file(
    log: FollowFile,
    node: Arc<Node>,
    stop: CancellationToken,
    mut progress: impl FnMut(FollowProgress) + Send,
) -> anyhow::Result<()> {
    let sections = &node.settings.sections;
    let realtime_fields = sections.import.realtime_fields.clone();
    log.format.check(&realtime_fields)?;
    let topic = node.topic().await?;
    let edge = Edge::new(&sections.producer, topic.writer()?, node.clock.clone());
    let max_record = sections.topic.max_record.as_u64();
    let job = FollowJob {
        file: log.file,
        format: log.format.into(),
        realtime_fields,
        max_record: usize::try_from(max_record).unwrap_or(usize::MAX),
        state: node.settings.folder().join("imports"),
    };
    run(job, Arc::new(edge), topic, stop, &mut progress).await?;
    Ok(())
}

/// Follows logs for as long as somebody watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowFiles {
    pub(crate) files: Vec<FollowFile>,
}

impl Work for FollowFiles {
    const NAME: &'static str = "follow";
    const EXCLUSIVE: bool = false;
    /// Of each log.
    type Progress = Vec<FollowProgress>;
    type Report = ();

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<()> {
        job.update(|progress| progress.resize(self.files.len(), FollowProgress::default()));
        let mut followers = JoinSet::new();
        for (at, file) in self.files.into_iter().enumerate() {
            let (watched, stop) = (job.clone(), job.stop.clone());
            let show = move |now| watched.update(|progress| progress[at] = now);
            followers.spawn(follow_file(file, node.clone(), stop, show));
        }
        let watched = job.clone();
        tokio::spawn(async move {
            watched.until_unwatched(WATCH_EVERY, WATCH_TIMEOUT).await;
            watched.stop.cancel();
        });
        while let Some(ended) = followers.join_next().await {
            if let Err(error) = ended? {
                job.stop.cancel();
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Follows logs until a signal comes.
pub(crate) async fn follow(settings: Settings, args: FollowArgs) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for named in args.files {
        let file = std::path::absolute(&named)?;
        if file.is_dir() {
            bail!("{} is a folder: give one of its files", named.display());
        }
        let format = match args.format {
            Some(format) => format,
            None => FileFormat::guess(&file, &named)
                .context("a log that is empty or not there yet needs --format")?,
        };
        files.push(FollowFile { file, format });
    }
    let bar = ProgressBar::no_length();
    bar.enable_steady_tick(WATCH_EVERY);
    let show = |bar: &ProgressBar, logs: &Vec<FollowProgress>| {
        let lines: u64 = logs.iter().map(|log| log.lines).sum();
        let behind: u64 = logs.iter().map(|log| log.behind).sum();
        bar.set_message(format!("{lines} lines sent, {behind} bytes wait"));
    };
    let target = Target::find(settings).await?;
    tokio::select! {
        ended = watch(&target, FollowFiles { files }, &bar, show) => ended?,
        stopped = interrupted() => stopped?,
    }
    bar.finish_and_clear();
    print::answer("stopped: the same command goes on from here")?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
