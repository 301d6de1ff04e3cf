//! A seed, from its beginning to its audit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sink::{Lake, LakeId, ObjectName};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use topic::clock::Clock;
use topic::{Identity, Offset, Partition, Timestamp};

use super::actors::Stage;
use super::brokers::{Brokers, Limits};
use super::forgetter::{AskedVisitor, Forgetter};
use super::makers::Makers;
use super::oracle::{self, Promised, Twins, Verdict};
use super::process::WallClock;
use super::replayer::{self, Replayer};
use super::shelf::Shelf;
use super::shop::{Server, Shop};
use super::store::Bucket;
use super::worker::{Workers, lake};
use super::{Bug, Dice, Fault, Process};
use crate::defaults::section;

/// How long faults last.
const TROUBLE: Duration = Duration::from_secs(120);
/// How long the lake may take to hold everything after the last fault.
const RECOVERY: Duration = Duration::from_secs(300);
/// 2026-11-22T22:00:00Z, in microseconds: the hour turns while faults last.
const TURN: i64 = 1_795_384_800_000_000;
/// The edges and the clients.
const SERVERS: u64 = 2;
const CLIENTS: u64 = 5;

/// The result of a seed.
#[derive(Debug)]
pub struct Report {
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// What the auditor found.
    pub verdict: Verdict,
    /// How many clicks were acknowledged.
    pub acknowledged: u64,
    /// A digest of all events and their times.
    pub trace: u64,
    /// The store's objects, by path.
    pub stored: Vec<(String, Bytes)>,
    /// The paths that the catalog registered, in order.
    pub registered: Vec<String>,
}

/// Plays a seed on this thread in virtual time, perhaps with a planted bug.
///
/// # Panics
/// If the runtime cannot be made.
#[must_use]
pub fn play(seed: u64, bug: Option<Bug>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(run(seed, bug))
}

async fn run(seed: u64, bug: Option<Bug>) -> Report {
    let dice = Arc::new(Dice::new(seed));
    let begins = i64::try_from(dice.number(10..120)).expect("it is small") * 1_000_000;
    let clock = Arc::new(WallClock::showing(Timestamp::from_micros(TURN - begins)));
    let identity = Identity {
        cluster: "simulated".into(),
        topic: "clicks".into(),
    };
    let limits = Limits {
        queue: 6 << 10,
        max_record: 1 << 20,
    };
    let partitions = u32::try_from(dice.number(2..4)).expect("it is small");
    let brokers = Brokers::new(
        partitions,
        identity.clone(),
        limits,
        clock.clone(),
        dice.clone(),
    );
    let bucket = Bucket::new(dice.clone());
    let twins = Twins {
        within: 60_000_000,
        records: *dice.pick(&[40, 1_000_000]).expect("there are two"),
    };
    let defaults = "the product's own defaults are sections, and these their keys";
    let records = twins.records.to_string();
    let config = section("transformer", &[("window_records", &records)]).expect(defaults);
    let sink = sink_config(&dice);
    let parts = (brokers.clone(), bucket.clone(), dice.clone());
    let workers = Workers::new(parts, bug, config, sink);
    let edge: producer::Config = section("producer", &[]).expect(defaults);
    let start = |_| Server::start(&brokers, &edge, WallClock::showing(clock.now()));
    let shop = Shop::open(dice.clone(), (0..SERVERS).map(start).collect());
    let stage = Arc::new(Stage {
        dice: dice.clone(),
        workers: workers.clone(),
        shop: shop.clone(),
        clock,
        edge,
    });
    // Records that retention takes before the lake is founded are not the lake's to keep.
    let sight = lake(&bucket, &Arc::new(Process::default()), None);
    let new = LakeId::new(7);
    while sight.found(&identity, BTreeMap::new(), new).await.is_err() {}
    let shelf = Shelf::new(&bucket, dice.clone(), bug);
    let for_ever = [
        tokio::spawn(shelf.clone().crawl()),
        tokio::spawn(stage.clone().keep()),
    ];
    let makers = Makers::new(&bucket, dice.clone(), bug);
    let making = makers.start();
    let forgetter = Forgetter::new(&bucket, &brokers, dice.clone(), CLIENTS);
    let forgetting = tokio::spawn(forgetter.clone().forget());
    let replayer = Replayer::new(&workers);
    let replaying = tokio::spawn(replayer.clone().replay());
    let mut actors = vec![tokio::spawn(stage.clone().trouble())];
    for client in 0..CLIENTS {
        actors.push(tokio::spawn(shop.clone().visit(client)));
    }
    sleep(TROUBLE).await;
    assert!(
        !actors.iter().any(JoinHandle::is_finished),
        "an actor ended before its time"
    );
    dice.calm_down();
    let recovered = recover(&stage).await;
    makers.stop(&making);
    for asking in [forgetting, replaying] {
        assert!(!asking.is_finished(), "they forget and replay for ever");
        asking.abort();
    }
    replayer.give_up().await;
    let (erased, unfinished) = forgetter.complete().await;
    // A list may lag once more, and the crawler runs every few seconds.
    sleep(Duration::from_secs(60)).await;
    let mut report = judge(&stage, &shelf, twins, &erased).await;
    let violations = &mut report.verdict.violations;
    violations.extend(workers.failed());
    violations.extend(makers.wrong());
    violations.extend(unfinished);
    violations.extend(replayer::undone(&bucket, &erased).await);
    assert!(
        !for_ever.iter().any(JoinHandle::is_finished),
        "the keeper and the crawler work for ever"
    );
    if dice.chance(250) {
        report.verdict.violations.extend(recreate(&stage).await);
        report.faults = dice.tally();
    }
    if !recovered {
        let workers = workers.alive(None).into_iter();
        let why: Vec<_> = workers.map(|worker| worker.status.partitions()).collect();
        let late = format!("lag did not return to 0 within {RECOVERY:?}: {why:?}");
        report.verdict.violations.push(late);
    }
    report
}

/// `[sink]`, with small batches.
fn sink_config(dice: &Dice) -> sink::Config {
    let max_rows = dice.number(20..80).to_string();
    let max_age = format!("{}ms", dice.number(1_500..5_000));
    let max_memory = dice.pick(&["24KiB", "96MiB"]).copied();
    let keys = [
        ("max_rows", max_rows.as_str()),
        ("max_age", &max_age),
        ("max_memory", max_memory.expect("there are two")),
        ("max_silence", "20s"),
    ];
    section("sink", &keys).expect("the product's own defaults are a section, and these its keys")
}

/// Waits until every click has its answer and the lake holds every record.
async fn recover(stage: &Stage) -> bool {
    let deadline = Instant::now() + RECOVERY;
    while Instant::now() < deadline {
        sleep(Duration::from_secs(1)).await;
        if !stage.shop.is_served() {
            continue;
        }
        let mut ends: BTreeMap<Partition, Offset> = BTreeMap::new();
        for worker in stage.workers.alive(None) {
            for (partition, status) in worker.status.partitions() {
                let end = ends.entry(partition).or_default();
                *end = status.committed.max(*end);
            }
        }
        let history = stage.workers.brokers.history();
        let behind = (0..)
            .map(Partition)
            .zip(&history)
            .any(|(partition, records)| {
                let last = records
                    .last()
                    .map_or(Offset(0), |record| record.offset.next());
                ends.get(&partition).copied().unwrap_or_default() < last
            });
        if !behind {
            return true;
        }
    }
    false
}

async fn judge(stage: &Stage, shelf: &Shelf, twins: Twins, erased: &[AskedVisitor]) -> Report {
    let process = Arc::new(Process::default());
    let bucket = &stage.workers.bucket;
    let lake: Lake = lake(bucket, &process, None);
    let store = bucket.seen_by(&process, None);
    let ledger = lake
        .ledger()
        .await
        .expect("the store answers")
        .expect("the lake is founded");
    let history = stage.workers.brokers.history();
    let marks = stage.workers.brokers.marks().into_iter();
    let lows = marks
        .map(|(partition, marks)| (partition, marks.low))
        .collect();
    let acknowledged = stage.shop.acknowledged();
    let promised = Promised {
        history: &history,
        lows: &lows,
        acknowledged: &acknowledged,
        twins,
        erased,
    };
    let mut verdict = oracle::audit(&lake, &*store, &ledger, &promised).await;
    verdict.violations.extend(shelf.audit(&ledger).await);
    Report {
        faults: stage.dice.tally(),
        verdict,
        acknowledged: acknowledged.len() as u64,
        trace: stage.dice.trace(),
        stored: bucket.contents().await,
        registered: shelf.paths(&ledger),
    }
}

/// Deletes the topic and makes it anew under its name, with fewer records than the lake has seen or
/// with more: every partition must stop and say so. Returns the violations.
async fn recreate(stage: &Stage) -> Vec<String> {
    let Workers {
        brokers,
        bucket,
        dice,
        ..
    } = &*stage.workers;
    let sight = lake(bucket, &Arc::new(Process::default()), None);
    let mut before = sight.files(None).await.expect("the store answers");
    for worker in stage.workers.alive(None) {
        worker.process.kill();
    }
    dice.struck(Fault::TopicRecreated);
    let seen = brokers.marks();
    brokers.recreate();
    for (partition, marks) in &seen {
        let records = dice.number(1..marks.high.0 * 2 + 2);
        brokers.refill(*partition, records);
    }
    sleep(Duration::from_secs(60)).await;
    let mut after = sight.files(None).await.expect("the store answers");
    before.sort_unstable();
    after.sort_unstable();
    let held = |partition: &Partition| {
        let mut names = before
            .iter()
            .filter_map(|(path, _)| ObjectName::parse(path));
        names.any(|name| name.partition == *partition)
    };
    let mut wrong = Vec::new();
    // A partition without objects in the lake is like a new one.
    let new = |(path, _): &&(String, u64)| {
        let name = ObjectName::parse(path);
        name.is_none_or(|name| held(&name.partition))
    };
    if after.iter().filter(new).ne(before.iter().filter(new)) {
        wrong.push("the lake took what another topic holds".to_owned());
    }
    let mut stopped: BTreeMap<Partition, String> = BTreeMap::new();
    for worker in stage.workers.alive(None) {
        for (partition, status) in worker.status.partitions() {
            stopped.extend(status.stopped.map(|stopped| (partition, stopped.why)));
        }
    }
    for partition in seen.keys().filter(|partition| held(partition)) {
        let why = stopped.get(partition).map_or("nothing", String::as_str);
        if !why.contains("another topic") {
            wrong.push(format!(
                "partition {partition} was made anew, and says: {why}"
            ));
        }
    }
    wrong
}
