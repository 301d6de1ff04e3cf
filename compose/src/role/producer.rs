//! `clickweir producer`: the edge alone.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use ::producer::{EdgeMetrics, Firewall, Monitor};

use super::listener::bind;
use super::supervisor::Stages;
use crate::command::follow::follow_file;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Starts the edge: HTTP in, topic out. Returns its firewall, if it has one.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Arc<Node>,
    listener: TcpListener,
) -> anyhow::Result<Option<Arc<Firewall>>> {
    let config = node.settings.sections.producer.clone();
    let (writer, clock) = (node.topic().await?.writer()?, node.clock.clone());
    let telemetry = stages.telemetry();
    let metrics = telemetry.register(EdgeMetrics::register);
    let firewall = Firewall::open(&config, metrics.rules(), clock.clone())?;
    let monitor = Monitor {
        metrics,
        exposition: telemetry.exposition(),
        firewall: firewall.clone(),
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
    Ok(firewall)
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
    print::line(&format!("edge on http://{address}"));
    stages.run_until_signal().await
}
