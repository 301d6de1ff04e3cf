//! The makers of swaps beside the workers: compactors, two at once, and one that takes out what is too
//! old, which are killed and frozen; the sweeper that deletes what they replaced; and a reader that
//! holds an old list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use parking_lot::Mutex;
use sink::{
    CompactionLimits, CompactionScene, Lake, Ledger, ObjectName, RetentionRule, RetentionScene,
    SwapObject,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use topic::Timestamp;

use super::store::Bucket;
use super::worker::lake;
use super::{Bug, Dice, Fault, Process};

/// What was replaced stays so long: longer than a create is on its way, and than a reader holds a
/// list.
pub const GRACE: Duration = Duration::from_secs(30);
/// A reader holds a list for less than this many milliseconds.
const HELD_MILLIS: u64 = 20_000;
/// A week after the shop's clicks, in microseconds of UTC: by then every hour has closed.
const LATER: i64 = 1_795_989_600_000_000;
/// What occurred before is too old: twelve hours before the shop's clicks, so that some are whose
/// edge's clock was a day behind.
pub const EXPIRES: Timestamp = Timestamp::from_micros(1_795_341_600_000_000);

/// The makers, and what their readers missed.
pub struct Makers {
    bucket: Arc<Bucket>,
    dice: Arc<Dice>,
    bug: Option<Bug>,
    started: Instant,
    wrong: Mutex<Vec<String>>,
}

impl Makers {
    /// Makers over the bucket's lake.
    #[must_use]
    pub fn new(bucket: &Arc<Bucket>, dice: Arc<Dice>, bug: Option<Bug>) -> Arc<Self> {
        Arc::new(Self {
            bucket: bucket.clone(),
            dice,
            bug,
            started: Instant::now(),
            wrong: Mutex::default(),
        })
    }

    /// Starts two compactors, retention, the sweeper and the reader.
    pub fn start(self: &Arc<Self>) -> [JoinHandle<()>; 5] {
        [
            tokio::spawn(self.clone().compact()),
            tokio::spawn(self.clone().compact()),
            tokio::spawn(self.clone().expire()),
            tokio::spawn(self.clone().sweep()),
            tokio::spawn(self.clone().read()),
        ]
    }

    /// Kills them.
    ///
    /// # Panics
    /// If one of them ended by itself.
    pub fn stop(&self, making: &[JoinHandle<()>]) {
        let ended = making.iter().any(JoinHandle::is_finished);
        assert!(!ended, "the makers work for ever");
        making.iter().for_each(JoinHandle::abort);
        self.dice.note(&"the makers end");
    }

    /// A new process, which may be killed at some await, or frozen.
    fn process(self: &Arc<Self>) -> Arc<Process> {
        let process = Arc::new(Process::default());
        if self.dice.strikes(Fault::MakerKilled, 250) {
            process.kill_at(self.dice.number(1..120));
        } else if self.dice.strikes(Fault::MakerFrozen, 150) {
            tokio::spawn(self.clone().freeze(process.clone()));
        }
        process
    }

    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.started.elapsed().as_micros()).unwrap_or_default();
        Timestamp::from_micros(LATER + since)
    }

    /// Compacts every few seconds, for ever, each time in a new process.
    async fn compact(self: Arc<Self>) {
        loop {
            sleep(self.dice.millis(1_000..12_000)).await;
            let process = self.process();
            let lake = lake(&self.bucket, &process, None);
            let watermarks = BTreeMap::new();
            let scene = CompactionScene {
                watermarks: &watermarks,
                now: self.now(),
                limits: CompactionLimits {
                    sort_bytes: 32 << 10,
                    ..CompactionLimits::default()
                },
            };
            tokio::select! {
                biased;
                () = process.dies() => self.dice.note(&"a maker died"),
                done = lake.compact(&scene, &|_| true) => {
                    self.dice.note(&done.map_or((0, 0), |done| (done.periods(), done.left.len())));
                }
            }
        }
    }

    /// Takes out what is too old now and then, for ever, each time in a new process.
    async fn expire(self: Arc<Self>) {
        loop {
            sleep(self.dice.millis(5_000..30_000)).await;
            let process = self.process();
            let lake = lake(&self.bucket, &process, None);
            let now = self.now();
            let age = u64::try_from(now.micros() - EXPIRES.micros()).expect("it is before now");
            let rules = [RetentionRule {
                older_than: Duration::from_micros(age),
                actions: vec!["view".to_owned()],
            }];
            let scene = RetentionScene {
                rules: &rules,
                now,
                dry_run: false,
            };
            tokio::select! {
                biased;
                () = process.dies() => self.dice.note(&"a maker died"),
                done = lake.expire(&scene, &|_| {}) => {
                    self.dice.note(&done.map_or((0, 0), |done| (done.rows, done.left.len())));
                }
            }
        }
    }

    async fn freeze(self: Arc<Self>, process: Arc<Process>) {
        sleep(self.dice.millis(1..1_500)).await;
        process.freeze(true);
        sleep(self.dice.millis(1_000..60_000)).await;
        process.freeze(false);
    }

    /// Deletes what was replaced, for ever.
    async fn sweep(self: Arc<Self>) {
        let grace = match self.bug {
            Some(Bug::NoGrace) => Duration::ZERO,
            _ => GRACE,
        };
        let lake = self.sight().with_grace(grace);
        loop {
            sleep(self.dice.millis(2_000..8_000)).await;
            if let Ok(Some(ledger)) = lake.ledger().await {
                let swept = lake.sweep_swapped(&ledger).await;
                self.dice.note(&swept.unwrap_or_default());
            }
        }
    }

    /// Reads the lake's whole list, and its objects a while later, for ever.
    async fn read(self: Arc<Self>) {
        let lake = self.sight();
        loop {
            sleep(self.dice.millis(500..5_000)).await;
            let Some((list, before)) = list(&lake).await else {
                continue;
            };
            sleep(self.dice.millis(0..HELD_MILLIS)).await;
            for path in list {
                let there = self.bucket.holds(&path).await;
                // An erasure deletes at once: a reader of an old list fails, and reads no wrong
                // number.
                if !there && !self.forgets(&lake, before).await {
                    let why = format!("invariant 7: a reader's list names {path}, which is gone");
                    self.wrong.lock().push(why);
                }
            }
        }
    }

    /// Returns true if an erasure is, or was, under way since that many requests were known.
    async fn forgets(&self, lake: &Lake, before: (usize, usize)) -> bool {
        match lake.ledger().await {
            Ok(Some(ledger)) => requests(&ledger) != before || before.1 > 0,
            _ => true,
        }
    }

    fn sight(&self) -> Lake {
        lake(&self.bucket, &Arc::default(), None)
    }

    /// What readers missed.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().clone()
    }
}

/// How many requests to be erased there are, and how many of them are not complete.
fn requests(ledger: &Ledger) -> (usize, usize) {
    (ledger.forgets.len(), ledger.unerased().count())
}

/// The paths of the objects that count, and the requests. `None` if the lake does not answer.
async fn list(lake: &Lake) -> Option<(Vec<Path>, (usize, usize))> {
    let files = lake.files(None).await.ok()?;
    let ledger = lake.ledger().await.ok()??;
    let names = files.iter().filter_map(|(path, _)| ObjectName::parse(path));
    let counts = names.filter(|name| !ledger.gives_up(name.partition, name.first));
    let swapped = ledger.coverage.objects().map(SwapObject::path);
    let paths = counts.map(|name| name.path()).chain(swapped).collect();
    Some((paths, requests(&ledger)))
}

impl Bucket {
    /// Returns true if the object is there, whether or not it is shown.
    pub async fn holds(&self, path: &Path) -> bool {
        self.memory().head(path).await.is_ok()
    }
}
