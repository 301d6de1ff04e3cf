//! A click's way on a real Kafka and a real S3 server, with every role in a process of its own.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::clickweir::Process;
use tests::clients::{Clients, post};
use tests::cluster::{Cluster, Role};
use tests::commits::told;
use tests::{kafka, real, s3};
use tokio::time::{Instant, sleep};

use crate::imports::imports_online_retail;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_a_click_is_the_same_on_a_cluster() {
    if let Some(cluster) = Cluster::shared("way").await {
        goes_its_way(&cluster).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_a_click_is_the_same_on_a_cluster_with_minio() {
    if let (Some(kafka), Some(minio)) = (kafka::shared().await, s3::minio().await) {
        goes_its_way(&Cluster::on(kafka, minio, "way-minio")).await;
    }
}

/// Sends clicks through a producer and two transformers, and finds them in SQL, in the topic, in
/// the audit and in another catalog.
async fn goes_its_way(cluster: &Cluster) {
    let roles = cluster.start(2).unwrap();
    cluster.prepare().unwrap();
    let click = r#"{"id":"0190bbbb-0000-7000-8000-000000000001","action":"buy","product_id":"mug","visitor_id":"v1","quantity":2}"#;
    for body in [click, click, r#"[{"action":"view","visitor_id":"v2"},42]"#] {
        assert_eq!(post(&roles.producer.url, body).await.0, 202, "{body}");
    }
    let verdict = roles.dashboard.place.settled().await.unwrap();
    let count = |key: &str| verdict[key].as_u64().unwrap();
    assert_eq!(
        [
            "acknowledged",
            "rows",
            "dead_letters",
            "duplicates",
            "lost",
            "doubled"
        ]
        .map(count),
        [4, 2, 1, 1, 0, 0],
        "invariant 4: {verdict}"
    );
    assert_eq!(
        roles
            .dashboard
            .place
            .ask("SELECT sum(quantity) FROM clicks")
            .unwrap(),
        json!(2)
    );
    // Each row's record is where the row says, and holds what the client sent.
    let row = "SELECT \"partition\" || ' ' || \"offset\" FROM clicks WHERE action = 'buy'";
    let row = roles.dashboard.place.ask(row).unwrap();
    let (partition, offset) = row.as_str().unwrap().split_once(' ').unwrap();
    let end = (offset.parse::<u64>().unwrap() + 1).to_string();
    let read = [
        "topic",
        "read",
        "--partition",
        partition,
        "--from-offset",
        offset,
        "--to-offset",
        &end,
    ];
    let record: Value = serde_json::from_str(&roles.dashboard.place.must(&read).unwrap()).unwrap();
    let said: Value = serde_json::from_str(click).unwrap();
    assert_eq!(
        (&record["offset"].to_string()[..], &record["value"]["click"]),
        (offset, &said)
    );
    // A new catalog of another process is equal: in this place no process owns one yet.
    let elsewhere = cluster.place();
    let sum =
        "SELECT count(*) || '/' || bit_xor(hash(event_id, \"offset\", occurred_at)) FROM clicks";
    assert_eq!(
        elsewhere.ask(sum).unwrap(),
        roles.dashboard.place.ask(sum).unwrap(),
        "invariant 6"
    );
    assert!(elsewhere.must(&["audit"]).unwrap().contains("clean"));
    for (place, role) in [
        (&roles.transformers[0].place, "transformer"),
        (&roles.dashboard.place, "crawl"),
    ] {
        place.must(&["health", role]).unwrap();
    }
    roles.end().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn online_retail_is_in_the_lake_whole_and_once_on_a_cluster() {
    let Some(cluster) = Cluster::shared("retail").await else {
        return;
    };
    let roles = cluster.with("SINK__MAX_AGE", "2s").start(2).unwrap();
    imports_online_retail(&roles.dashboard.place).await;
    let cpu = |process: &Process| process.cpu().unwrap();
    let transformers = roles.transformers.iter();
    println!(
        "transformers: {:?} CPU-seconds, dashboard: {}",
        transformers
            .map(|one| cpu(&one.process))
            .collect::<Vec<_>>(),
        cpu(&roles.dashboard.process)
    );
    roles.end().unwrap();
}

/// How many kills a run makes; `CLICKWEIR_KILLS` asks for more.
fn kills() -> usize {
    real::env("CLICKWEIR_KILLS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(6)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_16_members_killed_frozen_and_sent_home_lose_and_double_nothing() {
    let Some(cluster) = Cluster::shared("kills").await else {
        return;
    };
    let cluster = cluster.with("SINK__MAX_AGE", "300ms");
    let mut roles = cluster.start(2).unwrap();
    let clients = Clients::start(&roles.producer.url, 4, Duration::from_millis(20));
    cluster.all_commit("the start").await.unwrap();
    let mut choices = StdRng::seed_from_u64(16);
    let (mut restarts, mut failovers) = (Vec::new(), Vec::new());
    for kill in 0..kills() {
        sleep(Duration::from_millis(choices.random_range(50..2_000))).await;
        let member = &mut roles.transformers[kill % 2];
        member.process.kill().unwrap();
        let before = cluster.newest().await.unwrap();
        let since = Instant::now();
        match kill % 3 {
            0 => {
                let by = "by the other member";
                cluster.commit_since(&before, by).await.unwrap();
                failovers.push(since.elapsed());
                member.start_again().unwrap();
            }
            1 => {
                member.start_again().unwrap();
                let why = "after a restart";
                cluster.commit_since(&before, why).await.unwrap();
                restarts.push(since.elapsed());
            }
            // Sometimes the next kill comes while the group still rebalances.
            _ => member.start_again().unwrap(),
        }
    }
    cluster.all_commit("after the kills").await.unwrap();
    for frozen in 0..2 {
        let member = &mut roles.transformers[frozen];
        member.process.signal("STOP").unwrap();
        // It waits for the session time-out, or else the killed member's partitions would not go
        // on.
        cluster.all_commit("while one is frozen").await.unwrap();
        member.process.signal("CONT").unwrap();
        cluster.all_commit("when it was woken").await.unwrap();
    }
    let home = roles.transformers.remove(0);
    assert!(
        home.process.end().unwrap(),
        "a member that is sent home ends in order"
    );
    let handed_over = cluster.all_commit("without who was sent home").await;
    let back = Role::transformer(home.place).unwrap();
    roles.transformers.push(back);
    cluster.all_commit("when it is back").await.unwrap();
    let sent = clients.stop().await;
    let count = sent.acknowledged.len();
    assert!(count > 1_000, "the clients got through: {count}");
    roles.dashboard.place.settled().await.unwrap();
    roles.dashboard.place.proves(&sent.acknowledged).unwrap();
    println!(
        "{} kills, 2 freezes, {count} clicks, {} requests repeated, {} retried; lost 0, doubled 0",
        kills(),
        sent.repeated,
        sent.retried
    );
    println!(
        "from a start to the next commit of all: {}",
        told(&restarts)
    );
    println!(
        "from a kill to the others' commit of all: {}",
        told(&failovers)
    );
    println!("after a member was sent home: {handed_over:?}");
    roles.end().unwrap();
}
