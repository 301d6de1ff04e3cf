//! What clicks are enriched from, taken anew while the process runs.

use std::sync::Arc;

use super::supervisor::Stages;
use crate::node::Node;

/// Follows the files of what clicks are enriched from.
pub(super) async fn start(stages: &mut Stages, node: &Arc<Node>) -> anyhow::Result<()> {
    let files = node.enrichment().await?;
    stages
        .telemetry()
        .register(|registry| files.register(registry));
    let node = node.clone();
    stages.start("enrichment", |stop| async move {
        node.enrichment().await?.follow(stop).await;
        Ok::<_, anyhow::Error>(())
    });
    Ok(())
}
