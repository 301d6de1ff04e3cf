//! The seeded simulation: faults of every kind, and nothing lost or doubled; each planted bug
//! is found; and the models keep what the real parts promise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tests::real;
use tests::sim::{self, Bug, Fault, Report};

/// Fewer seeds than this need not meet every kind of fault.
const ENOUGH: u64 = 50;

/// A number that a person sets for a longer run.
fn number(name: &str) -> Option<u64> {
    real::env(name).and_then(|text| text.parse().ok())
}

/// Plays seeds on as many threads as there are cores, and hands each report on; until `seen`
/// says that it is enough.
fn play(seeds: std::ops::Range<u64>, bug: Option<Bug>, seen: impl Fn(u64, Report) -> bool + Sync) {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || seen(seed, sim::play(seed, bug)) {
                        next.store(seeds.end, Ordering::Relaxed);
                        break;
                    }
                }
            });
        }
    });
}

/// What all seeds came to.
#[derive(Default)]
struct Total {
    faults: BTreeMap<Fault, u64>,
    sums: [u64; 6],
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
        faults,
        sums,
        failed,
    } = total.into_inner();
    let [acknowledged, records, rows, objects, lost, doubled] = sums;
    let struck: u64 = faults.values().sum();
    println!(
        "{} seeds in {:.0?}: {acknowledged} clicks acknowledged, {records} records, {rows} rows in {objects} objects; {struck} faults; lost {lost}, doubled {doubled}",
        seeds.end - seeds.start,
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
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let (started, found) = (Instant::now(), Mutex::new(None));
        play(0..100, Some(bug), |seed, report| {
            let first = report.verdict.violations.into_iter().next();
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
