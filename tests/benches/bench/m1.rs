//! M1: the memory of one process with all stages, at rest and while clicks come for longer than the
//! window reaches back, with few partitions and with many.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::clickweir::{Place, Up};
use tests::usage;
use tokio::time::{Instant, interval, sleep};

use crate::others::Others;
use crate::table::{Entry, Figure, Table};
use crate::terminal::say;

/// How long a new process may take to come to rest.
const REST: Duration = Duration::from_secs(5);
/// How long clicks come: the window's minute, half a minute that append times may step back, and
/// the time of the first batches.
pub(crate) const LOADED: Duration = Duration::from_secs(110);
/// How long the process is left alone afterwards: the last batches are committed.
pub(crate) const AFTER: Duration = Duration::from_secs(20);
/// How often its memory is read.
const LOOK: Duration = Duration::from_secs(1);
/// Partitions of the topic.
pub(crate) const PARTITIONS: [&str; 3] = ["1", "4", "256"];

/// Measures it `runs` times with so many clicks a second, for each number of partitions.
pub(crate) async fn run(rate: u64, runs: usize, table: &mut Table) -> Result<()> {
    for partitions in PARTITIONS {
        let mut entry = Entry {
            bench: "M1",
            who: "clickweir up",
            counted: "none",
            pinned: "nothing",
            backend: match partitions {
                "1" => "embedded topic of 1 partition, a folder; the defaults",
                "4" => "embedded topic of 4 partitions, a folder; the defaults",
                _ => "embedded topic of 256 partitions, a folder; the defaults",
            },
            acknowledged: "202 after a group-committed fsync",
            runs: Vec::new(),
        };
        for turn in 1..=runs {
            entry.note(turn, once(partitions, rate).await?);
        }
        table.entries.push(entry);
    }
    Ok(())
}

async fn once(partitions: &str, rate: u64) -> Result<Vec<Figure>> {
    let place = Place::new()?
        .with("TOPIC__PARTITIONS", partitions)
        .with("SINK__MAX_AGE", "10s")
        .with("CATALOG__EVERY", "10s");
    let up = place.up(&[])?;
    let pid = up.process.id();
    sleep(REST).await;
    let idle = usage::memory(pid)?;
    say(&format!(
        "M1: {partitions} partition(s), {rate} clicks a second for {} s",
        LOADED.as_secs()
    ));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let others = Others::start(&client, &up.shop, rate);
    let begun = Instant::now();
    let mut looks = interval(LOOK);
    let mut weighed = Vec::new();
    while begun.elapsed() < LOADED {
        looks.tick().await;
        weighed.push((usage::memory(pid)?, duckdb(&client, &up).await?));
    }
    let sent = others.end().await?;
    sleep(AFTER).await;
    let after = usage::memory(pid)?;
    let count = ask(&client, &up, "SELECT count(*) FROM clicks_live").await?;
    ensure!(
        count.as_u64() == Some(sent.clicks),
        "{} clicks were sent, and {count} are there",
        sent.clicks
    );
    // The last third: the window is full by then.
    let full = &weighed[weighed.len() / 3 * 2..];
    let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = full.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let greatest = weighed.iter().map(|one| one.0).fold(0.0, f64::max);
    let of = |value, of| Figure { value, of };
    Ok(vec![
        of(median(&|one| one.0), "MB resident under load"),
        of(median(&|one| one.0 - one.1), "MB without what DuckDB holds"),
        of(median(&|one| one.1), "MB that DuckDB holds"),
        of(greatest, "MB at most"),
        of(idle, "MB when idle"),
        of(after, "MB after"),
        of(sent.rate, "clicks/s"),
    ])
}

/// The memory that the databases report, in megabytes; their limits are `catalog.memory` and
/// `catalog.query_memory`.
async fn duckdb(client: &reqwest::Client, up: &Up) -> Result<f64> {
    let asked = client.get(format!("{}/metrics", up.dashboard));
    let told = asked.send().await?.text().await?;
    let held = told
        .lines()
        .find_map(|line| line.strip_prefix("clickweir_database_memory_bytes "));
    let held: f64 = held.context("the metrics tell of memory")?.parse()?;
    Ok(held / 1e6)
}

/// The only cell of an answer.
async fn ask(client: &reqwest::Client, up: &Up, sql: &str) -> Result<Value> {
    let asked = client.post(format!("{}/api/query", up.dashboard));
    let answer: Value = asked
        .json(&json!({ "sql": sql }))
        .send()
        .await?
        .json()
        .await?;
    let cell = answer["rows"][0].get(0).cloned();
    cell.with_context(|| format!("{sql} is answered: {answer}"))
}
