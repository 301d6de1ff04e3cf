//! `clickweir dashboard`: the pages, with a catalog of their own.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use dashboard::{CommandError, EdgeRules, EdgeWarningFn, Site, Sources, Span, WatermarksFn};
use topic::Topic;

use super::listener::bind;
use super::supervisor::Stages;
use super::telemetry::Telemetry;
use super::{crawl, tail};
use crate::command::claim::Ownership;
use crate::command::registry;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// What the pages show of the edge.
pub(super) struct EdgePanel {
    /// Where clicks go.
    pub(super) base_url: String,
    /// What the rules there did.
    pub(super) rules: EdgeRules,
    /// What the operator should know of it; `None` if there is nothing.
    pub(super) warning: EdgeWarningFn,
}

/// Starts the pages, which also serve the commands of a shell.
///
/// The process owns the files until the answer is dropped.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Arc<Node>,
    listener: TcpListener,
    edge: EdgePanel,
) -> anyhow::Result<Ownership> {
    let address = listener.local_addr()?;
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    catalog.warm();
    let telemetry = stages.telemetry();
    let token = format!("{:032x}", rand::random::<u128>());
    let sources = Sources {
        watermarks: Some(watermarks(topic)),
        commands: registry::commands(node, &token),
        edge: edge.base_url,
        exposition: telemetry.exposition(),
        disks: {
            let watch = telemetry.disks();
            Arc::new(move || watch.measure())
        },
        rules: edge.rules,
        edge_warning: edge.warning,
    };
    let serving = node.clone();
    stages.on_stop(move || serving.jobs.stop());
    let (config, clock) = (node.settings.sections.dashboard.clone(), node.clock.clone());
    let site = telemetry.register(|registry| Site::new(&config, catalog, sources, clock, registry));
    let site = Arc::new(site);
    observe(&telemetry, &site);
    stages.start("dashboard", |stop| {
        dashboard::run(config, listener, site, stop)
    });
    Ownership::claim(&node.settings, address, &token).await
}

/// Asks the site before a scrape and for readiness.
fn observe(telemetry: &Telemetry, site: &Arc<Site>) {
    let asked = site.clone();
    telemetry.refresh(move || {
        let site = asked.clone();
        async move { site.refresh_metrics().await }
    });
    let asked = site.clone();
    telemetry.ready_if(move || {
        let site = asked.clone();
        async move { site.ready().await }
    });
}

/// What each partition of the topic holds.
fn watermarks(topic: Arc<dyn Topic>) -> WatermarksFn {
    Arc::new(move || {
        let topic = topic.clone();
        Box::pin(async move {
            let marks = topic.extents().await;
            let marks = marks.map_err(|error| CommandError::Unavailable(error.to_string()))?;
            let spans = marks.into_iter().map(|(partition, marks)| Span {
                partition: partition.0,
                low: marks.low.0,
                high: marks.high.0,
            });
            Ok(spans.collect())
        })
    })
}

/// Runs the pages, the crawler and the tail until a signal comes.
pub(crate) async fn dashboard(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::new(&settings)?;
    let node = Node::new(settings);
    let sections = &node.settings.sections;
    let listener = bind(sections.dashboard.listen, "dashboard.listen")?;
    let address = listener.local_addr()?;
    let starting = stages.signals().unless_stopped(async {
        node.probe_catalog().await?;
        tail::start(&mut stages, &node).await?;
        crawl::start(&mut stages, &node, Arc::default()).await?;
        let edge = EdgePanel {
            base_url: format!(
                "{}://{}",
                sections.producer.scheme(),
                sections.producer.listen
            ),
            rules: EdgeRules::Elsewhere,
            warning: Arc::new(|| None),
        };
        start(&mut stages, &node, listener, edge).await
    });
    let _owned = starting.await?;
    print::line(&format!("dashboard on http://{address}"));
    stages.run_until_signal().await
}
