//! `clickweir producer`: the edge alone.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use ::producer::{Config, EdgeMetrics, EdgeTls, Firewall, KeyStore, Monitor, ProxyWatch};

use super::listener::bind;
use super::supervisor::Stages;
use crate::command::follow::follow_file;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// What the pages show of the edge of their own process.
pub(super) struct EdgeWatch {
    /// `None` if the edge has no rules.
    pub(super) firewall: Option<Arc<Firewall>>,
    pub(super) proxies: Arc<ProxyWatch>,
}

/// Starts the edge: HTTP in, topic out.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Arc<Node>,
    listener: TcpListener,
) -> anyhow::Result<EdgeWatch> {
    let config = node.settings.sections.producer.clone();
    let (writer, clock) = (node.topic().await?.writer()?, node.clock.clone());
    let (keys, proxies) = (KeyStore::open(&config)?, Arc::<ProxyWatch>::default());
    check_open(keys.is_some(), &config, listener.local_addr()?)?;
    let telemetry = stages.telemetry();
    let metrics = telemetry.register(EdgeMetrics::register);
    let firewall = Firewall::open(&config, metrics.rules(), clock.clone())?;
    let tls = EdgeTls::open(&config, metrics.certificate_ends(), clock.clone())?;
    let monitor = Monitor {
        metrics,
        exposition: telemetry.exposition(),
        firewall: firewall.clone(),
        keys,
        tls,
        proxies: proxies.clone(),
    };
    let ready = writer.clone();
    telemetry.ready_if(move || std::future::ready(ready.ready().map_err(|e| e.to_string())));
    stages.start("edge", |stop| {
        producer::run(config, listener, writer, clock, monitor, stop)
    });
    for log in node.settings.sections.follow.clone() {
        let node = node.clone();
        stages.start("follower", |stop| follow_file(log, node, stop, |_| ()));
    }
    Ok(EdgeWatch { firewall, proxies })
}

/// Refuses to let everybody on a network send clicks, unless the owner says so.
fn check_open(has_keys: bool, config: &Config, address: SocketAddr) -> anyhow::Result<()> {
    if has_keys && config.shop {
        anyhow::bail!(
            "producer.keys and producer.shop are both set, and the demo shop has no key: set one of them"
        );
    }
    if has_keys {
        return Ok(());
    }
    if !address.ip().is_loopback() && !config.open {
        anyhow::bail!(
            "producer.listen is {address}, which other machines reach, and anybody could send clicks: \
             name a file of keys in producer.keys (`clickweir key` makes one), or set producer.open \
             to true"
        );
    }
    tracing::info!(%address, "the edge is open: producer.keys is empty, so clicks need no key");
    Ok(())
}

/// Runs the edge until a signal comes.
pub(crate) async fn producer(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::new(&settings)?;
    let node = Node::new(settings);
    let listener = bind(node.settings.sections.producer.listen, "producer.listen")?;
    let address = listener.local_addr()?;
    let signals = stages.signals();
    let starting = start(&mut stages, &node, listener);
    signals.unless_stopped(starting).await?;
    let scheme = node.settings.sections.producer.scheme();
    print::line(&format!("edge on {scheme}://{address}"));
    stages.run_until_signal().await
}
