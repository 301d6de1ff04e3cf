//! `clickweir dashboard`: the pages, with a catalog of their own.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dashboard::{
    CommandError, EdgeRules, EdgeWarningFn, ObjectState, ObjectStates, Site, Sources, Span,
    WatermarksFn,
};
use sink::ObjectTally;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::Instant;
use topic::Topic;

use super::listener::bind;
use super::supervisor::Stages;
use super::telemetry::Telemetry;
use super::{crawl, enrichment, tail};
use crate::command::claim::Ownership;
use crate::command::objects::{TallyBy, states, tally};
use crate::command::registry;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// The page counts the lake's objects anew after this time: it lists the lake.
const COUNT_EVERY: Duration = Duration::from_secs(60);

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
        objects: objects(node),
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

/// The lake's objects, counted at most once in [`COUNT_EVERY`].
fn objects(node: &Arc<Node>) -> ObjectStates {
    let (node, counted) = (node.clone(), Arc::new(Mutex::new(None)));
    let runtime = Handle::current();
    Arc::new(move || {
        let (node, counted) = (node.clone(), counted.clone());
        // The store's connections belong to this runtime.
        let counting = runtime.spawn(async move {
            let mut counted = counted.lock().await;
            if let Some((at, states)) = &*counted
                && Instant::now() < *at + COUNT_EVERY
            {
                return Vec::clone(states);
            }
            let states = match tally(&node, TallyBy::Day).await {
                Ok(tally) => states(&tally).map(shown).to_vec(),
                Err(error) => {
                    tracing::warn!("the lake's objects cannot be counted: {error:#}");
                    Vec::new()
                }
            };
            *counted = Some((Instant::now(), states.clone()));
            states
        });
        Box::pin(async move { counting.await.unwrap_or_default() })
    })
}

fn shown((state, of): (&'static str, ObjectTally)) -> ObjectState {
    ObjectState {
        state,
        objects: of.objects,
        bytes: of.bytes,
        rows: of.rows,
    }
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
        enrichment::start(&mut stages, &node).await?;
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
