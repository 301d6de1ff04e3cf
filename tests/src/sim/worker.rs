//! The workers of the simulation: the transformer's own loop, each in a process that can die.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sink::{Lake, LakeId, Location, Pool};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use topic::Topic;
use transformer::{Components, Enrichment, Status};

use super::brokers::Brokers;
use super::client::Client;
use super::store::Bucket;
use super::{Bug, Dice, Process};

/// The group that the lake's workers share.
pub const GROUP: &str = "clickweir";
/// The session time-out: after so much silence the brokers reassign a member's partitions.
pub const SESSION: Duration = Duration::from_secs(6);

/// A worker.
pub struct Worker {
    /// Its process.
    pub process: Arc<Process>,
    /// Its status.
    pub status: Arc<Status>,
    group: String,
    stop: CancellationToken,
}

/// All workers and their environment.
pub struct Workers {
    /// The brokers.
    pub brokers: Arc<Brokers>,
    /// The store.
    pub bucket: Arc<Bucket>,
    /// The choices.
    pub dice: Arc<Dice>,
    /// A planted bug.
    pub bug: Option<Bug>,
    /// `[transformer]`, but for the group.
    pub config: transformer::Config,
    /// `[sink]`.
    pub sink: sink::Config,
    running: Mutex<Vec<Arc<Worker>>>,
    failed: Mutex<Vec<String>>,
}

/// The lake as a process sees it.
#[must_use]
pub fn lake(bucket: &Arc<Bucket>, process: &Arc<Process>, bug: Option<Bug>) -> Lake {
    let location = Location::Folder("/simulated".into());
    Lake::new(bucket.seen_by(process, bug), location).with_pool(Pool::Inline)
}

impl Workers {
    /// No workers yet.
    #[must_use]
    pub fn new(
        (brokers, bucket, dice): (Arc<Brokers>, Arc<Bucket>, Arc<Dice>),
        bug: Option<Bug>,
        config: transformer::Config,
        sink: sink::Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            brokers,
            bucket,
            dice,
            bug,
            config,
            sink,
            running: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// Starts a worker of a group.
    pub fn hire(self: &Arc<Self>, group: &str) -> Arc<Worker> {
        let worker = Arc::new(Worker {
            process: Arc::default(),
            status: Arc::default(),
            group: group.to_owned(),
            stop: CancellationToken::new(),
        });
        self.running.lock().push(worker.clone());
        tokio::spawn(self.clone().employ(worker.clone()));
        worker
    }

    async fn employ(self: Arc<Self>, worker: Arc<Worker>) {
        let running = tokio::spawn(self.clone().work(worker.clone()));
        let ended = running.await;
        self.dice.note(&"a worker ended");
        self.running
            .lock()
            .retain(|other| !Arc::ptr_eq(other, &worker));
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.failed.lock().push(format!("a worker ended: {error}")),
            Err(panic) => self
                .failed
                .lock()
                .push(format!("a worker panicked: {panic}")),
        }
        if worker.process.is_dead() {
            sleep(SESSION).await;
            self.brokers.evict(&worker.process);
        }
    }

    async fn work(self: Arc<Self>, worker: Arc<Worker>) -> Result<(), transformer::Error> {
        let Worker { process, stop, .. } = &*worker;
        let topic = Client::new(&self.brokers, process, self.bug);
        let components = Components {
            reader: topic.reader(&worker.group)?,
            topic,
            lake: lake(&self.bucket, process, self.bug),
            new_lake: LakeId::new(8),
            enrichment: Enrichment::default().alone(),
            status: worker.status.clone(),
            pulse: Box::new(|| {}),
        };
        let (config, sink) = (self.config.clone(), self.sink.clone());
        let run = transformer::run(config, sink, components, stop.clone());
        tokio::select! {
            biased;
            () = process.dies() => Ok(()),
            ended = run => ended,
        }
    }

    /// The living workers, of one group or of all (`None`).
    #[must_use]
    pub fn alive(&self, group: Option<&str>) -> Vec<Arc<Worker>> {
        let running = self.running.lock();
        let wanted = |worker: &&Arc<Worker>| {
            !worker.process.is_dead()
                && !worker.stop.is_cancelled()
                && group.is_none_or(|group| worker.group == group)
        };
        running.iter().filter(wanted).cloned().collect()
    }

    /// The errors of workers that ended unexpectedly.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().clone()
    }
}

impl Worker {
    /// Asks it to release its partitions and to end.
    pub fn leave(&self) {
        self.stop.cancel();
    }

    /// Returns true if its group is not the lake's own.
    #[must_use]
    pub fn is_astray(&self) -> bool {
        self.group != GROUP
    }
}
