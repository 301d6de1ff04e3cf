//! `clickweir gap accept`: a loss that the operator accepts.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use topic::{Offset, Partition};

use super::Command;
use super::owner::Target;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum GapTask {
    /// Accepts that records were deleted before the lake had them, and notes it in the ledger
    Accept {
        /// The partition that is stopped
        #[arg(long)]
        partition: u32,
    },
}

/// Notes in the ledger that the records between the lake's end and the topic's begin are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptGap {
    pub(crate) partition: Partition,
}

/// The half-open range of the offsets that are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptedGap {
    pub(crate) first: Offset,
    pub(crate) end: Offset,
}

impl Command for AcceptGap {
    const NAME: &'static str = "gap_accept";
    type Answer = AcceptedGap;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<AcceptedGap> {
        let partition = self.partition;
        let (topic, lake) = (node.topic().await?, node.lake().await?);
        let marks = topic.watermarks().await?;
        let marks = marks.get(&partition);
        let low = marks.context("the topic has no such partition")?.low;
        let accepted = lake.accept_gap(partition, low, node.clock.now()).await?;
        let Some((first, end)) = accepted else {
            bail!(
                "partition {partition}: nothing is lost, the topic still holds the offset at \
                 which the lake ends"
            );
        };
        Ok(AcceptedGap { first, end })
    }
}

/// Accepts a gap and prints its range.
pub(crate) async fn gap(settings: Settings, task: GapTask) -> anyhow::Result<ExitCode> {
    let GapTask::Accept { partition } = task;
    let request = AcceptGap {
        partition: Partition(partition),
    };
    let AcceptedGap { first, end } = Target::find(settings).await?.send(request).await?;
    print::line(&format!(
        "partition {partition}: the loss of {first}..{end} is accepted and in the ledger"
    ));
    Ok(ExitCode::SUCCESS)
}
