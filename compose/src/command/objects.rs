//! `clickweir objects`: how many objects the lake has, how large they are, and what becomes of them.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use sink::{CompactionLimits, CompactionScene, LakeTally, ObjectTally};

use super::Command;
use super::owner::Target;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// What objects are listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TallyBy {
    Hour,
    Day,
}

/// How they are shown.
#[derive(Debug, Args)]
pub(crate) struct ObjectsArgs {
    /// The least length of a line of the list
    #[arg(long, default_value = "day")]
    by: TallyBy,
    /// Prints them as JSON
    #[arg(long)]
    json: bool,
}

/// Crawls, and counts the lake's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TallyObjects {
    pub(crate) by: TallyBy,
}

impl Command for TallyObjects {
    const NAME: &'static str = "objects";
    type Answer = LakeTally;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<LakeTally> {
        node.catalog().await?.crawl(false).await?;
        tally(node, self.by).await
    }
}

/// Counts the lake's objects. How many rows a commit has is what the catalog knows.
pub(crate) async fn tally(node: &Arc<Node>, by: TallyBy) -> anyhow::Result<LakeTally> {
    let listing = node.catalog().await?.listing(None).await?;
    let known = listing.objects.into_iter();
    let rows = known.filter_map(|one| Some((one.path, one.footer.ok()?.counts.rows)));
    let rows: BTreeMap<String, u64> = rows.collect();
    let watermarks = node.topic().await?.watermarks().await?;
    let scene = CompactionScene {
        watermarks: &watermarks,
        now: node.clock.now(),
        limits: CompactionLimits::default(),
    };
    let lake = node.lake().await?;
    Ok(lake.tally(&scene, by == TallyBy::Day, &rows).await?)
}

/// What becomes of objects, and how many of each there are.
pub(crate) fn states(tally: &LakeTally) -> [(&'static str, ObjectTally); 4] {
    [
        ("counting", tally.counting),
        ("of them to be compacted", tally.waiting),
        ("replaced, until lake.grace ends", tally.replaced),
        ("not named by the ledger", tally.unnamed),
    ]
}

/// Prints them.
pub(crate) async fn objects(settings: Settings, args: ObjectsArgs) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let tally = target.send(TallyObjects { by: args.by }).await?;
    match args.json {
        true => print::answer(&serde_json::to_string_pretty(&tally)?)?,
        false => print::answer(&table(&tally))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(tally: &LakeTally) -> String {
    let header = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let cells = |of: &ObjectTally| [of.objects, of.bytes, of.rows].map(|count| count.to_string());
    let states: Vec<Vec<String>> = states(tally)
        .iter()
        .map(|(state, of)| {
            std::iter::once((*state).to_owned())
                .chain(cells(of))
                .collect()
        })
        .collect();
    let states = print::table(&header(&["objects", "number", "bytes", "rows"]), &states);
    let periods: Vec<Vec<String>> = tally
        .periods
        .iter()
        .map(|of| {
            let waiting = of.waiting.objects.to_string();
            let cells = cells(&of.counting).into_iter().chain([waiting]);
            std::iter::once(of.period.clone()).chain(cells).collect()
        })
        .collect();
    let names = ["arrived", "objects", "bytes", "rows", "to be compacted"];
    let periods = print::table(&header(&names), &periods);
    format!("{states}\n{periods}")
}
