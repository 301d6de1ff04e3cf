//! `clickweir transformer`: one member of the consumer group.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sink::LakeId;
use tokio::time::timeout;
use topic::Topic;
use transformer::{Components, Status};

use super::Role;
use super::enrichment;
use super::health;
use super::supervisor::Stages;
use super::telemetry::Telemetry;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How long a scrape waits for the topic's watermarks.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts a member: topic in, lake out.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Node,
    status: Arc<Status>,
) -> anyhow::Result<()> {
    node.settings.make_folder()?;
    let sections = &node.settings.sections;
    let (config, sink) = (sections.transformer.clone(), sections.sink.clone());
    let topic = node.topic().await?;
    observe(&stages.telemetry(), &status, &topic);
    let pulse = health::pulse(&node.settings, Role::Transformer, node.clock.clone());
    let components = Components {
        reader: topic.reader(&node.group().await?)?,
        topic,
        lake: node.lake().await?,
        new_lake: LakeId::new(rand::random()),
        enrichment: node.enrichment().await?.feed(),
        status,
        pulse: Box::new(pulse),
    };
    stages.start("transformer", |stop| {
        transformer::run(config, sink, components, stop)
    });
    Ok(())
}

/// Shows how the member is: its metrics, and that no partition is stopped.
fn observe(telemetry: &Telemetry, status: &Arc<Status>, topic: &Arc<dyn Topic>) {
    telemetry.register(|registry| status.register(registry));
    let (asked, topic) = (status.clone(), topic.clone());
    telemetry.refresh(move || {
        let (status, topic) = (asked.clone(), topic.clone());
        async move {
            // A topic that does not answer leaves the lag as it was.
            if let Ok(Ok(watermarks)) = timeout(TOPIC_TIMEOUT, topic.extents()).await {
                status.topic_ends(&watermarks);
            }
        }
    });
    let status = status.clone();
    telemetry.ready_if(move || std::future::ready(status.check()));
}

/// Runs a member until a signal comes.
pub(crate) async fn transformer(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::new(&settings)?;
    let node = Node::new(settings);
    let places = stages.signals().unless_stopped(async {
        node.probe().await?;
        enrichment::start(&mut stages, &node).await?;
        start(&mut stages, &node, Arc::default()).await?;
        let topic = node.topic().await?.identity().to_string();
        Ok((topic, node.lake().await?.location().clone()))
    });
    let (topic, lake) = places.await?;
    print::line(&format!("from {topic} to {lake}"));
    stages.run_until_signal().await
}
