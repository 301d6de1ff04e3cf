//! `clickweir audit`: a node runs it, whoever asked for it shows how far it is.

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sink::LakeId;
use sink::audit::{self, Survey};
use tokio::time::{Instant, sleep};
use transformer::deep;

use crate::command::owner::Door;
use crate::command::verdict::{Compared, Verdict};
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How often progress is asked for.
const POLL: Duration = Duration::from_millis(200);

/// How far the audit that runs here is.
#[derive(Default)]
pub(crate) struct Auditing {
    done: AtomicU64,
    total: AtomicU64,
    /// Whether it reads the topic, and no longer the lake.
    deep: AtomicBool,
}

impl Auditing {
    fn told(&self, deep: bool, done: u64, total: u64) {
        self.deep.store(deep, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }
}

impl Node {
    /// Reads topic and lake, and weighs them.
    pub(crate) async fn audit(&self, request: &Value) -> anyhow::Result<Verdict> {
        let ids = match request["against"].as_str() {
            Some(file) => Some(
                std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?,
            ),
            None => None,
        };
        let ids: Option<Vec<&str>> = ids.as_deref().map(|text| {
            text.lines()
                .map(str::trim)
                .filter(|l| !l.is_empty())
                .collect()
        });
        let deep = request["deep"].as_bool().unwrap_or_default();
        self.weigh(ids.as_deref(), deep).await
    }

    /// How far it is.
    pub(crate) fn audit_progress(&self) -> Value {
        let Auditing { done, total, deep } = &self.auditing;
        json!({
            "deep": deep.load(Ordering::Relaxed),
            "done": done.load(Ordering::Relaxed),
            "total": total.load(Ordering::Relaxed),
        })
    }

    /// The audit, perhaps with the deep one, and against ids at hand.
    pub(crate) async fn weigh(&self, ids: Option<&[&str]>, deep: bool) -> anyhow::Result<Verdict> {
        let (topic, lake, catalog) = (
            self.topic().await?,
            self.lake().await?,
            self.catalog().await?,
        );
        let config = &self.settings.sections.transformer;
        let before = topic.watermarks().await?;
        let lows = before
            .iter()
            .map(|(partition, marks)| (*partition, marks.low))
            .collect();
        let new = LakeId::new(rand::random());
        let ledger = lake.found(topic.identity(), lows, new).await?;
        self.auditing.told(false, 0, 0);
        let begun = Instant::now();
        // In this order each may know less than the next: the catalog, the lake, the topic.
        catalog.crawl(true).await?;
        let listing = catalog.listing(None).await?;
        let survey = Survey::of(&lake).await?;
        let mut marks = topic.watermarks().await?;
        for (partition, now) in &mut marks {
            // What left the topic meanwhile had not left it when the lake was listed.
            now.low = before.get(partition).map_or(now.low, |then| then.low);
        }
        let against = audit::Reference {
            ledger: &ledger,
            watermarks: &marks,
            catalog: Some(&listing),
            window: Some(config.audited()),
        };
        let progress = |done, total| self.auditing.told(false, done, total);
        let mut audit = audit::audit(&lake, &survey, &against, &progress).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let deep = if deep {
            let begun = Instant::now();
            let progress = |done, total| self.auditing.told(true, done, total);
            let deep = deep::deep(topic.as_ref(), &lake, &survey, &against, &progress).await?;
            let seconds = begun.elapsed().as_secs_f64();
            Some(Compared { deep, seconds })
        } else {
            None
        };
        let against = match ids {
            Some(ids) => Some(self.against(ids, &mut audit).await?),
            None => None,
        };
        let replays = self.weigh_replays().await?;
        Ok(Verdict {
            audit,
            seconds,
            deep,
            against,
            replays,
        })
    }
}

/// Asks for an audit, shows its progress and prints the verdict.
pub(crate) async fn ask(
    settings: Settings,
    as_json: bool,
    deep: bool,
    against: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let against = against.map(std::path::absolute).transpose()?;
    let door = Door::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{msg} {bar:40} {human_pos}/{human_len} {eta} left",
    )?);
    let mut asked = pin!(door.ask("audit", json!({ "deep": deep, "against": against })));
    let answer = loop {
        tokio::select! {
            answer = &mut asked => break answer?,
            () = sleep(POLL) => {}
        }
        let at = door.ask("audit_progress", json!({})).await?;
        let reads_topic = at["deep"].as_bool().unwrap_or_default();
        bar.set_message(if reads_topic { "records" } else { "objects" });
        bar.set_length(at["total"].as_u64().unwrap_or_default());
        bar.set_position(at["done"].as_u64().unwrap_or_default());
    };
    bar.finish_and_clear();
    let verdict: Verdict = serde_json::from_value(answer)?;
    if as_json {
        print::line(&serde_json::to_string_pretty(&verdict)?);
    } else {
        print::lines(&verdict.sentences());
    }
    Ok(if verdict.clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
