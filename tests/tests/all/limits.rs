//! Limits: file descriptors, memory, a consumer that falls behind.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tests::clickweir::Place;
use tests::clients::{Clients, post};
use tests::cluster::{Cluster, Role};
use tests::{kafka, real, usage};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// How many more descriptors the edge may open, and how many clients come.
const FREE_DESCRIPTORS: usize = 20;
const IDLE_CONNECTIONS: usize = 2 * FREE_DESCRIPTORS;

/// Sends to the edge over an open connection; returns the answer's status.
async fn sends(client: &reqwest::Client, edge: &str) -> u16 {
    let request = client
        .post(format!("{edge}/v1/events"))
        .body(r#"{"action":"view"}"#);
    request
        .send()
        .await
        .expect("who is connected is answered")
        .status()
        .as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_38_an_edge_out_of_file_descriptors_serves_who_is_there_and_recovers() {
    let place = Place::new().unwrap();
    let edge = Role::edge(place).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(sends(&client, &edge.url).await, 202);
    // The folder of its descriptors shows how many are open.
    let pid = edge.process.id();
    let open = || {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .count()
    };
    let limit = open() + FREE_DESCRIPTORS;
    let limited = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--nofile={limit}:")])
        .output();
    let why_not = match limited {
        Ok(said) if said.status.success() => None,
        Ok(said) => Some(String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        Err(error) => Some(format!("prlimit: {error}")),
    };
    if !real::have("prlimit", why_not) {
        return;
    }
    let address = edge.url.strip_prefix("http://").unwrap();
    // Twice as many as it can accept: each round of idle connections is closed after 5 s.
    let mut idle = Vec::new();
    for _ in 0..IDLE_CONNECTIONS {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let since = Instant::now();
    while open() < limit {
        assert!(
            since.elapsed() < WAIT_TIMEOUT,
            "{} of {limit} are open",
            open()
        );
        sleep(Duration::from_millis(20)).await;
    }
    // The embedded topic may need a file at this moment: then it says so, and takes nothing.
    let status = sends(&client, &edge.url).await;
    assert!([202, 503].contains(&status), "{status}");
    let cpu = edge.process.cpu().unwrap();
    sleep(Duration::from_secs(2)).await;
    let spent = edge.process.cpu().unwrap() - cpu;
    assert!(
        spent < 1.0,
        "it does not spin while it cannot accept: {spent} s of 2 s"
    );
    // Every client gets its turn.
    for stream in &mut idle {
        let mut told = Vec::new();
        let turn = tokio::time::timeout(WAIT_TIMEOUT, stream.read_to_end(&mut told));
        let _ended = turn.await.expect("each is let go in time");
    }
    // A topic that was refused a file is opened again after a back-off; until then the edge
    // says so.
    let since = Instant::now();
    loop {
        let (status, answer) = post(&edge.url, r#"{"action":"view"}"#).await;
        if status == 202 {
            break;
        }
        assert_eq!(status, 503, "{answer}");
        assert!(since.elapsed() < WAIT_TIMEOUT, "it recovers: {answer}");
        sleep(Duration::from_millis(100)).await;
    }
    let healthy = client
        .get(format!("{}/readyz", edge.url))
        .send()
        .await
        .unwrap();
    assert!(healthy.status().is_success());
    println!(
        "{limit} descriptors, {IDLE_CONNECTIONS} idle connections: {spent:.2} s of CPU in 2 s"
    );
    assert!(edge.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_38_two_hundred_and_fifty_six_busy_partitions_keep_to_one_budget() {
    const PARTITIONS: usize = 256;
    const CLICKS: usize = 200_000;
    /// The bytes of one body.
    const BODY: usize = 2_000;
    let Some(cluster) = Cluster::shared("wide").await else {
        return;
    };
    // Every batch stays open, so that all of them are held at once; the budget is a third of
    // the default, so that these clicks are more than it.
    let cluster = cluster
        .with_partitions(PARTITIONS)
        .with("SINK__MAX_AGE", "20s")
        .with("SINK__MAX_MEMORY", "32MiB")
        .with("TRANSFORMER__WINDOW", "3m");
    let roles = cluster.start(1).unwrap();
    let worker = roles.transformers[0].process.id();
    sleep(Duration::from_secs(5)).await;
    let before = usage::memory(worker).unwrap();
    let note = "n".repeat(100);
    for body in 0..CLICKS / BODY {
        let clicks: Vec<_> = (body * BODY..(body + 1) * BODY)
            .map(|one| {
                let visitor = format!("visitor-{}", one % 5_000);
                json!({ "id": format!("wide-{one}"), "visitor_id": visitor, "note": note })
            })
            .collect();
        let clicks = serde_json::to_string(&clicks).unwrap();
        let since = Instant::now();
        // So many partitions at once may keep one broker busy for a while.
        while post(&roles.producer.url, clicks.clone()).await.0 != 202 {
            assert!(since.elapsed() < WAIT_TIMEOUT, "it is taken in the end");
        }
    }
    let deadline = Instant::now() + 3 * WAIT_TIMEOUT;
    while roles.dashboard.lag().await != Some(0) {
        assert!(Instant::now() < deadline, "all of it is committed");
        sleep(Duration::from_millis(500)).await;
    }
    let peak = usage::peak(worker).unwrap();
    println!(
        "{PARTITIONS} partitions, {CLICKS} clicks, a budget of 32 MiB: {before:.0} MB before, \
         {peak:.0} MB at most"
    );
    assert!(peak - before < 300.0, "{before:.0} MB became {peak:.0} MB");
    let verdict = roles.dashboard.place.audit().unwrap();
    assert_eq!(
        [&verdict["rows"], &verdict["lost"], &verdict["doubled"]],
        [&json!(CLICKS), &json!(0), &json!(0)],
        "{verdict}"
    );
    roles.end().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_40_a_consumer_that_falls_behind_is_seen_and_catches_up_within_its_memory() {
    let Some(_) = kafka::shared().await else {
        return;
    };
    let Some(cluster) = Cluster::shared("behind").await else {
        return;
    };
    let cluster = cluster
        .with("SINK__MAX_AGE", "300ms")
        .with("SINK__MAX_MEMORY", "4MiB");
    let roles = cluster.start(1).unwrap();
    let clients = Clients::start(&roles.producer.url, 8, Duration::ZERO);
    cluster.all_commit("the start").await.unwrap();
    let worker = &roles.transformers[0].process;
    let before = usage::memory(worker.id()).unwrap();
    worker.signal("STOP").unwrap();
    let (since, acknowledged) = (Instant::now(), clients.acknowledged());
    while clients.acknowledged() < acknowledged + 10_000 {
        assert!(
            since.elapsed() < WAIT_TIMEOUT,
            "the edge takes clicks all the same"
        );
        sleep(Duration::from_millis(50)).await;
    }
    while roles.dashboard.lag().await.is_none_or(|lag| lag < 5_000) {
        assert!(since.elapsed() < 2 * WAIT_TIMEOUT, "the lag is reported");
        sleep(Duration::from_millis(100)).await;
    }
    let behind = roles.dashboard.lag().await;
    let page = reqwest::get(format!("{}/metrics", roles.dashboard.url))
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    assert!(
        page.contains("clickweir_freshness_seconds{partition=\"0\"}"),
        "{page}"
    );
    let sent = clients.stop().await;
    worker.signal("CONT").unwrap();
    let since = Instant::now();
    while roles.dashboard.lag().await != Some(0) {
        assert!(since.elapsed() < 2 * WAIT_TIMEOUT, "it catches up");
        sleep(Duration::from_millis(100)).await;
    }
    let grown = usage::peak(worker.id()).unwrap() - before;
    println!(
        "{behind:?} records behind, caught up after {:?}, memory +{grown:.0} MB",
        since.elapsed()
    );
    assert!(grown < 150.0, "+{grown:.0} MB");
    roles.dashboard.place.proves(&sent.acknowledged).unwrap();
    roles.end().unwrap();
}
