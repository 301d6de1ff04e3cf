//! `clickweir promote` and `rollback`: a finished replay in the place of the live rows, and back.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
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

/// Puts a replay in the place of the live rows, once every object of it was read and is sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromoteReplay {
    pub(crate) name: String,
}

/// The half-open ranges of offsets that are as the replay has them.
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

/// Puts back what was live before the replay was promoted.
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

/// Ends the time in which a promotion can be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleReplay {
    pub(crate) name: String,
}

/// A promotion is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settled {}

impl Command for SettleReplay {
    const NAME: &'static str = "settle";
    type Answer = Settled;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<Settled> {
        let name = ReplayName::parse(&self.name)?;
        node.lake().await?.settle(&name, node.clock.now()).await?;
        Ok(Settled {})
    }
}

/// The ranges of a replay, which must be committed whole.
pub(super) async fn finished(node: &Node, name: &ReplayName) -> anyhow::Result<Ranges> {
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
pub(super) async fn send<C: Command>(
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

/// Promotes a replay and prints the ranges that it is shown in.
pub(crate) async fn promote(settings: Settings, name: String) -> anyhow::Result<ExitCode> {
    let doing = format!("checking and promoting {name}");
    let command = PromoteReplay { name: name.clone() };
    let PromotedRanges { ranges } = send(settings, command, doing).await?;
    for (partition, (first, end)) in &ranges {
        print::line(&format!(
            "partition {partition}: offsets {first}..{end} are as the replay {name} has them now"
        ));
    }
    print::line(&format!(
        "`clickweir rollback {name}` undoes it, for 30 days or until `clickweir promote --settle \
         {name}`"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Ends the time in which a promotion can be rolled back.
pub(crate) async fn settle(settings: Settings, name: String) -> anyhow::Result<ExitCode> {
    let doing = format!("settling {name}");
    let Settled {} = send(settings, SettleReplay { name: name.clone() }, doing).await?;
    print::line(&format!(
        "the promotion of {name} is settled; what it replaced is deleted after lake.grace"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Undoes a promotion.
pub(crate) async fn rollback(settings: Settings, name: String) -> anyhow::Result<ExitCode> {
    let doing = format!("rolling back {name}");
    let RolledBack {} = send(settings, RollbackReplay { name: name.clone() }, doing).await?;
    print::line(&format!(
        "the replay {name} is no longer live; its own table clicks_{name} stays"
    ));
    Ok(ExitCode::SUCCESS)
}
