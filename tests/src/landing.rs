//! The transformer in this process, until the lake holds all that the topic does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use sink::{Lake, LakeId};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::Topic;
use transformer::{Components, Enrichment, Status};

use crate::defaults::section;

/// Lets one member land all records that the topic holds now, with some keys of `[sink]` changed.
///
/// # Errors
/// If a partition stops, the member fails, or `patience` runs out.
pub async fn land(
    topic: &Arc<dyn Topic>,
    lake: &Lake,
    group: &str,
    sink: &[(&str, &str)],
    patience: Duration,
) -> Result<()> {
    let stop = CancellationToken::new();
    let status = Arc::<Status>::default();
    let components = Components {
        topic: topic.clone(),
        reader: topic.reader(group)?,
        lake: lake.clone(),
        new_lake: LakeId::new(7),
        enrichment: Enrichment::default(),
        status: status.clone(),
        pulse: Box::new(|| {}),
    };
    let transformer = section("transformer", &[("group", group)])?;
    let member = transformer::run(
        transformer,
        section("sink", sink)?,
        components,
        stop.clone(),
    );
    let member = tokio::spawn(member);
    let landed = landed(topic.as_ref(), &status, patience).await;
    // It leaves the group, even if it could not land all.
    stop.cancel();
    member.await??;
    landed
}

/// Waits until the lake has reached the topic's end.
async fn landed(topic: &dyn Topic, status: &Status, patience: Duration) -> Result<()> {
    let marks = topic.extents().await?;
    let deadline = Instant::now() + patience;
    loop {
        let committed = status.partitions();
        let stopped = committed.values().find_map(|at| at.stopped.clone());
        ensure!(stopped.is_none(), "stopped: {stopped:?}");
        let landed = |(partition, marks): (_, &topic::Watermarks)| {
            committed
                .get(partition)
                .is_some_and(|at| at.committed >= marks.high)
        };
        if marks.iter().all(landed) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the lake is never done: {committed:?} of {marks:?}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}
