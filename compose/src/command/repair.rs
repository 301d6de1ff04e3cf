//! `clickweir repair`: what is damaged or missing is rebuilt from the topic.

use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sink::{LakeHole, Ledger, Made, Pool, ReplayName};
use transformer::replay::{self, Parts, ReplaySpan};

use super::owner::Target;
use super::promote::follow_ledger;
use super::work::{JobOf, Work, watch};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Rebuilds what is damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepairLake {
    /// True if what the topic no longer holds is given up.
    pub(crate) give_up: bool,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repaired {
    /// Objects that were looked at, and all.
    pub(crate) done: u64,
    pub(crate) of: u64,
    /// What was rebuilt, what was given up, and what was left as it is.
    pub(crate) rebuilt: Vec<String>,
    pub(crate) given_up: Vec<String>,
    pub(crate) left: Vec<String>,
}

impl Work for RepairLake {
    const NAME: &'static str = "repair";
    const EXCLUSIVE: bool = true;
    type Progress = Repaired;
    type Report = Repaired;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<Repaired> {
        let (topic, lake) = (node.topic().await?, node.lake().await?);
        let Some(mut ledger) = lake.ledger_of(topic.identity()).await? else {
            return Ok(Repaired::default());
        };
        let progress = |done, of| {
            job.update(|progress| (progress.done, progress.of) = (done, of));
        };
        let holes = lake.holes(&ledger, &progress).await?;
        let marks = topic.watermarks().await?;
        let mut repaired = Repaired::default();
        for hole in holes {
            let named = named(&hole);
            if hole.ranges.is_empty() {
                repaired.left.push(format!(
                    "{named}: it is the newest of its partition, and does not say where it ends; \
                     put it back from a copy; or, if the topic still holds its records, end \
                     clickweir, delete it and the catalog, and start again: they are committed anew"
                ));
                continue;
            }
            let is_held = hole.ranges.iter().all(|(partition, first, _)| {
                let low = marks.get(partition).map(|marks| marks.low);
                low.is_some_and(|low| low <= *first)
            });
            if is_held {
                match rebuild(&node, &job, &ledger, &hole).await? {
                    Made::Written(_) => repaired.rebuilt.push(named),
                    Made::Discarded(why) => repaired.left.push(format!("{named}: {why}")),
                }
            } else if self.give_up {
                lake.give_up_hole(&hole, node.clock.now()).await?;
                repaired.given_up.push(named);
            } else {
                repaired.left.push(format!(
                    "{named}: the topic no longer holds their records; put the object back from \
                     a copy, or `clickweir repair --give-up` records that they are lost"
                ));
            }
            if let Some(followed) = lake.follow(ledger.clone()).await? {
                ledger = followed;
            }
        }
        if !repaired.rebuilt.is_empty() || !repaired.given_up.is_empty() {
            follow_ledger(&node).await?;
        }
        Ok(repaired)
    }
}

/// Replays the ranges of a hole and puts the rows in its place. The replays are deleted then.
async fn rebuild(
    node: &Arc<Node>,
    job: &Arc<JobOf<RepairLake>>,
    ledger: &Ledger,
    hole: &LakeHole,
) -> anyhow::Result<Made> {
    let (topic, lake) = (node.topic().await?, node.lake().await?);
    let sections = &node.settings.sections;
    let enrichment = node.enrichment().await?.newest();
    let mut names = Vec::new();
    for &(partition, first, end) in &hole.ranges {
        let name = ReplayName::parse(&format!("repair_{partition}_{first}_{end}"))?;
        // One that was begun under another configuration is of no use.
        lake.delete_replay(&name).await?;
        let (config, now) = (&sections.transformer, node.clock.now());
        let span = Some(ReplaySpan::Offsets {
            partition,
            first,
            end,
        });
        let hash = config.configuration(&enrichment);
        let begun = replay::begin(topic.as_ref(), &lake, &hash, &name, span, now).await?;
        let parts = Parts {
            topic: topic.clone(),
            enrichment: enrichment.clone(),
            pool: Pool::default(),
            progress: Box::new(|_, _| {}),
            stop: job.stop.clone(),
        };
        replay::run(config.clone(), sections.sink.clone(), begun, parts).await?;
        names.push(name);
    }
    let made = lake.fill(ledger, hole, &names, node.clock.now()).await?;
    for name in &names {
        lake.delete_replay(name).await?;
    }
    Ok(made)
}

fn named(hole: &LakeHole) -> String {
    let ranges = hole.ranges.iter();
    let ranges: Vec<String> = ranges
        .map(|(partition, first, end)| format!("partition {partition}: {first}..{end}"))
        .collect();
    let parts = [ranges.join(", "), hole.objects.join(", ")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{} ({})", parts.join(" of "), hole.why)
}

/// Repairs, shows its progress and prints what it did. The exit code is 1 if something was left.
pub(crate) async fn repair(settings: Settings, give_up: bool) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "objects {bar:40} {human_pos}/{human_len} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &Repaired| {
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    };
    let repaired = watch(&target, RepairLake { give_up }, &bar, show).await?;
    let Repaired {
        rebuilt,
        given_up,
        left,
        ..
    } = &repaired;
    if rebuilt.len() + given_up.len() + left.len() == 0 {
        print::answer("nothing is damaged or missing")?;
    }
    for one in rebuilt {
        print::answer(&format!("rebuilt from the topic: {one}"))?;
    }
    for one in given_up {
        print::answer(&format!("given up: {one}"))?;
    }
    for one in left {
        print::note(&format!("left as it is: {one}"));
    }
    Ok(match left.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
