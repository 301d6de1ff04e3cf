//! `clickweir producer`: the edge alone.

use std::net::TcpListener;
use std::process::ExitCode;

use ::producer::{EdgeMetrics, Monitor};

use super::listener::bind;
use super::supervisor::Stages;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Starts the edge: HTTP in, topic out.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Node,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let config = node.settings.sections.producer.clone();
    let (writer, clock) = (node.topic().await?.writer()?, node.clock.clone());
    let telemetry = stages.telemetry();
    let monitor = Monitor {
        metrics: telemetry.register(EdgeMetrics::register),
        exposition: telemetry.exposition(),
    };
    let ready = writer.clone();
    telemetry.ready_if(move || std::future::ready(ready.ready().map_err(|e| e.to_string())));
    stages.start("edge", |stop| {
        producer::run(config, listener, writer, clock, monitor, stop)
    });
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
    print::line(&format!("edge on http://{address}"));
    stages.run_until_signal().await
}
