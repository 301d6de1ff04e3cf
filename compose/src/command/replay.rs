//! `clickweir replay`: a node runs it, whoever asked for it shows how far it is.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sink::ReplayName;
use tokio_util::sync::CancellationToken;
use topic::{Offset, Partition, Timestamp};
use transformer::Enrichment;
use transformer::replay::{self, Parts, ReplayReport, ReplaySpan};

use crate::command::owner::Door;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How often progress is asked for.
const POLL: Duration = Duration::from_millis(200);

/// The part of the topic that somebody wants to be replayed.
#[derive(Debug, Args, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// One partition …
    #[arg(long, requires_all = ["from_offset", "to_offset"], conflicts_with_all = ["from", "to"])]
    partition: Option<u32>,
    /// … from this offset
    #[arg(long, requires = "partition")]
    from_offset: Option<u64>,
    /// … up to, without, this one
    #[arg(long, requires = "partition")]
    to_offset: Option<u64>,
    /// All partitions, what was appended since this moment (2026-11-22T21:00:00Z) …
    #[arg(long, requires = "to", value_name = "TIME")]
    from: Option<String>,
    /// … and before this one
    #[arg(long, requires = "from", value_name = "TIME")]
    to: Option<String>,
}

impl Stretch {
    /// None where it was left out.
    fn span(&self) -> anyhow::Result<Option<ReplaySpan>> {
        if let (Some(partition), Some(first), Some(end)) =
            (self.partition, self.from_offset, self.to_offset)
        {
            return Ok(Some(ReplaySpan::Offsets {
                partition: Partition(partition),
                first: Offset(first),
                end: Offset(end),
            }));
        }
        let (Some(from), Some(to)) = (&self.from, &self.to) else {
            return Ok(None);
        };
        let moment = |text: &str| {
            Timestamp::parse_rfc3339(text).with_context(|| {
                format!("{text:?} is no moment: write it like 2026-11-22T21:00:00Z")
            })
        };
        Ok(Some(ReplaySpan::Times {
            from: moment(from)?,
            to: moment(to)?,
        }))
    }
}

/// A replay under way, or how it ended.
#[derive(Default)]
pub(crate) struct Replaying {
    committed: AtomicU64,
    total: AtomicU64,
    ended: Mutex<Option<Result<ReplayReport, String>>>,
    stop: CancellationToken,
}

impl Node {
    /// Starts a replay; one at a time. It goes by the configuration of whoever asks for it.
    pub(crate) async fn replay_start(self: &Arc<Self>, request: &Value) -> anyhow::Result<Value> {
        let name = ReplayName::parse(request["into"].as_str().context("into is due")?)?;
        let stretch: Stretch = serde_json::from_value(request["stretch"].clone())?;
        let config: transformer::Config = serde_json::from_value(request["transformer"].clone())?;
        let replaying = Arc::new(Replaying::default());
        {
            let mut slot = self.replaying.lock();
            if slot
                .as_ref()
                .is_some_and(|running| running.ended.lock().is_none())
            {
                bail!("another replay is running; try again when it has ended");
            }
            *slot = Some(replaying.clone());
        }
        let begun = self.replay_begin(&name, &stretch, &config).await;
        let (replay, topic) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                *replaying.ended.lock() = Some(Err(print::sentence(&error)));
                return Err(error);
            }
        };
        let told = replaying.clone();
        let parts = Parts {
            topic,
            enrichment: Enrichment::default(),
            progress: Box::new(move |committed, total| {
                told.total.store(total, Ordering::Relaxed);
                told.committed.fetch_max(committed, Ordering::Relaxed);
            }),
            stop: replaying.stop.clone(),
        };
        let sink = self.settings.sections.sink.clone();
        tokio::spawn(async move {
            let ended = replay::run(config, sink, replay, parts).await;
            *replaying.ended.lock() = Some(ended.map_err(|error| error.to_string()));
        });
        Ok(json!({}))
    }

    async fn replay_begin(
        &self,
        name: &ReplayName,
        stretch: &Stretch,
        config: &transformer::Config,
    ) -> anyhow::Result<(replay::Replay, Arc<dyn topic::Topic>)> {
        let (topic, lake) = (self.topic().await?, self.lake().await?);
        let span = stretch.span()?;
        let replay =
            replay::begin(topic.as_ref(), &lake, config, name, span, self.clock.now()).await?;
        Ok((replay, topic))
    }

    /// How far the replay is.
    pub(crate) fn replay_progress(&self) -> Value {
        let Some(replaying) = self.replaying.lock().clone() else {
            return json!({});
        };
        let number = |atomic: &AtomicU64| atomic.load(Ordering::Relaxed);
        let progress = json!({
            "committed": number(&replaying.committed), "total": number(&replaying.total),
        });
        match replaying.ended.lock().as_ref() {
            None => json!({ "progress": progress }),
            Some(Err(error)) => json!({ "progress": progress, "failed": error }),
            Some(Ok(report)) => json!({
                "progress": progress,
                "report": {
                    "total": report.total, "committed": report.committed, "landed": report.landed,
                },
            }),
        }
    }

    /// Tells a running replay to stop at the next batch.
    pub(crate) fn replay_stop(&self) {
        if let Some(replaying) = self.replaying.lock().as_ref() {
            replaying.stop.cancel();
        }
    }
}

/// Asks for a replay and shows its progress.
pub(crate) async fn ask(
    settings: Settings,
    into: &str,
    stretch: &Stretch,
) -> anyhow::Result<ExitCode> {
    let config = serde_json::to_value(&settings.sections.transformer)?;
    let door = Door::find(settings).await?;
    let request = json!({ "into": into, "stretch": stretch, "transformer": config });
    door.ask("replay_start", request).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} offsets, {per_sec} {eta} left",
    )?);
    loop {
        let state = door.ask("replay_progress", json!({})).await?;
        let number = |part: &str, key: &str| state[part][key].as_u64().unwrap_or_default();
        bar.set_length(number("progress", "total"));
        bar.set_position(number("progress", "committed"));
        if let Some(failed) = state["failed"].as_str() {
            bail!("{failed}; what is committed stays, and the same command goes on behind it");
        }
        if state["report"].is_object() {
            bar.finish_and_clear();
            let [total, committed, landed] =
                ["total", "committed", "landed"].map(|key| number("report", key));
            print::line(&format!(
                "replay {into}: {landed} offsets read again now, {} were there already",
                committed - landed
            ));
            if committed < total {
                bail!(
                    "it was stopped at {committed} of {total} offsets: `clickweir replay --into \
                     {into}` goes on with it"
                );
            }
            print::line(&format!(
                "the table clicks_{into} is whole; `clickweir diff {into}` compares it"
            ));
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(POLL).await;
    }
}
