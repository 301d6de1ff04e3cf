//! `clickweir compact`: merges the objects of closed hours, days and months.

use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sink::{Compacted, CompactionLimits, CompactionScene, CoreShare, Pool};

use super::owner::Target;
use super::promote::follow_ledger;
use super::work::{JobOf, Work, watch};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Merges the objects of every closed hour, day and month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompactLake {}

impl Work for CompactLake {
    const NAME: &'static str = "compact";
    const EXCLUSIVE: bool = true;
    type Progress = Compacted;
    type Report = Compacted;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<Compacted> {
        let progress = |now: &Compacted| {
            job.update(|progress| *progress = now.clone());
            true
        };
        let _alone = node.compacting.lock().await;
        let (topic, lake) = (node.topic().await?, node.lake().await?);
        // Somebody waits for it, so it does not rest; it gives way all the same.
        let lake = lake.with_pool(Pool::aside(CoreShare::percent(100)));
        let watermarks = topic.watermarks().await?;
        let scene = CompactionScene {
            watermarks: &watermarks,
            now: node.clock.now(),
            limits: CompactionLimits::default(),
        };
        let done = lake.compact(&scene, &progress).await?;
        if done.periods() > 0 {
            follow_ledger(&node).await?;
        }
        Ok(done)
    }
}

/// Compacts, shows its progress and prints what it did. The exit code is 1 if something was left.
pub(crate) async fn compact(settings: Settings) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "merged {bar:40} {human_pos}/{human_len} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &Compacted| {
        bar.set_length(progress.closed);
        bar.set_position(progress.closed - progress.waiting());
    };
    let done = watch(&target, CompactLake {}, &bar, show).await?;
    print::answer(&sentence(&done))?;
    for left in &done.left {
        print::note(&format!("left as it is: {left}"));
    }
    Ok(match done.left.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn sentence(done: &Compacted) -> String {
    if done.periods() == 0 {
        return "no closed hour, day or month has objects to merge".to_owned();
    }
    format!(
        "{} hours, {} days, {} months: {} objects of {} bytes became {} of {} bytes, {} rows",
        done.hours,
        done.days,
        done.months,
        done.replaced,
        done.replaced_bytes,
        done.objects,
        done.bytes,
        done.rows
    )
}
