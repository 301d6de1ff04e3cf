//! The compactor: it merges what has closed, takes out what is too old and deletes what was replaced,
//! by itself, for as long as the process runs.

mod status;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sink::{
    Compacted, CompactionLimits, CompactionScene, CoreShare, Lake, Partition, Pool, RetentionScene,
    Timestamp,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use self::status::CompactorStatus;
use super::Role;
use super::health;
use super::supervisor::Stages;
use crate::command::expire::expire_all;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How often it shows that it lives.
const PULSE_INTERVAL: Duration = Duration::from_secs(5);
const DAY: i64 = topic::Unit::Day.micros();
/// A process that has just started has better things to do for so long.
const FIRST_REST: Duration = Duration::from_secs(60);

/// Starts the compactor.
pub(super) async fn start(stages: &mut Stages, node: &Arc<Node>) -> anyhow::Result<()> {
    let config = &node.settings.sections.compaction;
    let lake = node.lake().await?;
    let lake = lake.with_pool(Pool::aside(CoreShare::percent(config.cpu_percent)));
    let compactor = Compactor {
        node: node.clone(),
        lake,
        every: config.every,
        status: Arc::default(),
        expired: Mutex::default(),
    };
    let (telemetry, status) = (stages.telemetry(), compactor.status.clone());
    telemetry.register(|registry| status.register(registry));
    telemetry.ready_if(move || std::future::ready(status.check()));
    stages.start("compactor", |stop| compactor.run(stop));
    Ok(())
}

struct Compactor {
    node: Arc<Node>,
    lake: Lake,
    every: Duration,
    status: Arc<CompactorStatus>,
    /// The day of which the rules of retention were applied last.
    expired: Mutex<Option<Timestamp>>,
}

impl Compactor {
    /// Works at its times until `stop` is cancelled. What it is at then is given up: a swap that no
    /// entry names counts for nothing, and its objects are swept.
    async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let pulse = health::pulse(
            &self.node.settings,
            Role::Compactor,
            self.node.clock.clone(),
        );
        let mut beats = interval(PULSE_INTERVAL);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let working = async {
            sleep(self.every.min(FIRST_REST)).await;
            loop {
                let begun = Instant::now();
                self.turn().await;
                sleep(self.every.saturating_sub(begun.elapsed())).await;
            }
        };
        tokio::pin!(working);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = beats.tick() => pulse(),
                () = &mut working => return Ok(()),
            }
        }
    }

    /// Deletes what was replaced, merges what has closed and takes out what is too old. An error is
    /// logged, and the next turn tries again.
    async fn turn(&self) {
        match self.compact().await {
            Ok(done) => self.status.done(&done, self.node.clock.now()),
            Err(error) => {
                tracing::warn!("the lake could not be compacted: {error:#}");
                self.status.failed(format!("{error:#}"));
            }
        }
    }

    async fn compact(&self) -> anyhow::Result<Compacted> {
        let _alone = self.node.compacting.lock().await;
        let watermarks = self.node.topic().await?.watermarks().await?;
        let scene = CompactionScene {
            watermarks: &watermarks,
            now: self.node.clock.now(),
            limits: CompactionLimits::default(),
        };
        let progress = |done: &Compacted| {
            self.status.progress(done);
            true
        };
        // None of them waits for another: what is swept makes room for what is merged.
        let swept = self.sweep().await;
        let done = self.lake.compact(&scene, &progress).await;
        let expired = self.expire(watermarks.keys().copied().collect()).await;
        let mut done = done?;
        done.leave(expired?);
        for left in &done.left {
            tracing::warn!("left as it is: {left}");
        }
        swept?;
        Ok(done)
    }

    /// Deletes what was replaced in the lake and in its replays.
    async fn sweep(&self) -> anyhow::Result<()> {
        for lake in self.lake.with_replays().await? {
            if let Some(ledger) = lake.ledger().await? {
                self.status.swept(lake.sweep_swapped(&ledger).await?);
            }
        }
        Ok(())
    }

    /// Takes out what the rules of retention keep no longer: what was too old when the day began, once
    /// a day. Each turn would find some rows more, and rewrite large objects for them. The day is that
    /// of the newest click, so that a clock which runs ahead of the topic's takes nothing out. Returns what was left
    /// as it is.
    async fn expire(&self, partitions: BTreeSet<Partition>) -> anyhow::Result<Vec<String>> {
        let rules = &self.node.settings.sections.retention;
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let newest = self.lake.newest_append(&partitions).await?;
        let now = newest.map(|newest| newest.min(self.node.clock.now()));
        let today = now.map(|now| Timestamp::of_count(now.micros() / DAY, topic::Unit::Day));
        let Some(today) = today.filter(|today| *self.expired.lock() != Some(*today)) else {
            return Ok(Vec::new());
        };
        let scene = RetentionScene {
            rules,
            now: today,
            dry_run: false,
        };
        let done = expire_all(&self.lake, &scene, &|_| ()).await?;
        if done.objects > 0 {
            let (rows, letters, objects) = (done.rows, done.letters, done.objects);
            tracing::info!(rows, letters, objects, "what was too old was taken out");
        }
        self.status.expired(&done);
        if done.touched == 0 {
            *self.expired.lock() = Some(today);
        }
        Ok(done.left)
    }
}

/// Runs the compactor until a signal comes.
pub(crate) async fn compactor(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::new(&settings)?;
    let node = Node::new(settings);
    let starting = stages.signals().unless_stopped(async {
        node.settings.make_folder()?;
        node.probe().await?;
        start(&mut stages, &node).await?;
        Ok(node.lake().await?.location().clone())
    });
    let lake = starting.await?;
    print::line(&format!("compacts {lake}"));
    stages.run_until_signal().await
}
