//! Arrival: from the moment a client sends a click to the moment SQL sees its row, in one
//! process on the embedded topic, and what that process weighs before and after. Once in
//! `clicks`, with batches and crawls of a second and no other clicks; and once (L1) in
//! `clicks_live`, with the defaults, while many others come.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::clickweir::Place;
use tests::usage;
use tokio::time::{Instant, interval, sleep};

use crate::others::{Others, taken};
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
}

/// Sends so many clicks in each run, both ways.
pub(crate) async fn run(clicks: u32, rate: u64, runs: usize, table: &mut Table) -> Result<()> {
    let lake = Way {
        bench: "arrival",
        backend: "embedded topic, a folder; sink.max_age and catalog.every 1s",
        table: "clicks",
        age: "1s",
        rate: 0,
    };
    let live = Way {
        bench: "L1",
        backend: "embedded topic, a folder; the defaults, and other clicks meanwhile",
        table: "clicks_live",
        age: "10s",
        rate,
    };
    for way in [lake, live] {
        let mut entry = Entry {
            bench: way.bench,
            who: "clickweir up",
            counted: "none",
            pinned: "nothing",
            backend: way.backend,
            acknowledged: "202 after a group-committed fsync",
            runs: Vec::new(),
        };
        for turn in 1..=runs {
            entry.note(turn, once(clicks, &way).await?);
        }
        table.entries.push(entry);
    }
    Ok(())
}

async fn once(clicks: u32, way: &Way) -> Result<Vec<Figure>> {
    let place = Place::new()?
        .with("SINK__MAX_AGE", way.age)
        .with("CATALOG__EVERY", way.age);
    let up = place.up(&[])?;
    sleep(REST).await;
    let idle = usage::memory(up.process.id())?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let others = Others::start(&client, &up.shop, way.rate);
    let sending = tokio::spawn(send(client.clone(), up.shop.clone(), clicks));

    let mut seen: HashMap<String, Instant> = HashMap::new();
    let question = json!({ "sql": format!(
        "SELECT event_id::VARCHAR FROM {} WHERE action = 'probe' ORDER BY received_at DESC LIMIT 200",
        way.table
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
    let after = usage::memory(up.process.id())?;
    let others = others.end().await?;
    let mut took: Vec<f64> = sent
        .iter()
        .map(|(id, at)| seen[id].duration_since(*at).as_secs_f64())
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    let of = |value, of| Figure { value, of };
    Ok(vec![
        of(at(50) * 1e3, "ms p50"),
        of(at(99) * 1e3, "ms p99"),
        of(others.rate, "other clicks/s"),
        of(idle, "MB resident when idle"),
        of(after, "MB after"),
    ])
}

/// Sends clicks, and returns when each was sent.
async fn send(
    client: reqwest::Client,
    shop: String,
    clicks: u32,
) -> Result<Vec<(String, Instant)>> {
    let mut sent = Vec::new();
    let mut turns = interval(EVERY);
    for number in 0..clicks {
        turns.tick().await;
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let click = json!({ "id": id, "action": "probe", "visitor_id": format!("v{number}") });
        sent.push((id, Instant::now()));
        taken(client.post(format!("{shop}/v1/events")).json(&click)).await?;
    }
    Ok(sent)
}
