//! Arrival: from the moment a client sends a click to the moment SQL sees its row, in one
//! process on the embedded topic, and what that process weighs before and after. Once in
//! `clicks`, with batches and crawls of a second and no other clicks; and once (L1) in
//! `clicks_live`, with the defaults, while many others come. Beside a compaction: the latter, over a
//! lake whose closed hours are merged meanwhile, and over the same when nothing is.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::clickweir::{Place, Up};
use tests::season::Season;
use tests::usage;
use tokio::time::{Instant, interval, sleep};
use topic::clock;

use crate::others::{Others, taken};
use crate::past::past;
use crate::table::{Entry, Figure, Table};

/// One click every so often; not a whole fraction of a second, so that they come at every
/// point of a batch's age.
const EVERY: Duration = Duration::from_millis(97);
/// How often SQL is asked, which is the error of a figure.
const LOOK: Duration = Duration::from_millis(20);
const ROW_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new process may take to come to rest.
const REST: Duration = Duration::from_secs(5);

/// The table in which a click is looked for, and the other load.
struct Way {
    bench: &'static str,
    backend: &'static str,
    table: &'static str,
    /// The age of a batch, and how often the lake is crawled.
    age: &'static str,
    /// Other clicks a second.
    rate: u64,
    /// Whether the lake's closed hours are merged meanwhile; `None` if it has none.
    compaction: Option<bool>,
}

/// What is compacted: two days with an object every two minutes of each of two partitions. It takes a
/// compactor some twenty seconds. Over many more SQL would ask for seconds, and hold up the edge itself.
const SEASON: Season = Season {
    days: 2,
    rows: 576_000,
    hourly: 30,
};
/// A compactor that looks so often begins after that time; so long the catalog takes in the season.
const FIRST_TURN: &str = "30s";
const SEASON_REST: Duration = Duration::from_secs(31);

/// Sends so many clicks in each run, both ways.
pub(crate) async fn run(clicks: u32, rate: u64, runs: usize, table: &mut Table) -> Result<()> {
    let lake = Way {
        bench: "arrival",
        backend: "embedded topic, a folder; sink.max_age and catalog.every 1s",
        table: "clicks",
        age: "1s",
        rate: 0,
        compaction: None,
    };
    let live = Way {
        bench: "L1",
        backend: "embedded topic, a folder; the defaults, and other clicks meanwhile",
        table: "clicks_live",
        age: "10s",
        rate,
        compaction: None,
    };
    each([lake, live], clicks, runs, table).await
}

/// The same beside a compaction, and without one.
pub(crate) async fn beside(clicks: u32, rate: u64, runs: usize, table: &mut Table) -> Result<()> {
    let way = |backend, is_compacted| Way {
        bench: "L1",
        backend,
        table: "clicks_live",
        age: "10s",
        rate,
        compaction: Some(is_compacted),
    };
    let still = way("embedded topic, a folder; nothing is compacted", false);
    let busy = way("embedded topic, a folder; closed hours are compacted", true);
    each([still, busy], clicks, runs, table).await
}

async fn each(ways: [Way; 2], clicks: u32, runs: usize, table: &mut Table) -> Result<()> {
    let mut entries = ways.each_ref().map(|way| Entry {
        bench: way.bench,
        who: "clickweir up",
        counted: "none",
        pinned: "nothing",
        backend: way.backend,
        acknowledged: "202 after a group-committed fsync",
        runs: Vec::new(),
    });
    for turn in 1..=runs {
        for (way, entry) in ways.iter().zip(&mut entries) {
            entry.note(turn, once(clicks, way).await?);
        }
    }
    table.entries.extend(entries);
    Ok(())
}

/// How many small objects the compactor of that process has replaced, if it has one.
async fn compacted(up: &Up, way: &Way) -> Result<f64> {
    match way.compaction {
        Some(false) => Ok(0.0),
        _ => {
            up.metric("clickweir_compactor_replaced_objects_total")
                .await
        }
    }
}

async fn once(clicks: u32, way: &Way) -> Result<Vec<Figure>> {
    let place = match way.compaction {
        Some(is_compacted) => {
            let (place, _) = past(SEASON).await?;
            place
                .with("COMPACTION__EVERY", FIRST_TURN)
                .with("COMPACTION__ENABLED", &is_compacted.to_string())
        }
        None => Place::new()?,
    };
    let place = place
        .with("SINK__MAX_AGE", way.age)
        .with("CATALOG__EVERY", way.age);
    let up = place.up(&[])?;
    sleep(way.compaction.map_or(REST, |_| SEASON_REST)).await;
    let idle = usage::memory(up.process.id())?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let others = Others::start(&client, &up.shop, way.rate);
    let before = compacted(&up, way).await?;
    let sending = tokio::spawn(send(client.clone(), up.shop.clone(), clicks));

    let mut seen: HashMap<String, Instant> = HashMap::new();
    let question = json!({ "sql": format!(
        "SELECT event_id::VARCHAR FROM {} WHERE action = 'probe' AND occurred_at >= '{}'
         ORDER BY received_at DESC LIMIT 200",
        way.table,
        clock::system().now()
    ) });
    let begun = Instant::now();
    while seen.len() < clicks as usize {
        ensure!(
            begun.elapsed() < EVERY * clicks + ROW_TIMEOUT,
            "clicks do not arrive"
        );
        let asked = client
            .post(format!("{}/api/query", up.dashboard))
            .json(&question);
        let answer: Value = asked.send().await?.json().await?;
        let now = Instant::now();
        for row in answer["rows"].as_array().into_iter().flatten() {
            let id = row[0].as_str().context("an id is a text")?;
            if !seen.contains_key(id) {
                seen.insert(id.to_owned(), now);
            }
        }
        sleep(LOOK).await;
    }
    let sent = sending.await??;
    let merged = compacted(&up, way).await? - before;
    let after = usage::memory(up.process.id())?;
    let others = others.end().await?;
    let answered = sent.iter().map(|click| click.answered - click.at);
    let shown = sent.iter().map(|click| seen[&click.id] - click.at);
    let (answered, shown) = (sorted(answered), sorted(shown));
    let of = |value, of| Figure { value, of };
    Ok(vec![
        of(at(&shown, 50) * 1e3, "ms p50"),
        of(at(&shown, 99) * 1e3, "ms p99"),
        of(at(&answered, 50) * 1e3, "ms p50 to the answer"),
        of(at(&answered, 99) * 1e3, "ms p99 to the answer"),
        of(merged, "small objects compacted meanwhile"),
        of(others.rate, "other clicks/s"),
        of(idle, "MB resident when idle"),
        of(after, "MB after"),
    ])
}

/// A click that was sent.
struct SentClick {
    id: String,
    at: Instant,
    answered: Instant,
}

/// Seconds, the least first.
fn sorted(took: impl Iterator<Item = Duration>) -> Vec<f64> {
    let mut took: Vec<f64> = took.map(|one| one.as_secs_f64()).collect();
    took.sort_by(f64::total_cmp);
    took
}

/// What so many of a hundred are below.
fn at(took: &[f64], share: usize) -> f64 {
    took[(took.len() * share / 100).min(took.len() - 1)]
}

/// Sends clicks, and returns when each was sent and answered.
async fn send(client: reqwest::Client, shop: String, clicks: u32) -> Result<Vec<SentClick>> {
    let mut sent = Vec::new();
    let mut turns = interval(EVERY);
    for number in 0..clicks {
        turns.tick().await;
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let click = json!({ "id": id, "action": "probe", "visitor_id": format!("v{number}") });
        let at = Instant::now();
        taken(client.post(format!("{shop}/v1/events")).json(&click)).await?;
        let answered = Instant::now();
        sent.push(SentClick { id, at, answered });
    }
    Ok(sent)
}
