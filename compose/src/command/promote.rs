//! `clickweir diff`, `promote` and `rollback`: what becomes of a finished replay.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use catalog::{Diff, TableDiff};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use sink::audit::{self, Audit, Finding, Survey};
use sink::{Ranges, ReplayName};
use topic::Watermarks;

use crate::command::owner::Door;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How often a waiting line moves.
const TICK: Duration = Duration::from_millis(100);

fn name(request: &Value) -> anyhow::Result<ReplayName> {
    Ok(ReplayName::parse(
        request["name"].as_str().context("name is due")?,
    )?)
}

impl Node {
    /// Compares a finished replay with the live rows.
    pub(crate) async fn diff(&self, request: &Value) -> anyhow::Result<Value> {
        let name = name(request)?;
        let ranges = self.finished(&name).await?;
        let catalog = self.catalog().await?;
        catalog.crawl(true).await?;
        Ok(serde_json::to_value(catalog.diff(&name, &ranges).await?)?)
    }

    /// The ranges of a replay, which must be committed whole.
    async fn finished(&self, name: &ReplayName) -> anyhow::Result<Ranges> {
        let lake = self.lake().await?;
        let left = lake.unfinished(name).await?;
        if let Some((partition, (at, end))) = left.first_key_value() {
            bail!(
                "the replay {name} is not finished, partition {partition} is at {at} of {end}: \
                 `clickweir replay --into {name}` goes on with it"
            );
        }
        Ok(lake.replay_ledger(name).await?.ranges())
    }

    /// Shows a replay in the tables, once every object of it was read and is sound.
    pub(crate) async fn promote(&self, request: &Value) -> anyhow::Result<Value> {
        let name = name(request)?;
        self.finished(&name).await?;
        let (lake, catalog) = (self.lake().await?, self.catalog().await?);
        catalog.crawl(true).await?;
        let sound = self.weigh_replay(&name).await?;
        if !sound.clean() {
            let found: Vec<String> = sound.findings.iter().map(ToString::to_string).collect();
            bail!(
                "the replay {name} is damaged, replay into another name: {}",
                found.join(", ")
            );
        }
        let promotion = lake.promote(&name, self.clock.now()).await?;
        self.told_by_the_ledger().await?;
        let ranges: Vec<Value> = promotion
            .ranges
            .iter()
            .map(|(partition, (first, end))| json!([partition, first, end]))
            .collect();
        Ok(json!({ "ranges": ranges }))
    }

    /// Shows what was live before.
    pub(crate) async fn rollback(&self, request: &Value) -> anyhow::Result<Value> {
        let name = name(request)?;
        self.lake().await?.rollback(&name, self.clock.now()).await?;
        self.told_by_the_ledger().await?;
        Ok(json!({}))
    }

    /// The catalog follows the ledger at once, and so does its published copy.
    async fn told_by_the_ledger(&self) -> anyhow::Result<()> {
        let catalog = self.catalog().await?;
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

    /// Audits each replay as the lake that it is: those that are there, and those that must be.
    pub(crate) async fn weigh_replays(&self) -> anyhow::Result<BTreeMap<String, Audit>> {
        let lake = self.lake().await?;
        let ledger = lake.ledger().await?;
        let promoted = |name: &_| ledger.as_ref().is_some_and(|live| live.promoted(name));
        let shown = ledger.iter().flat_map(|live| &live.promotions);
        let mut names: BTreeSet<ReplayName> = shown.map(|shown| shown.name.clone()).collect();
        names.extend(lake.replays().await?);
        let refused =
            |error: &anyhow::Error| matches!(error.downcast_ref(), Some(sink::Error::Refused(_)));
        let mut audits = BTreeMap::new();
        for name in names {
            let audit = match self.weigh_replay(&name).await {
                // A folder without a ledger is what an interrupted deletion left.
                Err(error) if refused(&error) && !promoted(&name) => continue,
                Err(error) if refused(&error) => Audit {
                    findings: vec![Finding::new(
                        format!("the replay {name} is promoted, and {error}"),
                        format!("take it back with `clickweir rollback {name}`"),
                    )],
                    ..Audit::default()
                },
                weighed => weighed?,
            };
            audits.insert(name.to_string(), audit);
        }
        Ok(audits)
    }

    /// The arithmetic audit of a replay, its ranges being what the topic acknowledged.
    async fn weigh_replay(&self, name: &ReplayName) -> anyhow::Result<Audit> {
        let (live, catalog) = (self.lake().await?, self.catalog().await?);
        let ledger = live.replay_ledger(name).await?;
        let marks = ledger
            .ranges()
            .into_iter()
            .map(|(partition, (low, high))| (partition, Watermarks { low, high }))
            .collect();
        let listing = catalog.listing(Some(name)).await?;
        let lake = live.replay(name);
        let against = audit::Reference {
            ledger: &ledger,
            watermarks: &marks,
            catalog: Some(&listing),
            window: Some(self.settings.sections.transformer.audited()),
        };
        let survey = Survey::of(&lake).await?;
        Ok(audit::audit(&lake, &survey, &against, &|_, _| {}).await?)
    }
}

/// Asks, and shows that it waits for the answer.
async fn answer(
    settings: Settings,
    command: &str,
    name: &str,
    doing: &str,
) -> anyhow::Result<Value> {
    let waiting = ProgressBar::new_spinner().with_message(format!("{doing} {name}"));
    waiting.enable_steady_tick(TICK);
    let door = Door::find(settings).await?;
    let answer = door.ask(command, json!({ "name": name })).await;
    waiting.finish_and_clear();
    answer
}

/// `clickweir diff`: exit code 1 where anything differs.
pub(crate) async fn diff(
    settings: Settings,
    name: &str,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let answer = answer(settings, "diff", name, "comparing").await?;
    let diff: Diff = serde_json::from_value(answer)?;
    if as_json {
        print::line(&serde_json::to_string_pretty(&diff)?);
    } else {
        print::line(&table(&diff));
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

/// `clickweir promote`.
pub(crate) async fn promote(settings: Settings, name: &str) -> anyhow::Result<ExitCode> {
    let answer = answer(settings, "promote", name, "checking and promoting").await?;
    for range in answer["ranges"].as_array().into_iter().flatten() {
        print::line(&format!(
            "partition {}: offsets {}..{} are shown as the replay {name} has them",
            range[0], range[1], range[2]
        ));
    }
    print::line(&format!("`clickweir rollback {name}` undoes it"));
    Ok(ExitCode::SUCCESS)
}

/// `clickweir rollback`.
pub(crate) async fn rollback(settings: Settings, name: &str) -> anyhow::Result<ExitCode> {
    answer(settings, "rollback", name, "rolling back").await?;
    print::line(&format!(
        "the replay {name} is shown no longer; its own table clicks_{name} stays"
    ));
    Ok(ExitCode::SUCCESS)
}
