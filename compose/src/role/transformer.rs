//! `clickweir transformer`: one member of the consumer group.

use std::process::ExitCode;
use std::sync::Arc;

use sink::LakeId;
use transformer::{Components, Enrichment, Status};

use super::health;
use super::supervisor::Stages;
use crate::cli::Role;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Starts a member: topic in, lake out.
pub(super) async fn start(
    stages: &mut Stages,
    node: &Node,
    status: Arc<Status>,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(node.settings.folder())?;
    let sections = &node.settings.sections;
    let (config, sink) = (sections.transformer.clone(), sections.sink.clone());
    let topic = node.topic().await?;
    let pulse = health::pulse(&node.settings, Role::Transformer, node.clock.clone());
    let components = Components {
        reader: topic.reader(&node.group().await?)?,
        topic,
        lake: node.lake().await?,
        new_lake: LakeId::new(rand::random()),
        enrichment: Enrichment::default(),
        status,
        pulse: Box::new(pulse),
    };
    stages.start("transformer", |stop| {
        transformer::run(config, sink, components, stop)
    });
    Ok(())
}

/// Runs a member until a signal comes.
pub(crate) async fn transformer(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::new(&settings)?;
    let node = Node::new(settings);
    let places = stages.signals().unless_stopped(async {
        node.probe().await?;
        start(&mut stages, &node, Arc::default()).await?;
        let topic = node.topic().await?.identity().to_string();
        Ok((topic, node.lake().await?.location().clone()))
    });
    let (topic, lake) = places.await?;
    print::line(&format!("from {topic} to {lake}"));
    stages.run_until_signal().await
}
