//! `clickweir up`: every stage in one process.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use ::dashboard::EdgeRules;
use ::transformer::Status;
use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::dashboard::EdgePanel;
use super::listener::bind_near;
use super::log::ProcessLog;
use super::supervisor::Stages;
use super::{compactor, crawl, dashboard, demo, enrichment, producer, rules, tail, transformer};
use crate::command::claim::Ownership;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// What the demo does before the process goes on serving.
pub(crate) struct Demo {
    /// How many simulated visitors there are. `None` if there is no demo.
    pub(crate) visitors: Option<u64>,
    pub(crate) seed: u64,
    /// True to end after the summary.
    pub(crate) once: bool,
}

/// Where the process serves.
struct Addresses {
    edge: SocketAddr,
    pages: SocketAddr,
}

/// Runs everything until a signal comes, or with `once` until the demo's summary.
pub(crate) async fn up(
    mut settings: Settings,
    demo: Demo,
    log: ProcessLog,
) -> anyhow::Result<ExitCode> {
    tail::share(&mut settings.sections);
    let shop = settings.sections.producer.shop;
    if demo.visitors.is_some() && !shop {
        bail!("the visitors need the demo shop: add --set producer.shop=true");
    }
    let mut stages = Stages::new(&settings)?;
    let stop = stages.signals().stop;
    let node = Node::new(settings);
    let starting = stages.signals().unless_stopped(start(&mut stages, &node));
    let (addresses, _owned) = starting.await?;
    let serving = async { serve(&node, &demo, &addresses, &log, &stop).await };
    stages.run(serving).await
}

/// Opens the files and starts every stage, in the order in which the clicks pass them.
async fn start(stages: &mut Stages, node: &Arc<Node>) -> anyhow::Result<(Addresses, Ownership)> {
    let sections = &node.settings.sections;
    let edge_listener = bind_near(sections.producer.listen, "producer.listen")?;
    let page_listener = bind_near(sections.dashboard.listen, "dashboard.listen")?;
    let addresses = Addresses {
        edge: edge_listener.local_addr()?,
        pages: page_listener.local_addr()?,
    };
    node.settings.make_folder()?;
    node.enrichment().await?;
    // Refused early if others write the topic.
    node.topic().await?.writer()?;
    let lake = node.lake().await?;
    node.probe().await?;
    node.probe_catalog().await?;
    Ownership::check(&node.settings, addresses.pages).await?;

    let status = Arc::<Status>::default();
    let watch = producer::start(stages, node, edge_listener).await?;
    let edge = EdgePanel {
        base_url: format!("{}://{}", sections.producer.scheme(), addresses.edge),
        rules: watch.firewall.map_or(EdgeRules::Absent, rules::of),
        warning: Arc::new(move || watch.proxies.warning()),
    };
    enrichment::start(stages, node).await?;
    transformer::start(stages, node, status.clone()).await?;
    tail::start(stages, node).await?;
    crawl::start(stages, node, status.landed()).await?;
    if sections.compaction.enabled {
        compactor::start(stages, node).await?;
    }
    let owned = dashboard::start(stages, node, page_listener, edge).await?;
    // Last: who reads these lines may type a command at once, which then finds the owner.
    let Addresses { edge, pages } = addresses;
    let scheme = sections.producer.scheme();
    print::line(&format!("topic      {}", sections.topic.url));
    print::line(&format!("lake       {}", lake.location()));
    print::line(&format!(
        "edge       {scheme}://{edge}  (POST clicks to /v1/events)"
    ));
    if sections.producer.shop {
        print::line(&format!("shop       {scheme}://{edge}/"));
    }
    print::line(&format!("dashboard  http://{pages}/"));
    if let Some(metrics) = stages.metrics_address() {
        print::line(&format!("metrics    http://{metrics}/metrics"));
    }
    Ok((addresses, owned))
}

/// Runs the demo if there is one, then waits for a signal.
async fn serve(
    node: &Node,
    demo: &Demo,
    addresses: &Addresses,
    log: &ProcessLog,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    if let Some(visitors) = demo.visitors {
        let scheme = node.settings.sections.producer.scheme();
        let shop = format!("{scheme}://{}", addresses.edge);
        let pages = format!("http://{}", addresses.pages);
        let clean = tokio::select! {
            clean = demo::run(node, &shop, &pages, visitors, demo.seed) => clean?,
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
        };
        if !clean {
            code = ExitCode::FAILURE;
        }
        if demo.once {
            return Ok(code);
        }
        print::line("serving until Ctrl-C");
        log.show_all();
    }
    stop.cancelled().await;
    Ok(code)
}
