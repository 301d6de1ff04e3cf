//! `clicks_live`: a click is in SQL at once and only once, before the lake has it.

mod same;

use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Up};
use tests::clients::{Clients, post};
use tests::cluster::{Cluster, Role};
use tests::{kafka, real, s3};
use tokio::time::{Instant, sleep};
use topic::clock;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
/// How late a row may be on a busy machine; the page promises a second.
const LATE: Duration = Duration::from_secs(10);
const COUNT: &str = "SELECT count(*), count(DISTINCT (partition, \"offset\")),
    count(DISTINCT event_id) FROM clicks_live";

/// How many clicks cross the boundary at least: `CLICKWEIR_ROWS` for more.
fn clicks() -> usize {
    let asked = real::env("CLICKWEIR_ROWS").and_then(|rows| rows.parse().ok());
    asked.unwrap_or(4_000)
}

/// Asks a dashboard's API; returns the whole answer.
async fn ask(dashboard: &str, sql: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client
        .post(format!("{dashboard}/api/query"))
        .json(&json!({ "sql": sql }));
    let answer: Value = asked.send().await.unwrap().json().await.unwrap();
    assert!(answer["rows"].is_array(), "{sql}: {answer}");
    answer
}

/// … and the numbers of its first row.
async fn numbers(dashboard: &str, sql: &str) -> Vec<u64> {
    let answer = ask(dashboard, sql).await;
    let cells = answer["rows"][0].as_array().unwrap();
    cells.iter().map(|cell| cell.as_u64().unwrap()).collect()
}

/// Waits until a dashboard's answer begins with that number.
async fn becomes(dashboard: &str, sql: &str, expect: u64) {
    let since = Instant::now();
    loop {
        let found = numbers(dashboard, sql).await[0];
        if found == expect {
            return;
        }
        assert!(
            since.elapsed() < WAIT_TIMEOUT,
            "{found}, not {expect}: {sql}"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// Lets clients send so many clicks while `clicks_live` is queried again and again: no offset is
/// there twice, no id either (clients repeat some), the count never falls and never lags what was
/// acknowledged a while ago; at the end all are there.
async fn crosses(edge: &str, dashboard: &str, clicks: usize) {
    let before = numbers(dashboard, COUNT).await[0];
    let clients = Clients::start(edge, 4, Duration::from_millis(2));
    let mut last = 0;
    let mut told = Vec::new();
    let (mut reads, mut both) = (0, 0);
    while clients.acknowledged() < clicks {
        told.push((Instant::now(), before + clients.acknowledged() as u64));
        let counts = numbers(dashboard, COUNT).await;
        let now = counts[0];
        assert_eq!(counts, [now, now, now], "no row and no id twice");
        assert!(now >= last, "none missing: {now} after {last}");
        let old = told.iter().filter(|(at, _)| at.elapsed() > LATE);
        let due = old.map(|(_, count)| *count).max().unwrap_or_default();
        assert!(
            now >= due,
            "{due} were acknowledged long ago, {now} are there"
        );
        last = now;
        reads += 1;
        let lake = numbers(dashboard, "SELECT count(*) FROM clicks").await[0];
        both += u64::from(0 < lake && lake < now);
    }
    let sent = clients.stop().await;
    let all = before + sent.acknowledged.len() as u64;
    becomes(dashboard, COUNT, all).await;
    assert!(sent.repeated > 0, "some were sent twice");
    assert!(both > 2, "{both} of {reads} reads found rows on both sides");
    // When the lake has all, nothing has changed.
    becomes(dashboard, "SELECT count(*) FROM clicks", all).await;
    assert_eq!(numbers(dashboard, COUNT).await, [all, all, all]);
    println!("{all} clicks, {reads} reads, {both} of them across the boundary");
}

/// How long a click takes to SQL among others; the lake has none of them yet.
async fn arrives(edge: &str, dashboard: &str) -> Duration {
    let mut took = Vec::new();
    let hour = clock::system().now().hour();
    for number in 0..9 {
        let id = format!("0190cccc-0000-7000-8000-{number:012}");
        let count = format!("SELECT count(*) FROM clicks_live WHERE event_id = '{id}'");
        let click = json!({ "id": id, "action": "view", "visitor_id": "v" }).to_string();
        let since = Instant::now();
        assert_eq!(post(edge, click).await.0, 202);
        becomes(dashboard, &count, 1).await;
        took.push(since.elapsed());
    }
    let lake = numbers(dashboard, "SELECT count(*) FROM clicks").await[0];
    // A new hour is a new object, so that the one before is committed.
    if clock::system().now().hour() == hour {
        assert_eq!(lake, 0, "the lake takes its time");
    }
    took.sort_unstable();
    println!("from the click to SQL: {took:?}");
    took[took.len() / 2]
}

fn slow(place: Place) -> Place {
    place
        .with("SINK__MAX_AGE", "30s")
        .with("CATALOG__EVERY", "30s")
}

#[tokio::test]
async fn a_click_is_in_sql_within_a_second_while_its_object_stays_open() {
    let place = slow(Place::new().unwrap());
    let up = place.up(&[]).unwrap();
    // The tail begins with the lake's ledger.
    let begun = "SELECT count(*) FROM tail";
    becomes(&up.dashboard, begun, 4).await;
    let took = arrives(&up.shop, &up.dashboard).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    let per_minute = "SELECT sum(clicks)::UBIGINT FROM clicks_per_minute WHERE action = 'view'";
    assert_eq!(numbers(&up.dashboard, per_minute).await, [9]);
    assert!(up.process.end().unwrap());
    let alone = place.run(&["query", "SELECT count(*) FROM clicks_live"]);
    let said = String::from_utf8_lossy(&alone.unwrap().stderr).into_owned();
    assert!(
        said.contains("no tail runs"),
        "who has no tail says it: {said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_cross_from_the_tail_into_the_lake_and_are_there_once_all_the_while() {
    let mut place = Place::new().unwrap();
    if clicks() > 100_000 {
        // Some hundred objects, not ten thousand: each query reads all of them.
        place = place.with("SINK__MAX_AGE", "5s");
    }
    let up = place.up(&[]).unwrap();
    crosses(&up.shop, &up.dashboard, clicks()).await;
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn a_retry_whose_twin_the_lake_has_is_no_row_of_the_tail() {
    let place = Place::new().unwrap().with("CATALOG__EVERY", "30s");
    let mut up = place.up(&[]).unwrap();
    let click = r#"{"id":"0190dddd-0000-7000-8000-000000000001","action":"view","visitor_id":"v"}"#;
    let sends = async |up: &Up, seen: u64| {
        assert_eq!(post(&up.shop, click).await.0, 202);
        // The tail has seen it, whether or not the lake has it by now.
        let ends = "SELECT coalesce(sum(tail_end), 0)::UBIGINT FROM tail";
        becomes(&up.dashboard, ends, seen).await;
        assert_eq!(numbers(&up.dashboard, COUNT).await, [1, 1, 1]);
    };
    sends(&up, 1).await;
    // A commit is crawled at once, whatever catalog.every says.
    becomes(&up.dashboard, "SELECT count(*) FROM clicks", 1).await;
    sends(&up, 2).await;
    // A new tail reads the window's range again.
    assert!(up.process.end().unwrap());
    up = place.up(&[]).unwrap();
    sends(&up, 3).await;
    becomes(
        &up.dashboard,
        "SELECT count(*) FROM objects WHERE \"end\" = 3",
        1,
    )
    .await;
    assert_eq!(numbers(&up.dashboard, COUNT).await, [1, 1, 1]);
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_tail_says_from_when_it_is_complete() {
    let place = Place::new()
        .unwrap()
        .with("SINK__MAX_AGE", "5s")
        .with("CATALOG__TAIL_MEMORY", "256KiB");
    let up = place.up(&[]).unwrap();
    let clients = Clients::start(&up.shop, 2, Duration::from_millis(2));
    let since = Instant::now();
    let from = "SELECT count(*) FROM tail WHERE complete_from IS NOT NULL";
    let note = loop {
        let answer = ask(&up.dashboard, COUNT).await;
        // The lake may catch up between the two queries.
        let cut = numbers(&up.dashboard, from).await[0];
        if let (Some(note), true) = (answer["note"].as_str(), cut > 0) {
            break note.to_owned();
        }
        assert!(since.elapsed() < WAIT_TIMEOUT, "it is never full: {answer}");
    };
    assert!(note.contains("clicks_live is complete up to"), "{note}");
    let sent = clients.stop().await;
    becomes(&up.dashboard, COUNT, sent.acknowledged.len() as u64).await;
    let answer = ask(&up.dashboard, COUNT).await;
    assert_eq!(answer["note"], Value::Null, "the lake has all");
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_dashboard_apart_a_click_is_in_sql_within_a_second_and_once() {
    let Some(cluster) = Cluster::shared("live").await else {
        return;
    };
    cluster.prepare().unwrap();
    let edge = Role::edge(cluster.place()).unwrap();
    let transformer = Role::transformer(slow(cluster.place())).unwrap();
    let mut dashboard = Role::dashboard(cluster.place()).unwrap();
    becomes(&dashboard.url, "SELECT count(*) FROM tail", 4).await;
    let took = arrives(&edge.url, &dashboard.url).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(transformer.process.end().unwrap(), "it commits what it has");
    let transformers = [cluster.place(), cluster.place()].map(Role::transformer);
    becomes(&dashboard.url, "SELECT count(*) FROM clicks", 9).await;
    crosses(&edge.url, &dashboard.url, clicks() / 2).await;
    // Killed in the middle, it reads the window's range again, and the records that its catalog
    // lacks.
    let before = numbers(&dashboard.url, COUNT).await[0];
    let click = |number: u64| {
        let id = format!("0190eeee-0000-7000-8000-{number:012}");
        json!({ "id": id, "action": "view", "visitor_id": format!("v{number}") }).to_string()
    };
    const HALF: u64 = 50;
    for number in 0..HALF {
        assert_eq!(post(&edge.url, click(number)).await.0, 202);
    }
    dashboard.process.kill().unwrap();
    dashboard.start_again().unwrap();
    for number in 0..HALF * 2 {
        assert_eq!(
            post(&edge.url, click(number)).await.0,
            202,
            "half are retries"
        );
    }
    let all = before + HALF * 2;
    becomes(&dashboard.url, COUNT, all).await;
    assert_eq!(numbers(&dashboard.url, COUNT).await, [all, all, all]);
    for role in transformers {
        assert!(role.unwrap().process.end().unwrap());
    }
    assert!(dashboard.process.end().unwrap());
}

/// Waits until so many clicks are acknowledged.
async fn acknowledged(clients: &Clients, count: usize) {
    let since = Instant::now();
    while clients.acknowledged() < count {
        assert!(since.elapsed() < WAIT_TIMEOUT, "{}", clients.acknowledged());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_whose_broker_is_killed_goes_on_and_misses_and_doubles_nothing() {
    const SOME: usize = 300;
    let (Some(mut kafka), Some(s3)) = (kafka::start().await, s3::shared().await) else {
        return;
    };
    if !kafka.is_own() {
        return;
    }
    let cluster = Cluster::on(&kafka, s3, "tail");
    cluster.prepare().unwrap();
    let edge = Role::edge(cluster.place()).unwrap();
    let transformer = Role::transformer(slow(cluster.place())).unwrap();
    let dashboard = Role::dashboard(cluster.place()).unwrap();
    becomes(&dashboard.url, "SELECT count(*) FROM tail", 4).await;
    let clients = Clients::start(&edge.url, 4, Duration::from_millis(5));
    acknowledged(&clients, SOME).await;
    // The tail reads when it is killed, however late it began.
    let since = Instant::now();
    let before = loop {
        let before = numbers(&dashboard.url, COUNT).await[0];
        if before > 0 {
            break before;
        }
        assert!(since.elapsed() < WAIT_TIMEOUT, "the tail shows nothing");
        sleep(Duration::from_millis(20)).await;
    };
    kafka.kill(0);
    kafka.revive(0).await.unwrap();
    acknowledged(&clients, clients.acknowledged() + SOME).await;
    let sent = clients.stop().await;
    let all = sent.acknowledged.len() as u64;
    becomes(&dashboard.url, COUNT, all).await;
    assert_eq!(numbers(&dashboard.url, COUNT).await, [all, all, all]);
    assert!(before < all, "{before} of {all} came before");
    // A member commits what it has read. It may join its group again later than the tail does,
    // so the rest is for the next one.
    assert!(transformer.process.end().unwrap(), "it commits what it has");
    let transformer = Role::transformer(cluster.place()).unwrap();
    becomes(&dashboard.url, "SELECT count(*) FROM clicks", all).await;
    assert!(transformer.process.end().unwrap());
    assert_eq!(numbers(&dashboard.url, COUNT).await, [all, all, all]);
    assert!(dashboard.process.end().unwrap());
    assert!(edge.process.end().unwrap());
}
