//! A process of the simulation: it can be killed at any of its awaits, frozen, and cut from the
//! brokers or the store. And the machines' wall clocks, which may be wrong.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use topic::Timestamp;
use topic::clock::Clock;

/// The state of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Life {
    dead: bool,
    frozen: bool,
    cut: [bool; 2],
}

/// What a process is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The brokers.
    Topic,
    /// The object store.
    Store,
}

/// How long a process waits before it takes a link for cut.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A process.
#[derive(Debug, Default)]
pub struct Process {
    life: Mutex<Life>,
    /// Wakes in the order of waiting; a watch channel would wake in a random order.
    changed: Notify,
    /// How many awaits it has left before it dies; 0 if it has no limit.
    left: AtomicU64,
    /// True if it freezes when it is about to create an object of clicks.
    dozes: AtomicBool,
}

impl Process {
    /// An await of this process: it may die here. A frozen process waits, and a dead one waits for
    /// ever.
    pub async fn pass(&self) {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 {
            self.kill();
        }
        self.until(|life| !life.dead && !life.frozen).await;
    }

    /// Waits for the time-out and returns true if the link is cut.
    pub async fn is_cut(&self, link: Link) -> bool {
        let cut = self.life.lock().cut[link as usize];
        if cut {
            sleep(TIMEOUT).await;
        }
        cut
    }

    /// Ends it now.
    pub fn kill(&self) {
        self.set(|life| life.dead = true);
    }

    /// Ends it at its n-th await from now.
    pub fn kill_at(&self, awaits: u64) {
        self.left.store(awaits, Ordering::Relaxed);
    }

    /// Lets it freeze when it is about to create an object of clicks, or no more.
    pub fn doze(&self, dozes: bool) {
        self.dozes.store(dozes, Ordering::Relaxed);
    }

    /// It is about to create an object of clicks.
    pub fn before_create(&self) {
        if self.dozes.swap(false, Ordering::Relaxed) {
            self.freeze(true);
        }
    }

    /// Waits until it is dead.
    pub async fn dies(&self) {
        self.until(|life| life.dead).await;
    }

    /// Returns true if it is neither dead nor frozen.
    #[must_use]
    pub fn runs(&self) -> bool {
        let life = *self.life.lock();
        !life.dead && !life.frozen
    }

    /// Returns true if it is dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.life.lock().dead
    }

    /// Freezes the process or resumes it.
    pub fn freeze(&self, frozen: bool) {
        self.set(|life| life.frozen = frozen);
    }

    /// Cuts a link, or mends it.
    pub fn cut(&self, link: Link, cut: bool) {
        self.set(|life| life.cut[link as usize] = cut);
    }

    fn set(&self, change: impl FnOnce(&mut Life)) {
        change(&mut self.life.lock());
        self.changed.notify_waiters();
    }

    async fn until(&self, wanted: impl Fn(&Life) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(&self.life.lock()) {
                return;
            }
            changed.await;
        }
    }
}

/// A wall clock over the runtime's time, which can be set.
#[derive(Debug)]
pub struct WallClock {
    started: Instant,
    /// Its time at the runtime's start, in microseconds of UTC.
    begins: AtomicI64,
}

impl WallClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn showing(now: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            begins: AtomicI64::new(now.micros()),
        }
    }

    /// Sets it forward or back.
    pub fn turn(&self, micros: i64) {
        self.begins.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.begins.load(Ordering::Relaxed).saturating_add(since))
    }
}
