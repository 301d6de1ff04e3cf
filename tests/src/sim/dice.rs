//! Every random choice of a seed: which faults strike, and how often they did.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

macro_rules! faults {
    ($($name:ident $says:literal,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $says] $name,)*
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What happens, in words.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)*
                }
            }
        }
    };
}

faults! {
    CreateRefused "a create is refused: 503 SlowDown",
    CreateConflict "a create meets a 409 with no object behind it",
    StoredThen500 "a create is stored, and answered with 500",
    CreateReplyLost "a create is stored, and its reply is lost",
    CreateLate "a create is cut off, and lands after its retry",
    CreateSlow "a create takes longer than the hand-over",
    CreateDenied "the credentials have expired: 403",
    GetFailed "a read is refused: 503",
    GetLate "an object is not found shortly after it was created",
    ListFailed "a list is refused: 503",
    ListLate "a list does not show what was created shortly before",
    AppendRefused "an append is refused before it is written",
    AppendReplyLost "an append is written, and its reply is lost",
    AppendTorn "an append is written in part, and fails",
    AppendFatal "the producer fails for good: all that it holds is answered with an error",
    AppendSlow "the brokers stall for longer than an append may take",
    QueueFull "the edge's queue is full",
    ReadFailed "the brokers do not answer a reader",
    MarksStale "a broker answers with an old high watermark",
    Marker "the brokers write marks of their own: offsets without a record",
    BrokerClockBack "a leader's clock steps back",
    WorkerKilled "a worker is killed at some await",
    WorkerFrozen "a worker is frozen for less than the session's time",
    WorkerEvicted "a worker is frozen beyond the session's time, and wakes",
    WorkerAsleep "a worker is frozen for longer than the grace of what was replaced, and wakes",
    WorkerCutFromTopic "a worker is cut from the brokers, not from the store",
    WorkerCutFromStore "a worker is cut from the store, not from the brokers",
    WorkerLeft "a worker leaves and lets its commits finish",
    WorkerJoined "another worker joins",
    WorkerAstray "a worker of another group believes that it owns every partition",
    MakerKilled "a compactor is killed at some await",
    MakerFrozen "a compactor is frozen, and wakes",
    EraserKilled "a process that erases a client is killed at some await",
    EraserFrozen "a process that erases a client is frozen, and wakes",
    ReplayerKilled "a process that replays or promotes is killed at some await",
    ReplayerFrozen "a process that replays or promotes is frozen, and wakes",
    EdgeKilled "an edge is killed with requests in flight",
    EdgeClockJump "an edge's wall clock jumps by a day",
    HttpReplyLost "a client does not hear the edge's answer",
    ClientRetry "a client sends again what was acknowledged",
    ClientRetryLate "a client sends again what was acknowledged, after the window",
    BadClick "a click that cannot become a row",
    OffsetsReset "the group's offsets are set to anything, or deleted",
    PartitionAdded "a partition is added",
    RetentionCut "retention takes what the lake has, and cuts the window",
    RetentionPassed "retention passes the lake's end, and an operator accepts the gap",
    TopicRecreated "the topic is deleted and made anew",
    CrawlKilled "a crawl is killed",
    CatalogLost "the catalog is deleted and made anew",
}

/// A protocol bug, planted by a decorator: the suite must find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The conditional create is a plain put.
    PlainPut,
    /// "Already there" counts as "created": the object is not read.
    ReplyGuessed,
    /// The next create is sent while one is unresolved.
    CreateAhead,
    /// Reading resumes at the group's offset, not at the lake's tip.
    GroupBelieved,
    /// Objects are registered without a check of the end before them.
    Unchained,
    /// What a swap has replaced is deleted at once.
    NoGrace,
    /// A replay does not look who asked to be erased: it undoes an erasure.
    ReplayRemembers,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::PlainPut,
        Self::ReplyGuessed,
        Self::CreateAhead,
        Self::GroupBelieved,
        Self::Unchained,
        Self::NoGrace,
        Self::ReplayRemembers,
    ];
}

/// A seed's choices.
#[derive(Debug)]
pub struct Dice {
    choices: Mutex<StdRng>,
    struck: Mutex<BTreeMap<Fault, u64>>,
    calm: AtomicBool,
    trace: Mutex<DefaultHasher>,
    started: Instant,
}

impl Dice {
    /// The choices of a seed. Needs a runtime, whose time it measures.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            choices: Mutex::new(StdRng::seed_from_u64(seed)),
            struck: Mutex::default(),
            calm: AtomicBool::new(false),
            trace: Mutex::new(DefaultHasher::new()),
            started: Instant::now(),
        }
    }

    /// Choices without faults, for the suites that the models must pass.
    #[must_use]
    pub fn without_faults() -> Self {
        let dice = Self::new(0);
        dice.calm_down();
        dice
    }

    /// A number of the range.
    pub fn number(&self, range: Range<u64>) -> u64 {
        self.choices.lock().random_range(range)
    }

    /// One of several.
    pub fn pick<'t, T>(&self, among: &'t [T]) -> Option<&'t T> {
        let end = among.len() as u64;
        (end > 0).then(|| &among[usize::try_from(self.number(0..end)).expect("it is an index")])
    }

    /// Returns true in so many of a thousand cases.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.number(0..1_000) < per_mille
    }

    /// A time of so many milliseconds.
    pub fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// Returns true if the fault strikes, in so many of a thousand cases while faults last, and
    /// counts it.
    pub fn strikes(&self, fault: Fault, per_mille: u64) -> bool {
        let strikes = !self.is_calm() && self.chance(per_mille);
        if strikes {
            self.struck(fault);
        }
        strikes
    }

    /// Counts a fault.
    pub fn struck(&self, fault: Fault) {
        *self.struck.lock().entry(fault).or_default() += 1;
        self.note(&fault);
    }

    /// How often each kind of fault struck.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<Fault, u64> {
        self.struck.lock().clone()
    }

    /// Ends all faults.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Returns true if there are no faults.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Adds an event and its time to the seed's trace.
    pub fn note(&self, what: &impl Hash) {
        let mut trace = self.trace.lock();
        self.started.elapsed().hash(&mut *trace);
        what.hash(&mut *trace);
    }

    /// A digest of the trace: equal if two runs were equal.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.lock().finish()
    }
}
