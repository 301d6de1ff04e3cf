//! `clickweir expire`: takes out what is older than `[[retention]]` keeps.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sink::{Expired, Lake, RetentionScene};

use super::owner::Target;
use super::promote::follow_ledger;
use super::work::{JobOf, Work, watch};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Takes out of the lake and of its replays what is too old, or counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpireLake {
    pub(crate) dry_run: bool,
}

impl Work for ExpireLake {
    const NAME: &'static str = "expire";
    const EXCLUSIVE: bool = true;
    type Progress = Expired;
    type Report = Expired;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<Expired> {
        let rules = &node.settings.sections.retention;
        if rules.is_empty() {
            bail!(
                "nothing expires: add a section [[retention]] with older_than, such as \"400days\""
            );
        }
        let scene = RetentionScene {
            rules,
            now: node.clock.now(),
            dry_run: self.dry_run,
        };
        let progress = |now: &Expired| job.update(|progress| *progress = now.clone());
        let done = expire_all(&node.lake().await?, &scene, &progress).await?;
        if !self.dry_run && done.objects > 0 {
            follow_ledger(&node).await?;
        }
        Ok(done)
    }
}

/// Takes what is too old out of a lake and of its replays, or counts it.
pub(crate) async fn expire_all(
    live: &Lake,
    scene: &RetentionScene<'_>,
    progress: &(dyn Fn(&Expired) + Sync),
) -> Result<Expired, sink::Error> {
    let mut done = Expired::default();
    for lake in live.with_replays().await? {
        let progress = |now: &Expired| {
            let mut all = done.clone();
            all.add(now);
            progress(&all);
        };
        let found = lake.expire(scene, &progress).await?;
        done.add(&found);
    }
    Ok(done)
}

/// Expires, shows its progress and prints what went. The exit code is 1 if something was left.
pub(crate) async fn expire(settings: Settings, dry_run: bool) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "hours and swaps {bar:40} {human_pos}/{human_len} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &Expired| {
        bar.set_length(progress.of);
        bar.set_position(progress.looked);
    };
    let done = watch(&target, ExpireLake { dry_run }, &bar, show).await?;
    print::answer(&sentence(&done, dry_run))?;
    for left in &done.left {
        print::note(&format!("left as it is: {left}"));
    }
    if done.touched > 0 {
        print::note(&format!(
            "{} hours or swaps were rewritten by others meanwhile: run it again",
            done.touched
        ));
    }
    Ok(match done.left.is_empty() && done.touched == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn sentence(done: &Expired, dry_run: bool) -> String {
    if done.objects == 0 {
        return "nothing is older than the rules keep".to_owned();
    }
    let verb = if dry_run {
        "would expire"
    } else {
        "have expired"
    };
    format!(
        "{} rows and {} dead letters {verb}; {} objects of {} hold them",
        done.rows,
        done.letters,
        done.objects,
        ByteSize(done.bytes).display().iec()
    )
}
