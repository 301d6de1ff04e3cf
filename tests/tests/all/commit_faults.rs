//! Workers that come, go and overlap, over a store that fails: the lake must hold every record
//! once. A planted bug must be caught, since a suite that cannot fail proves nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sink::audit::{self, Audit};
use sink::{Lake, LakeId, Location};
use tests::faulty::Faulty;
use tests::{real, s3};
use tokio_util::sync::CancellationToken;
use topic::{Draft, Open, Topic, clock};
use transformer::{Components, Enrichment, Status};

const RECORDS: u64 = 3_000;
const PARTITIONS: u32 = 3;
/// A group of its own on the same lake: it never learns that others own the partitions.
const ZOMBIE: &str = "zombie";

/// How many seeds a run tries; `CLICKWEIR_SEEDS` asks for more.
fn seeds() -> u64 {
    real::env("CLICKWEIR_SEEDS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(6)
}

async fn topic(folder: &str, partitions: u32) -> Arc<dyn Topic> {
    let config: topic::Config = serde_json::from_value(json!({
        "url": format!("file:{folder}"), "partitions": partitions, "retention": "7d",
        "retention_size": "0B", "queue": "8MiB", "max_record": "1MiB", "append_timeout": "5s",
        "linger": "1ms", "session_timeout": "6s", "security": "plaintext", "sasl_mechanism": "",
        "sasl_username": "", "sasl_password": "", "ca": "",
    }))
    .unwrap();
    topic::open(
        &config,
        Open {
            clock: clock::system(),
            create: true,
        },
    )
    .await
    .unwrap()
}

/// Numbered clicks; every tenth id comes twice.
async fn fill(topic: &dyn Topic, numbers: Range<u64>) {
    let writer = topic.writer().unwrap();
    let drafts: Vec<Draft> = numbers
        .map(|n| {
            let id = if n % 10 == 9 { n - 3 } else { n };
            let visitor = id % 50;
            Draft {
                key: Bytes::from(format!("visitor-{visitor}")),
                value: Bytes::from(format!(
                    r#"{{"v":1,"id":"click-{id}","received_at":1795000000000000,"format":"native","source":"test","click":{{"action":"view","visitor_id":"visitor-{visitor}"}}}}"#
                )),
            }
        })
        .collect();
    writer.append(drafts).unwrap().await.unwrap();
}

fn config(group: &str) -> transformer::Config {
    let keys = json!({ "group": group, "window": "60s", "window_records": 1_000_000 });
    serde_json::from_value(keys).unwrap()
}

/// A worker of the group `group`; two of one group share the partitions, two of two groups
/// both believe that they own all of them.
pub(crate) fn worker(
    topic: &Arc<dyn Topic>,
    lake: &Lake,
    group: &str,
) -> (CancellationToken, Arc<Status>, Running) {
    // Batches of two sizes: if two groups both believe that they own a partition, their objects
    // begin at the same offset and end at different ones.
    let max_rows = if group == ZOMBIE { 61 } else { 97 };
    let sink = json!({
        "max_age": "20ms", "max_bytes": "64MiB", "max_rows": max_rows,
        "max_open_rows": 100_000, "max_memory": "96MiB", "handover": "200ms", "max_silence": "10m",
    });
    worker_of(topic, lake, group, sink)
}

fn worker_of(
    topic: &Arc<dyn Topic>,
    lake: &Lake,
    group: &str,
    sink: Value,
) -> (CancellationToken, Arc<Status>, Running) {
    let sink = serde_json::from_value(sink).unwrap();
    let (stop, status) = (CancellationToken::new(), Arc::<Status>::default());
    let components = Components {
        topic: topic.clone(),
        reader: topic.reader(group).unwrap(),
        lake: lake.clone(),
        new_lake: LakeId::new(7),
        enrichment: Enrichment::default().alone(),
        status: status.clone(),
        pulse: Box::new(|| {}),
    };
    let running = tokio::spawn(transformer::run(
        config(group),
        sink,
        components,
        stop.clone(),
    ));
    (stop, status, running)
}

pub(crate) type Running = tokio::task::JoinHandle<Result<(), transformer::Error>>;

async fn audited(topic: &dyn Topic, lake: &Lake) -> Audit {
    let survey = audit::Survey::of(lake).await.unwrap();
    let marks = topic.watermarks().await.unwrap();
    let new = LakeId::new(7);
    let ledger = lake.found(topic.identity(), BTreeMap::new(), new);
    let ledger = ledger.await.unwrap();
    let against = audit::Reference {
        ledger: &ledger,
        watermarks: &marks,
        catalog: None,
        window: Some(config("any").audited()),
    };
    audit::audit(lake, &survey, &against, &|_, _| {})
        .await
        .unwrap()
}

/// Runs workers over a store whose creates fail, until nothing is pending. Returns the verdict and
/// the number of faults.
async fn play(store: Arc<dyn ObjectStore>, seed: u64, unconditional: bool) -> (Audit, u64) {
    let folder = tempfile::tempdir().unwrap();
    let topic = topic(folder.path().to_str().unwrap(), PARTITIONS).await;
    fill(topic.as_ref(), 0..RECORDS).await;
    let mut faulty = Faulty::new(store.clone(), seed, 30);
    if unconditional {
        faulty = faulty.unconditional();
    }
    let injected = faulty.injected();
    let location = Location::Folder(PathBuf::from("/simulated"));
    let lake = Lake::new(Arc::new(faulty), location.clone());
    // The auditor reads without faults.
    let sight = Lake::new(store, location);
    let lows = topic
        .watermarks()
        .await
        .unwrap()
        .into_iter()
        .map(|(p, marks)| (p, marks.low));
    let (topic_id, lows) = (topic.identity(), lows.collect());
    sight
        .found(topic_id, lows, LakeId::new(seed.into()))
        .await
        .unwrap();
    let mut choices = StdRng::seed_from_u64(seed);
    let mut workers = vec![worker(&topic, &lake, "a"), worker(&topic, &lake, ZOMBIE)];
    for _round in 0..200 {
        tokio::time::sleep(Duration::from_millis(choices.random_range(10..80))).await;
        let verdict = audited(topic.as_ref(), &sight).await;
        if verdict.pending == 0 || !verdict.clean() {
            break;
        }
        match choices.random_range(0..4) {
            0 => workers.push(worker(&topic, &lake, "a")),
            1 if workers.len() > 1 => {
                let (stop, ..) = workers.swap_remove(choices.random_range(0..workers.len()));
                stop.cancel();
            }
            2 if workers.len() > 1 => {
                let (.., running) = workers.swap_remove(choices.random_range(0..workers.len()));
                running.abort();
            }
            _ => {}
        }
    }
    for (stop, _, running) in workers {
        stop.cancel();
        // An aborted worker has no result; the others end in order or by the hand-over's time-out.
        let _ended = running.await;
    }
    // Delayed creates land now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    (
        audited(topic.as_ref(), &sight).await,
        injected.load(Ordering::Relaxed),
    )
}

/// Plays a seed, whose verdict must be clean; returns the number of faults.
async fn survives(store: Arc<dyn ObjectStore>, seed: u64) -> u64 {
    let name = store.to_string();
    let (verdict, injected) = play(store, seed, false).await;
    assert!(verdict.clean(), "seed {seed} on {name}: {verdict:?}");
    assert_eq!(verdict.pending, 0, "seed {seed} on {name}: {verdict:?}");
    let counts = (verdict.acknowledged, verdict.rows, verdict.duplicates);
    assert_eq!(
        counts,
        (RECORDS, RECORDS - RECORDS / 10, RECORDS / 10),
        "seed {seed} on {name}: invariant 5"
    );
    injected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_15_and_21_to_24_nothing_is_lost_or_doubled_over_a_failing_store() {
    let mut faults = 0;
    for seed in 0..seeds() {
        faults += survives(Arc::new(InMemory::new()), seed).await;
    }
    assert!(faults > 10, "the store failed: {faults}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_15_and_21_to_24_nothing_is_lost_or_doubled_over_real_s3_servers_that_fail() {
    for server in s3::all().await {
        let store = server.store(&format!("faults-{}", std::process::id()));
        let faults = survives(Arc::new(store.unwrap()), 7).await;
        assert!(faults > 10, "the store failed: {faults}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_26_a_store_that_ignores_if_none_match_is_refused_at_start() {
    let store = Faulty::new(Arc::new(InMemory::new()), 1, 0).unconditional();
    let lake = Lake::new(
        Arc::new(store),
        Location::Folder(PathBuf::from("/simulated")),
    );
    let refused = lake.probe("nonce").await.unwrap_err().to_string();
    assert!(refused.contains("If-None-Match"), "{refused}");
    let honest = Faulty::new(Arc::new(InMemory::new()), 1, 0);
    let lake = Lake::new(
        Arc::new(honest),
        Location::Folder(PathBuf::from("/simulated")),
    );
    lake.probe("nonce").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_itself_fails_where_creates_are_not_conditional() {
    for seed in 0..20 {
        let (verdict, _injected) = play(Arc::new(InMemory::new()), seed, true).await;
        if !verdict.clean() {
            return;
        }
    }
    panic!("20 seeds over a store without conditional creates, and nothing was found");
}

#[tokio::test]
async fn a_slow_store_makes_no_small_objects() {
    let folder = tempfile::tempdir().unwrap();
    let topic = topic(folder.path().to_str().unwrap(), 1).await;
    let slow = ThrottleConfig {
        wait_put_per_call: Duration::from_millis(300),
        ..ThrottleConfig::default()
    };
    let store = ThrottledStore::new(InMemory::new(), slow);
    let lake = Lake::new(Arc::new(store), Location::Folder("/simulated".into()));
    let sink = json!({
        "max_age": "1s", "max_bytes": "64MiB", "max_rows": 1_000_000,
        "max_open_rows": 100_000, "max_memory": "200kB", "handover": "5s", "max_silence": "10m",
    });
    let (stop, _, running) = worker_of(&topic, &lake, "a", sink);
    // A few at a time: there is something to seal at each turn while a create is under way.
    for first in (0..RECORDS).step_by(20) {
        fill(topic.as_ref(), first..first + 20).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut verdict = audited(topic.as_ref(), &lake).await;
    while verdict.pending > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        verdict = audited(topic.as_ref(), &lake).await;
    }
    assert!(verdict.clean(), "{verdict:?}");
    // Two that fill the budget, and those that reached their age.
    let objects = lake.files(None).await.unwrap().len();
    assert!(objects <= 8, "{objects} objects");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_open_batches_of_all_partitions_hold_so_many_rows_together() {
    const OPEN_ROWS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let topic = topic(folder.path().to_str().unwrap(), 4).await;
    let lake = Lake::new(
        Arc::new(InMemory::new()),
        Location::Folder("/simulated".into()),
    );
    let sink = json!({
        "max_age": "1h", "max_bytes": "64MiB", "max_rows": 1_000_000,
        "max_open_rows": OPEN_ROWS, "max_memory": "96MiB", "handover": "5s", "max_silence": "10m",
    });
    let (stop, _, running) = worker_of(&topic, &lake, "a", sink);
    fill(topic.as_ref(), 0..RECORDS).await;
    let committed = async || {
        while audited(topic.as_ref(), &lake).await.pending >= OPEN_ROWS as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), committed()).await;
    assert!(in_time.is_ok(), "none is as old as an hour");
    stop.cancel();
    running.await.unwrap().unwrap();
    let verdict = audited(topic.as_ref(), &lake).await;
    assert!(verdict.clean() && verdict.pending == 0, "{verdict:?}");
}
