//! The seeded simulation: nothing is lost or doubled under faults of every kind, each planted bug
//! is found, and the models keep the promises of the real parts.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::integration;
use parking_lot::Mutex;
use tests::defaults::section;
use tests::real;
use tests::sim::brokers::{Brokers, Limits};
use tests::sim::client::Client;
use tests::sim::store::Bucket;
use tests::sim::{self, Bug, Dice, Fault, Report};
use tokio::time::Instant;
use topic::conformance::{self, Fixture};
use topic::{Identity, Offset, Partition, Topic, clock};

/// Fewer seeds than this need not meet every kind of fault.
const ENOUGH: u64 = 50;

/// After so many seeds a long run says how far it is.
const PROGRESS: u64 = 100;

/// A number that a person sets for a longer run.
fn number(name: &str) -> Option<u64> {
    real::env(name).and_then(|text| text.parse().ok())
}

/// Plays seeds on as many threads as there are cores, and hands each report to `seen` until it
/// returns true.
fn play(seeds: std::ops::Range<u64>, bug: Option<Bug>, seen: impl Fn(u64, Report) -> bool + Sync) {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let played = catch_unwind(|| sim::play(seed, bug));
                    let report =
                        played.unwrap_or_else(|_| panic!("CLICKWEIR_SEED={seed} panicked"));
                    if seen(seed, report) {
                        next.store(seeds.end, Ordering::Relaxed);
                        break;
                    }
                }
            });
        }
    });
}

/// The result of all seeds.
#[derive(Default)]
struct Total {
    played: u64,
    faults: BTreeMap<Fault, u64>,
    sums: [u64; 7],
    failed: Vec<String>,
}

#[test]
fn nothing_is_lost_or_doubled_whatever_fails() {
    let alone = number("CLICKWEIR_SEED");
    let seeds = match alone {
        Some(seed) => seed..seed + 1,
        None => 0..number("CLICKWEIR_SEEDS").unwrap_or(200),
    };
    let (started, total) = (Instant::now(), Mutex::new(Total::default()));
    play(seeds.clone(), None, |seed, report| {
        let mut total = total.lock();
        total.played += 1;
        if total.played % PROGRESS == 0 {
            println!("{} seeds played in {:.0?}", total.played, started.elapsed());
        }
        for (fault, count) in report.faults {
            *total.faults.entry(fault).or_default() += count;
        }
        let verdict = report.verdict;
        let sums = [
            report.acknowledged,
            verdict.records,
            verdict.rows,
            verdict.objects,
            verdict.lost,
            verdict.doubled,
            verdict.given_up,
        ];
        for (sum, count) in total.sums.iter_mut().zip(sums) {
            *sum += count;
        }
        if !verdict.violations.is_empty() {
            let first = &verdict.violations[..verdict.violations.len().min(5)];
            total
                .failed
                .push(format!("seed {seed} (CLICKWEIR_SEED={seed}): {first:#?}"));
        }
        false
    });
    let Total {
        played,
        faults,
        sums,
        failed,
    } = total.into_inner();
    let [
        acknowledged,
        records,
        rows,
        objects,
        lost,
        doubled,
        given_up,
    ] = sums;
    let struck: u64 = faults.values().sum();
    println!(
        "{played} seeds in {:.0?}: {acknowledged} clicks acknowledged, {records} records, {rows} rows in {objects} objects; {struck} faults; lost {lost}, doubled {doubled}; {given_up} offsets given up by an operator",
        started.elapsed()
    );
    for fault in Fault::ALL {
        println!(
            "{:>9}  {}",
            faults.get(fault).copied().unwrap_or_default(),
            fault.says()
        );
    }
    assert!(
        failed.is_empty(),
        "{} seeds failed: {}",
        failed.len(),
        failed.join("\n")
    );
    if seeds.end - seeds.start >= ENOUGH {
        for fault in Fault::ALL {
            assert!(
                faults.contains_key(fault),
                "no seed met this: {}",
                fault.says()
            );
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..2 {
        let (one, two) = (sim::play(seed, None), sim::play(seed, None));
        assert_eq!(
            (one.trace, one.faults),
            (two.trace, two.faults),
            "seed {seed}"
        );
    }
}

#[test]
fn invariant_6_duckdb_registers_what_the_fold_did() {
    for seed in 0..3 {
        let report = sim::play(seed, None);
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in &report.stored {
            let path = folder.path().join("lake").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let url = format!("file:{}", folder.path().join("lake").display());
        let file = folder.path().join("catalog.duckdb").display().to_string();
        let s3: sink::S3 = section("lake", &[("url", &url)]).unwrap();
        let config = section("catalog", &[("path", &file)]).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (registered, rows) = runtime.block_on(async {
            let lake = sink::Lake::open(&s3).unwrap();
            let catalog = catalog::Catalog::open(config, lake, &s3, clock::system())
                .await
                .unwrap();
            catalog.crawl(true).await.unwrap();
            let objects = catalog.objects().await.unwrap();
            let mut paths: Vec<String> = objects.iter().map(|o| o.name.to_string()).collect();
            paths.sort_unstable();
            let count = catalog
                .query("SELECT count(*)::VARCHAR FROM clicks")
                .await
                .unwrap();
            (paths, count.csv())
        });
        assert_eq!(registered, report.registered, "seed {seed}");
        let counted = rows.lines().nth(1).unwrap().trim_matches('"');
        assert_eq!(counted, report.verdict.rows.to_string(), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let (started, found) = (Instant::now(), Mutex::new(None));
        play(0..100, Some(bug), |seed, report| {
            // Found by a broken promise, not by a standstill.
            let broken = |violation: &String| violation.starts_with("invariant");
            let first = report.verdict.violations.into_iter().find(broken);
            let caught = first.is_some();
            if let Some(violation) = first {
                found.lock().get_or_insert((seed, violation));
            }
            caught
        });
        let (seed, violation) = found
            .into_inner()
            .unwrap_or_else(|| panic!("{bug:?} was not found"));
        let took: Duration = started.elapsed();
        println!("{bug:?}: found by seed {seed} in {took:.1?}: {violation}");
    }
}

/// The simulation's topic, without faults, on the machine's own time.
struct Modelled(Option<Arc<Brokers>>);

const LIMITS: Limits = Limits {
    queue: 512 << 10,
    max_record: 64 << 10,
};

#[async_trait]
impl Fixture for Modelled {
    async fn fresh(&mut self, partitions: u32) -> Arc<dyn Topic> {
        let identity = Identity {
            cluster: "simulated".into(),
            topic: "clicks".into(),
        };
        let dice = Arc::new(Dice::without_faults());
        let brokers = Brokers::new(partitions, identity, LIMITS, clock::system(), dice);
        Client::new(self.0.insert(brokers), &Arc::default(), None)
    }

    async fn reopen(&mut self) -> Arc<dyn Topic> {
        let brokers = self.0.as_ref().expect("it was made before");
        Client::new(brokers, &Arc::default(), None)
    }

    async fn expire(&mut self, _topic: &Arc<dyn Topic>) -> bool {
        let brokers = self.0.as_ref().expect("it was made before");
        brokers.trim(Partition(0), Offset(20));
        true
    }

    fn queue(&self) -> usize {
        LIMITS.queue
    }

    fn max_record(&self) -> usize {
        LIMITS.max_record
    }
}

#[tokio::test]
async fn the_modelled_topic_passes_the_suite_of_the_topic() {
    let failed = conformance::run(|| Modelled(None)).await;
    assert_eq!(failed, Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn the_modelled_store_passes_the_suite_of_the_object_store() {
    let store = || Bucket::new(Arc::new(Dice::without_faults())).seen_by(&Arc::default(), None);
    integration::put_get_delete_list(&store()).await;
    integration::get_opts(&*store()).await;
    integration::put_opts(&*store(), true).await;
    integration::list_uses_directories_correctly(&store()).await;
    integration::list_with_delimiter(&store()).await;
    integration::rename_and_copy(&store()).await;
    integration::copy_if_not_exists(&store()).await;
    integration::copy_rename_nonexistent_object(&store()).await;
    integration::stream_get(&store()).await;
}
