//! `clickweir crawl`: the lake's new objects, registered once or on a schedule.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Timestamp};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Notify;

use super::Role;
use super::health;
use super::supervisor::Stages;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Starts the crawler, which also crawls whenever `landed` is notified.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Node,
    landed: Arc<Notify>,
) -> anyhow::Result<()> {
    let catalog = node.catalog().await?;
    let telemetry = stages.telemetry();
    telemetry.register(|registry| catalog.register_metrics(registry));
    let pulse = health::pulse(&node.settings, Role::Crawl, node.clock.clone());
    stages.start("crawler", |stop| async move {
        catalog::schedule::run(catalog, landed, stop, move |_| pulse()).await;
        anyhow::Ok(())
    });
    Ok(())
}

/// Crawls once, or with `watch` until a signal comes.
pub(crate) async fn crawl(settings: Settings, watch: bool) -> anyhow::Result<ExitCode> {
    if !watch {
        return crawl_once(settings).await;
    }
    let mut stages = Stages::new(&settings)?;
    let node = Node::new(settings);
    let signals = stages.signals();
    let starting = signals.unless_stopped(async {
        node.probe_catalog().await?;
        start(&mut stages, &node, Arc::default()).await?;
        node.catalog().await
    });
    let (catalog, clock) = (starting.await?, node.clock.clone());
    let stale_after = node.settings.sections.dashboard.stale_after;
    stages.telemetry().ready_if(move || {
        let (catalog, clock) = (catalog.clone(), clock.clone());
        async move { is_recent(&catalog, clock.now(), stale_after).await }
    });
    stages.run_until_signal().await
}

/// Checks that the newest crawl is not older than `stale_after`.
async fn is_recent(catalog: &Catalog, now: Timestamp, stale_after: Duration) -> Result<(), String> {
    let runs = catalog.crawls(1).await.map_err(|error| error.to_string())?;
    let newest = runs.first().ok_or("the lake was never crawled")?;
    let age = now.since(newest.ended_at());
    match age <= stale_after {
        true => Ok(()),
        false => Err(format!("the last crawl ended {} s ago", age.as_secs())),
    }
}

async fn crawl_once(settings: Settings) -> anyhow::Result<ExitCode> {
    let catalog = Node::new(settings).catalog().await?;
    let crawl = catalog.crawl(true).await?;
    fold(&catalog).await?;
    let swept = catalog.sweep().await?;
    print::line(&format!(
        "found {}, registered {}, held {}, refused {}, swept {swept} stray dead letters",
        crawl.found, crawl.registered, crawl.held, crawl.refused
    ));
    if !crawl.detail.is_empty() {
        print::line(&crawl.detail);
    }
    Ok(ExitCode::SUCCESS)
}

/// Folds the whole backlog, and shows how far it is.
async fn fold(catalog: &Catalog) -> anyhow::Result<()> {
    let all = catalog.backlog().await?;
    let bar = ProgressBar::new(all).with_message("objects are folded");
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} {msg}, {eta} left",
    )?);
    let mut left = all;
    while left > 0 {
        left = catalog.fold().await?;
        bar.set_position(all.saturating_sub(left));
    }
    bar.finish_and_clear();
    Ok(())
}
