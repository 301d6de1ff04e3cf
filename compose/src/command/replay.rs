//! `clickweir replay`: a range of the topic is read again.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sink::{Pool, ReplayName};
use topic::{Offset, Partition, Timestamp};
use transformer::EnrichConfig;
use transformer::replay::{self, Parts, ReplayReport, ReplaySpan};

use super::owner::Target;
use super::work::{JobOf, Work, watch};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// A range of the topic: offsets of one partition, or a time span of all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopicRange {
    /// Replays one partition
    #[arg(long, requires_all = ["from_offset", "to_offset"], conflicts_with_all = ["from", "to"])]
    pub(crate) partition: Option<u32>,
    /// The first offset of it
    #[arg(long, requires = "partition")]
    pub(crate) from_offset: Option<u64>,
    /// The offset of it to stop before
    #[arg(long, requires = "partition")]
    pub(crate) to_offset: Option<u64>,
    /// Replays all partitions, from the records appended at this time (2026-11-22T21:00:00Z)
    #[arg(long, requires = "to", value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// … to those appended before this time
    #[arg(long, requires = "from", value_name = "TIME")]
    pub(crate) to: Option<String>,
}

/// Reads a range of the topic into a table of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRange {
    /// The replay's name.
    pub(crate) into: String,
    /// The range. Empty to go on with a replay that was begun.
    pub(crate) range: TopicRange,
    /// The configuration of the shell that asks, which the replay goes by.
    pub(crate) transformer: transformer::Config,
    /// What it enriches clicks from, which must be what the process that has the topic does.
    pub(crate) enrich: EnrichConfig,
}

/// How many offsets are committed, of how many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayProgress {
    pub(crate) committed: u64,
    pub(crate) total: u64,
}

impl Work for ReplayRange {
    const NAME: &'static str = "replay";
    const EXCLUSIVE: bool = true;
    type Progress = ReplayProgress;
    type Report = ReplayReport;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<ReplayReport> {
        let name = ReplayName::parse(&self.into)?;
        let (topic, lake) = (node.topic().await?, node.lake().await?);
        let sections = &node.settings.sections;
        if !self.enrich.is_like(&sections.enrich) {
            bail!(
                "[enrich] is another one here than in the process that has the topic: change it there, \
                 in its file of settings"
            );
        }
        let mut config = self.transformer;
        config.plain.clone_from(&sections.transformer.plain);
        let (span, now) = (span(&self.range)?, node.clock.now());
        let enrichment = node.enrichment().await?.newest();
        let hash = config.configuration(&enrichment);
        let replay = replay::begin(topic.as_ref(), &lake, &hash, &name, span, now).await?;
        let stop = job.stop.clone();
        let parts = Parts {
            topic,
            enrichment,
            pool: Pool::default(),
            progress: Box::new(move |committed, total| {
                job.update(|progress| {
                    // Commits of several partitions may tell out of turn.
                    progress.committed = progress.committed.max(committed);
                    progress.total = total;
                });
            }),
            stop,
        };
        let sink = node.settings.sections.sink.clone();
        let ended = replay::run(config, sink, replay, parts).await;
        ended.map_err(|error| {
            anyhow!("{error}; what is committed stays, and the same command continues after it")
        })
    }
}

/// The range in the transformer's terms. `None` if it is empty.
fn span(range: &TopicRange) -> anyhow::Result<Option<ReplaySpan>> {
    if let (Some(partition), Some(first), Some(end)) =
        (range.partition, range.from_offset, range.to_offset)
    {
        return Ok(Some(ReplaySpan::Offsets {
            partition: Partition(partition),
            first: Offset(first),
            end: Offset(end),
        }));
    }
    let (Some(from), Some(to)) = (&range.from, &range.to) else {
        return Ok(None);
    };
    let moment = |text: &str| {
        Timestamp::parse_rfc3339(text).with_context(|| {
            format!("{text:?} is not a date we can read: write it like 2026-11-22T21:00:00Z")
        })
    };
    Ok(Some(ReplaySpan::Times {
        from: moment(from)?,
        to: moment(to)?,
    }))
}

/// Replays a range, shows the progress and prints the report.
pub(crate) async fn replay(
    settings: Settings,
    into: &str,
    range: TopicRange,
) -> anyhow::Result<ExitCode> {
    let work = ReplayRange {
        into: into.to_owned(),
        range,
        transformer: settings.sections.transformer.clone(),
        enrich: settings.sections.enrich.clone(),
    };
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} offsets, {per_sec} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &ReplayProgress| {
        bar.set_length(progress.total);
        bar.set_position(progress.committed);
    };
    let ReplayReport {
        total,
        committed,
        landed,
    } = watch(&target, work, &bar, show).await?;
    print::line(&format!(
        "replay {into}: {landed} offsets read again now, {} were there already",
        committed - landed
    ));
    if committed < total {
        bail!(
            "the replay was stopped at {committed} of {total} offsets: `clickweir replay --into \
             {into}` continues it"
        );
    }
    print::line(&format!(
        "the table clicks_{into} is whole; `clickweir diff {into}` compares it"
    ));
    Ok(ExitCode::SUCCESS)
}
