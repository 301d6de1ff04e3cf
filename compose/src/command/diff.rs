//! `clickweir diff`: a finished replay, compared with the live rows.

use std::process::ExitCode;
use std::sync::Arc;

use catalog::{Diff, TableDiff};
use serde::{Deserialize, Serialize};
use sink::ReplayName;

use super::Command;
use super::promote::{finished, send};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

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
