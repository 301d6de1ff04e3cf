//! Arrival: from the moment a client sends a click to the moment SQL sees its row, in one
//! process on the embedded topic, and what that process weighs before and after. Once in
//! `clicks`, with batches and crawls of a second and no other clicks; and once (L1) in
//! `clicks_live`, with the defaults, while many others come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::clickweir::Place;
use tests::usage;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use topic::clock;

use crate::clicks::Clicks;
use crate::table::{Entry, Figure, Table};

/// One click every so often; not a whole fraction of a second, so that they come at every
/// point of a batch's age.
const EVERY: Duration = Duration::from_millis(97);
/// How often SQL looks: what a figure may be too large by.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
/// A process that has just started is given so long to come to rest.
const REST: Duration = Duration::from_secs(5);

/// How many clicks a body of the load carries, and how many bodies may be under way.
const BODY: u64 = 100;
const SENDERS: u64 = 8;
/// The load is made for so long at most.
const LONGEST: u64 = 600;

/// Where a click is looked for, and what goes on meanwhile.
struct Way {
    bench: &'static str,
    backend: &'static str,
    table: &'static str,
    /// How old a batch gets, and how often the lake is crawled besides.
    age: &'static str,
    /// Other clicks a second.
    rate: u64,
}

/// Sends so many clicks in each run, one way and the other.
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
    let done = CancellationToken::new();
    let load = load(&client, &up.shop, way.rate, &done);
    let sending = tokio::spawn(send(client.clone(), up.shop.clone(), clicks));

    let mut seen: HashMap<String, Instant> = HashMap::new();
    let question = json!({ "sql": format!(
        "SELECT event_id::VARCHAR FROM {} WHERE action = 'probe' ORDER BY received_at DESC LIMIT 200",
        way.table
    ) });
    let begun = Instant::now();
    while seen.len() < clicks as usize {
        ensure!(
            begun.elapsed() < EVERY * clicks + PATIENCE,
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
    done.cancel();
    let mut others = 0;
    for sender in load {
        others += sender.await??;
    }
    let others = u32::try_from(others)?;
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
        of(
            f64::from(others) / begun.elapsed().as_secs_f64(),
            "other clicks/s",
        ),
        of(idle, "MB resident when idle"),
        of(after, "MB after"),
    ])
}

/// Sends other clicks at that rate until it is `done`; each sender tells how many.
fn load(
    client: &reqwest::Client,
    shop: &str,
    rate: u64,
    done: &CancellationToken,
) -> Vec<JoinHandle<Result<u64>>> {
    let clicks = Arc::new(Clicks::new(rate * LONGEST, clock::system().now()));
    let sender = |number: u64| {
        let (client, shop, done) = (client.clone(), shop.to_owned(), done.clone());
        let clicks = clicks.clone();
        tokio::spawn(async move {
            let mut turns = interval(Duration::from_micros(SENDERS * BODY * 1_000_000 / rate));
            let mut sent = 0;
            while !done.is_cancelled() {
                turns.tick().await;
                let first = (sent * SENDERS + number) * BODY;
                let bodies: Vec<_> = (first..first + BODY)
                    .map(|n| clicks.click(n).json)
                    .collect();
                let request = client.post(format!("{shop}/v1/events"));
                taken(request.body(format!("[{}]", bodies.join(",")))).await?;
                sent += 1;
            }
            Ok(sent * BODY)
        })
    };
    let senders = if rate == 0 { 0 } else { SENDERS };
    (0..senders).map(sender).collect()
}

/// Sends a request that the edge must take.
async fn taken(request: reqwest::RequestBuilder) -> Result<()> {
    let status = request.send().await?.status();
    ensure!(status == 202, "the edge answered {status}");
    Ok(())
}

/// Sends clicks, and gives when each was sent.
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
