//! `clickweir diff`, `promote` and `rollback`: what becomes of a finished replay.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use catalog::{Diff, TableDiff};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use sink::{Ranges, ReplayName};

use super::Command;
use super::audit::audit_replay;
use super::owner::Target;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How often a waiting line moves.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

/// Compares a finished replay with the live rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffReplay {
    pub(crate) name: String,
}

impl Command for DiffReplay {
    const NAME: &'static str = "diff";
    type Answer = Diff;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<Diff> {
        let name = ReplayName::parse(&self.name)?;
        let ranges = finished(node, &name).await?;
        let catalog = node.catalog().await?;
        catalog.crawl(true).await?;
        Ok(catalog.diff(&name, &ranges).await?)
    }
}

/// Shows a replay in the tables, once every object of it was read and is sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromoteReplay {
    pub(crate) name: String,
}

/// The half-open ranges of offsets that are shown as the replay has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromotedRanges {
    pub(crate) ranges: Ranges,
}

impl Command for PromoteReplay {
    const NAME: &'static str = "promote";
    type Answer = PromotedRanges;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<PromotedRanges> {
        let name = ReplayName::parse(&self.name)?;
        finished(node, &name).await?;
        let (lake, catalog) = (node.lake().await?, node.catalog().await?);
        catalog.crawl(true).await?;
        let audit = audit_replay(node, &name).await?;
        if !audit.clean() {
            let found: Vec<String> = audit.findings.iter().map(ToString::to_string).collect();
            bail!(
                "the replay {name} is damaged, replay into another name: {}",
                found.join(", ")
            );
        }
        let promotion = lake.promote(&name, node.clock.now()).await?;
        follow_ledger(node).await?;
        Ok(PromotedRanges {
            ranges: promotion.ranges,
        })
    }
}

/// Shows what was shown before the replay was promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackReplay {
    pub(crate) name: String,
}

/// A rollback succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolledBack {}

impl Command for RollbackReplay {
    const NAME: &'static str = "rollback";
    type Answer = RolledBack;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<RolledBack> {
        let name = ReplayName::parse(&self.name)?;
        node.lake().await?.rollback(&name, node.clock.now()).await?;
        follow_ledger(node).await?;
        Ok(RolledBack {})
    }
}

/// The ranges of a replay, which must be committed whole.
async fn finished(node: &Node, name: &ReplayName) -> anyhow::Result<Ranges> {
    let lake = node.lake().await?;
    let left = lake.unfinished(name).await?;
    if let Some((partition, (at, end))) = left.first_key_value() {
        bail!(
            "the replay {name} is not finished, partition {partition} is at {at} of {end}: \
             `clickweir replay --into {name}` continues it"
        );
    }
    Ok(lake.replay_ledger(name).await?.ranges())
}

/// Lets the catalog and its published copy follow the ledger at once.
pub(super) async fn follow_ledger(node: &Node) -> anyhow::Result<()> {
    let catalog = node.catalog().await?;
    let unshown = match catalog.crawl(false).await {
        Ok(crawl) => crawl.unshown,
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = unshown {
        bail!("it is in the ledger; this catalog cannot show it yet: {why}");
    }
    let published = catalog.publish(None).await;
    published.context("it is in the ledger and shown here; the published copy follows")
}

/// Sends the command, and shows that it waits for the answer.
async fn send<C: Command>(
    settings: Settings,
    command: C,
    doing: String,
) -> anyhow::Result<C::Answer> {
    let waiting = ProgressBar::new_spinner().with_message(doing);
    waiting.enable_steady_tick(TICK_INTERVAL);
    let target = Target::find(settings).await?;
    let answer = target.send(command).await;
    waiting.finish_and_clear();
    answer
}

/// Compares a replay and prints the differences. The exit code is 1 if there are any.
pub(crate) async fn diff(
    settings: Settings,
    name: String,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let doing = format!("comparing {name}");
    let diff = send(settings, DiffReplay { name }, doing).await?;
    if as_json {
        print::answer(&serde_json::to_string_pretty(&diff)?)?;
    } else {
        print::answer(&table(&diff))?;
    }
    Ok(if diff.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn table(diff: &Diff) -> String {
    let row = |name: &str, one: &TableDiff| {
        let numbers = [
            one.live,
            one.replay,
            one.only_live,
            one.only_replay,
            one.differing,
        ];
        let cells = numbers.iter().map(ToString::to_string);
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    let header = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let counts = print::table(
        &header(&[
            "table",
            "live",
            "replay",
            "live only",
            "replay only",
            "differing",
        ]),
        &[
            row("clicks", &diff.clicks),
            row("dead_letters", &diff.dead_letters),
        ],
    );
    if diff.is_empty() {
        return format!("{counts}\nno row differs");
    }
    let sample: Vec<Vec<String>> = diff
        .sample
        .iter()
        .map(|one| {
            let id = one.event_id.clone().unwrap_or_default();
            let place = (one.partition.to_string(), one.offset.to_string());
            vec![one.table.clone(), place.0, place.1, id, one.what.clone()]
        })
        .collect();
    let sample = print::table(
        &header(&["table", "partition", "offset", "event_id", "what differs"]),
        &sample,
    );
    format!("{counts}\nthe first that differ:\n{sample}")
}

/// Promotes a replay and prints the ranges that it is shown in.
pub(crate) async fn promote(settings: Settings, name: String) -> anyhow::Result<ExitCode> {
    let doing = format!("checking and promoting {name}");
    let command = PromoteReplay { name: name.clone() };
    let PromotedRanges { ranges } = send(settings, command, doing).await?;
    for (partition, (first, end)) in &ranges {
        print::line(&format!(
            "partition {partition}: offsets {first}..{end} are shown as the replay {name} has them"
        ));
    }
    print::line(&format!("`clickweir rollback {name}` undoes it"));
    Ok(ExitCode::SUCCESS)
}

/// Undoes a promotion.
pub(crate) async fn rollback(settings: Settings, name: String) -> anyhow::Result<ExitCode> {
    let doing = format!("rolling back {name}");
    let RolledBack {} = send(settings, RollbackReplay { name: name.clone() }, doing).await?;
    print::line(&format!(
        "the replay {name} is no longer shown; its own table clicks_{name} stays"
    ));
    Ok(ExitCode::SUCCESS)
}
