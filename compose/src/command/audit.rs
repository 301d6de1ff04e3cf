//! `clickweir audit`: the lake's rows against the topic's offsets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sink::audit::{self, Audit, Finding, Survey};
use sink::{LakeId, ReplayName};
use tokio::time::Instant;
use topic::Watermarks;
use transformer::deep;

use super::lookup;
use super::owner::Target;
use super::verdict::{AuditVerdict, DeepAudit, ListedIds};
use super::work::{JobOf, Work, watch};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How many missing ids a finding names.
const MAX_NAMED_IDS: usize = 5;

/// Audits the whole lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditLake {
    /// True to look for each record of the topic, too.
    pub(crate) deep: bool,
    /// A file of acknowledged ids, one a line; its path is absolute. `None` for no list.
    pub(crate) against: Option<PathBuf>,
}

/// How far an audit is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditProgress {
    /// True while records of the topic are read, false while objects of the lake are.
    pub(crate) deep: bool,
    pub(crate) done: u64,
    pub(crate) total: u64,
}

impl Work for AuditLake {
    const NAME: &'static str = "audit";
    const EXCLUSIVE: bool = false;
    type Progress = AuditProgress;
    type Report = AuditVerdict;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<AuditVerdict> {
        let list = match &self.against {
            Some(file) => Some(
                std::fs::read_to_string(file)
                    .with_context(|| format!("{} cannot be read", file.display()))?,
            ),
            None => None,
        };
        let ids: Option<Vec<&str>> = list.as_deref().map(|text| {
            let lines = text.lines().map(str::trim);
            lines.filter(|line| !line.is_empty()).collect()
        });
        let progress = |now| job.update(|progress| *progress = now);
        audit_lake(&node, ids.as_deref(), self.deep, &progress).await
    }
}

/// Audits the lake and its replays; with `deep`, record by record; with `ids`, also whether
/// each of them arrived.
pub(crate) async fn audit_lake(
    node: &Node,
    ids: Option<&[&str]>,
    deep: bool,
    progress: &(dyn Fn(AuditProgress) + Sync),
) -> anyhow::Result<AuditVerdict> {
    let (topic, lake, catalog) = (
        node.topic().await?,
        node.lake().await?,
        node.catalog().await?,
    );
    let before = topic.extents().await?;
    let lows = before
        .iter()
        .map(|(partition, marks)| (*partition, marks.low))
        .collect();
    let new_lake = LakeId::new(rand::random());
    let ledger = lake.found(topic.identity(), lows, new_lake).await?;
    let begun = Instant::now();
    // In this order each may know less than the next: the catalog, the lake, the topic.
    catalog.crawl(true).await?;
    let listing = catalog.listing(None).await?;
    let survey = Survey::of(&lake).await?;
    // A swap that the catalog has read is in the ledger.
    let ledger = lake.follow(ledger).await?.context("the lake is gone")?;
    let mut marks = topic.extents().await?;
    for (partition, now) in &mut marks {
        // What left the topic meanwhile had not left it when the lake was listed.
        now.low = before.get(partition).map_or(now.low, |then| then.low);
    }
    let against = audit::Reference {
        ledger: &ledger,
        watermarks: &marks,
        catalog: Some(&listing),
        window: Some(node.settings.sections.transformer.audited()),
    };
    let tell = |deep| move |done, total| progress(AuditProgress { deep, done, total });
    let mut audit = audit::audit(&lake, &survey, &against, &tell(false)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let deep = if deep {
        let begun = Instant::now();
        let deep = deep::deep(topic.as_ref(), &lake, &survey, &against, &tell(true)).await?;
        let seconds = begun.elapsed().as_secs_f64();
        Some(DeepAudit { deep, seconds })
    } else {
        None
    };
    let against = match ids {
        Some(ids) => Some(missing_ids(node, ids, &mut audit).await?),
        None => None,
    };
    let replays = audit_replays(node).await?;
    Ok(AuditVerdict {
        audit,
        seconds,
        deep,
        against,
        replays,
    })
}

/// Looks for each id of a client's own list; those that never arrived are a finding.
async fn missing_ids(node: &Node, ids: &[&str], audit: &mut Audit) -> anyhow::Result<ListedIds> {
    let texts: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
    let arrived = lookup::arrived(node, &texts).await?;
    let missing: Vec<&str> = ids
        .iter()
        .zip(&arrived)
        .filter(|(_, arrived)| !**arrived)
        .map(|(id, _)| *id)
        .collect();
    if !missing.is_empty() {
        let named = missing.iter().take(MAX_NAMED_IDS).copied();
        let named = named.collect::<Vec<_>>().join(", ");
        audit.findings.push(Finding::new(
            format!("{} listed ids never arrived: {named}", missing.len()),
            "send them again with the same ids; what did arrive is then a duplicate",
        ));
    }
    Ok(ListedIds {
        ids: ids.len() as u64,
        missing: missing.len() as u64,
    })
}

/// Audits each replay as the lake that it is.
async fn audit_replays(node: &Node) -> anyhow::Result<BTreeMap<String, Audit>> {
    let lake = node.lake().await?;
    let refused =
        |error: &anyhow::Error| matches!(error.downcast_ref(), Some(sink::Error::Refused(_)));
    let mut audits = BTreeMap::new();
    for name in lake.replays().await? {
        let audit = match audit_replay(node, &name).await {
            // A folder without a ledger is what an interrupted deletion left.
            Err(error) if refused(&error) => continue,
            audited => audited?,
        };
        audits.insert(name.to_string(), audit);
    }
    Ok(audits)
}

/// The arithmetic audit of a replay. Its ranges are what the topic acknowledged.
pub(crate) async fn audit_replay(node: &Node, name: &ReplayName) -> anyhow::Result<Audit> {
    let (live, catalog) = (node.lake().await?, node.catalog().await?);
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
        window: Some(node.settings.sections.transformer.audited()),
    };
    let survey = Survey::of(&lake).await?;
    Ok(audit::audit(&lake, &survey, &against, &|_, _| {}).await?)
}

/// Runs an audit, shows its progress and prints the verdict. The exit code is 1 if it is not
/// clean.
pub(crate) async fn audit(
    settings: Settings,
    as_json: bool,
    deep: bool,
    against: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let against = against.map(std::path::absolute).transpose()?;
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{msg} {bar:40} {human_pos}/{human_len} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &AuditProgress| {
        bar.set_message(if progress.deep { "records" } else { "objects" });
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let verdict = watch(&target, AuditLake { deep, against }, &bar, show).await?;
    if as_json {
        print::answer(&serde_json::to_string_pretty(&verdict.flat())?)?;
    } else {
        print::answer(&verdict.sentences().join("\n"))?;
    }
    Ok(if verdict.clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
