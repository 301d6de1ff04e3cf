//! Month: a month of a busy shop, an object every two minutes of each of two partitions, is
//! compacted; then free SQL over it, beside DuckDB on ideal files. It runs in this process, whose
//! CPU time and memory are measured.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use parking_lot::Mutex;
use sink::{Compacted, CompactionLimits, CompactionScene, Lake};
use tests::defaults::section;
use tests::season::{self, Season};
use tests::usage;
use tokio::time::Instant;
use topic::{Timestamp, clock};

use crate::audit::lake_in;
use crate::q1::{ideal, write};
use crate::table::{Entry, Figure, Table};
use crate::terminal::say;

/// Objects an hour and partition: with two partitions 43,200 in 30 days.
const HOURLY: u32 = 30;
const DAY: i64 = 86_400_000_000;
/// How often each query runs; the figures are the medians.
const ASKED: usize = 5;
/// What people ask of a month.
const QUERIES: [&str; 5] = [
    "SELECT count(*) AS n FROM t",
    "SELECT action, count(*) AS n, count(DISTINCT visitor_id) FROM t GROUP BY ALL",
    "SELECT date_trunc('day', occurred_at), sum(price * quantity) AS n FROM t
     WHERE action = 'buy' GROUP BY ALL",
    "SELECT product_name, count(*) AS n FROM t WHERE country = 'DE' GROUP BY ALL
     ORDER BY n DESC LIMIT 10",
    "SELECT path, count(*) AS n FROM t WHERE occurred_at >= '2026-01-02T00:00:00Z'
     AND occurred_at < '2026-01-02T06:00:00Z' GROUP BY ALL ORDER BY n DESC LIMIT 10",
];

/// Writes the month, compacts it and queries it.
pub(crate) async fn run(days: u32, rows: u64, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let s3 = lake_in(&folder.path().join("lake"))?;
    let lake = Lake::open(&s3)?.with_spill(folder.path().join("spill"));
    say("Month: its small objects are written");
    let of = Season {
        days,
        rows,
        hourly: HOURLY,
    };
    write(&lake, of).await?;
    say("Month: the ideal files are written");
    let peer = ideal(folder.path(), days)?;
    say("Month: it is compacted");
    for (who, figures) in compact(&lake, days, rows).await? {
        let mut entry = Entry::of_this_process("Month", who);
        entry.note(1, figures);
        table.entries.push(entry);
    }
    let database = folder.path().join("catalog.duckdb");
    let path = database.to_string_lossy();
    let config = section("catalog", &[("path", &path)])?;
    let catalog = Catalog::open(config, lake.clone(), &s3, clock::system()).await?;
    catalog.crawl(true).await?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    for sql in QUERIES {
        let mut times = (Vec::new(), Vec::new());
        let sum = |sql: &str, from: &str| {
            let sql = sql.replace(" FROM t", &format!(" FROM {from}"));
            format!("SELECT sum(n)::DOUBLE AS n FROM ({sql})")
        };
        for _turn in 0..ASKED {
            let begun = Instant::now();
            let said = catalog.query(&sum(sql, "clicks")).await?;
            times.0.push(begun.elapsed());
            let begun = Instant::now();
            let expect: f64 = peer.query_row(&sum(sql, "t"), [], |row| row.get(0))?;
            times.1.push(begun.elapsed());
            let cell = said.cells().next().and_then(|row| row.into_iter().next()?);
            let said: f64 = cell.context("a sum")?.parse()?;
            ensure!(
                (said - expect).abs() <= 1e-6 * expect.abs(),
                "{sql}: {said}, not {expect}"
            );
        }
        let [mine, files] = [times.0, times.1].map(median);
        say(&format!("Month: {mine:.0} ms, files {files:.0} ms: {sql}"));
        ours += mine;
        theirs += files;
    }
    table.verdicts.push(format!(
        "Month: free SQL takes {ours:.0} ms, DuckDB on ideal files {theirs:.0}: {:.2} of it (target 1.2)",
        ours / theirs
    ));
    Ok(())
}

/// What the periods of one length took.
#[derive(Clone, Copy, Default)]
struct LevelCost {
    bytes: u64,
    rows: u64,
    cpu: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and bytes")]
async fn compact(lake: &Lake, days: u32, rows: u64) -> Result<Vec<(&'static str, Vec<Figure>)>> {
    let watermarks = BTreeMap::new();
    let scene = CompactionScene {
        watermarks: &watermarks,
        now: Timestamp::from_micros(season::BEGIN + i64::from(days + 1) * DAY),
        limits: CompactionLimits::default(),
    };
    let me = std::process::id();
    let before = usage::memory(me)?;
    // The peak is counted from here on.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (begun, cpu) = (Instant::now(), usage::cpu(me)?);
    let levels = Mutex::new((Compacted::default(), cpu, [LevelCost::default(); 3]));
    let progress = |done: &Compacted| {
        let mut levels = levels.lock();
        let (before, begun, costs) = &mut *levels;
        let Ok(now) = usage::cpu(me) else {
            return false;
        };
        let level = match () {
            () if done.months > before.months => 2,
            () if done.days > before.days => 1,
            () => 0,
        };
        costs[level].cpu += now - *begun;
        costs[level].rows += done.rows - before.rows;
        costs[level].bytes += done.replaced_bytes - before.replaced_bytes;
        (*before, *begun) = (done.clone(), now);
        true
    };
    let done = lake.compact(&scene, &progress).await?;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), usage::cpu(me)? - cpu);
    let peak = usage::peak(me)?;
    ensure!(done.left.is_empty(), "{:?}", done.left);
    let figure = |value, of| Figure { value, of };
    let (.., costs) = levels.into_inner();
    let [hours, days, months] = costs.map(|cost| {
        vec![
            figure(cost.bytes as f64 / 1e6 / cost.cpu, "MB read a CPU-second"),
            figure(cost.rows as f64 / cost.cpu, "rows a CPU-second"),
            figure(cost.cpu, "CPU-seconds"),
        ]
    });
    let left = lake
        .ledger()
        .await?
        .map_or(0, |ledger| ledger.coverage.objects().count());
    let all = vec![
        figure(
            done.replaced_bytes as f64 / 1e6 / cpu,
            "MB read a CPU-second",
        ),
        figure(done.rows as f64 / cpu, "rows a CPU-second"),
        figure(cpu, "CPU-seconds"),
        figure(wall, "s"),
        figure(peak - before, "MB of growth"),
        figure(done.replaced as f64, "objects before"),
        figure(left as f64, "objects after"),
        figure(done.replaced_bytes as f64 / rows as f64, "bytes a row read"),
        figure(done.bytes as f64 / done.rows as f64, "bytes a row written"),
    ];
    Ok(vec![
        ("the compaction", all),
        ("its hours", hours),
        ("its days", days),
        ("its months", months),
    ])
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}
