//! The transformer in this process, until the lake holds all that the topic does.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use sink::{Lake, LakeId};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::clock::{Clock, SystemClock};
use topic::{Draft, Open, Timestamp, Topic, Unit};
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
        enrichment: Enrichment::default().alone(),
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

/// A clock that runs so many hours behind.
#[derive(Default)]
struct HoursBehind(AtomicI64);

impl Clock for HoursBehind {
    fn now(&self) -> Timestamp {
        let hours = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().micros() - hours * Unit::Hour.micros())
    }
}

/// An embedded topic in a folder, which took the drafts of each of `hours` so many hours ago.
///
/// # Errors
/// If it cannot be opened or written.
pub async fn aged_topic(
    folder: &Path,
    hours: &[i64],
    drafts: impl Fn(i64) -> Vec<Draft>,
) -> Result<Arc<dyn Topic>> {
    let clock = Arc::<HoursBehind>::default();
    let url = format!("file:{}", folder.display());
    let config: topic::Config = section("topic", &[("url", &url)])?;
    let with = Open {
        clock: clock.clone(),
        create: true,
    };
    let topic = topic::open(&config, with).await?;
    let writer = topic.writer()?;
    for &hour in hours {
        clock.0.store(hour, Ordering::SeqCst);
        writer.append(drafts(hour))?.await?;
    }
    Ok(topic)
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
