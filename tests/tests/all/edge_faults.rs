//! Faults between the edge and its topic: a 2xx is durable, and a click without one is sent again
//! and is in the lake once.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use serde_json::json;
use tests::clients::{Clients, post};
use tests::cluster::{Cluster, Role};
use tests::kafka;
use tests::proxy::{Link, Proxy};
use tests::{s3, usage};
use tokio::time::{Instant, sleep};

/// `topic.append_timeout` of these edges.
const APPEND: Duration = Duration::from_secs(2);
/// How much longer an answer may take on a loaded machine.
const SLACK: Duration = Duration::from_secs(4);
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// An edge that reaches the broker through a proxy, and all roles behind it.
struct Stage {
    cluster: Cluster,
    proxy: &'static Proxy,
    edge: Role,
    worker: Role,
    dashboard: Role,
}

impl Stage {
    async fn new(name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let (kafka, proxy) = kafka::shared_behind().await?;
        let cluster = Cluster::on(kafka, s3::shared().await?, name);
        let cluster = cluster.with("TOPIC__APPEND_TIMEOUT", &format!("{}s", APPEND.as_secs()));
        let cluster = settings
            .iter()
            .fold(cluster, |cluster, (key, value)| cluster.with(key, value));
        cluster.prepare().unwrap();
        Some(Self {
            edge: Role::edge(cluster.behind(proxy)).unwrap(),
            worker: Role::transformer(cluster.place()).unwrap(),
            dashboard: Role::dashboard(cluster.place()).unwrap(),
            cluster,
            proxy,
        })
    }

    /// Sends a click until it is acknowledged, as a client does.
    async fn retry(&self, click: &str) {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while post(&self.edge.url, click.to_owned()).await.0 != 202 {
            assert!(Instant::now() < deadline, "it is taken in the end");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The lake holds the click once, and counted so many duplicates of it.
    async fn once(self, id: &str, duplicates: u64) {
        let place = &self.dashboard.place;
        let verdict = place.settled().await.unwrap();
        assert_eq!(verdict["duplicates"], duplicates, "{verdict}");
        place.proves(&[id.to_owned()]).unwrap();
        assert!(self.edge.process.end().unwrap());
        assert!(self.worker.process.end().unwrap());
        assert!(self.dashboard.process.end().unwrap());
    }
}

fn click(id: &str) -> String {
    json!({ "id": id, "visitor_id": "v", "action": "view" }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_01_an_edge_killed_before_the_append_has_promised_nothing() {
    let Some(mut stage) = Stage::new("fault-01", &[]).await else {
        return;
    };
    let (warm, lost) = ("fault-01-warm", "fault-01-lost");
    stage.retry(&click(warm)).await;
    stage.proxy.set(Link::Stall);
    let (url, body) = (stage.edge.url.clone(), click(lost));
    let asked = tokio::spawn(
        reqwest::Client::new()
            .post(format!("{url}/v1/events"))
            .body(body)
            .send(),
    );
    sleep(APPEND / 4).await;
    assert!(!asked.is_finished(), "no answer before the topic has it");
    stage.edge.process.kill().unwrap();
    assert!(asked.await.unwrap().is_err(), "no 2xx was sent");
    // Requests in flight are lost with the connection.
    stage.proxy.set(Link::Reset);
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while stage.proxy.cut() == 0 {
        assert!(Instant::now() < deadline, "the connection is cut");
        sleep(Duration::from_millis(20)).await;
    }
    stage.proxy.set(Link::Pass);
    assert_eq!(
        stage
            .cluster
            .place()
            .must(&["topic"])
            .unwrap()
            .matches("0..0")
            .count(),
        stage.cluster.partitions() - 1,
        "only the click before it is in the topic"
    );
    stage.edge.start_again().unwrap();
    stage.retry(&click(lost)).await;
    stage.once(lost, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_02_an_edge_killed_between_append_and_answer_leaves_one_click() {
    let Some(mut stage) = Stage::new("fault-02", &[]).await else {
        return;
    };
    let (warm, twice) = ("fault-02-warm", "fault-02-twice");
    stage.retry(&click(warm)).await;
    // A request on the open connection comes through, its reply does not.
    stage.proxy.set(Link::DropReply);
    let (url, body) = (stage.edge.url.clone(), click(twice));
    let asked = tokio::spawn(
        reqwest::Client::new()
            .post(format!("{url}/v1/events"))
            .body(body)
            .send(),
    );
    appended(&stage, 2).await;
    assert!(!asked.is_finished(), "the edge does not know of it");
    stage.edge.process.kill().unwrap();
    assert!(asked.await.unwrap().is_err(), "no answer was sent");
    stage.proxy.set(Link::Pass);
    stage.edge.start_again().unwrap();
    stage.retry(&click(twice)).await;
    stage.once(twice, 1).await;
}

/// Waits until the topic holds so many records.
async fn appended(stage: &Stage, count: u64) {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let verdict = stage.dashboard.place.audit().unwrap();
        if verdict["acknowledged"] == count {
            return;
        }
        assert!(Instant::now() < deadline, "{count} records: {verdict}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_06_a_lost_reply_to_an_append_is_503_and_the_retry_meets_its_twin() {
    let Some(stage) = Stage::new("fault-06", &[]).await else {
        return;
    };
    let (warm, twice) = ("fault-06-warm", "fault-06-twice");
    stage.retry(&click(warm)).await;
    stage.proxy.set(Link::DropReply);
    let since = Instant::now();
    let (status, answer) = post(&stage.edge.url, click(twice)).await;
    assert_eq!(status, 503, "{answer}");
    assert!(since.elapsed() < APPEND + SLACK, "{:?}", since.elapsed());
    assert!(stage.proxy.cut() > 0, "a reply was dropped");
    appended(&stage, 2).await;
    stage.proxy.set(Link::Pass);
    stage.retry(&click(twice)).await;
    stage.once(twice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_04_a_stalled_topic_is_503_in_time_and_memory_stays_flat() {
    let settings = [("TOPIC__QUEUE", "1MiB"), ("PRODUCER__MAX_HELD", "8MiB")];
    let Some(stage) = Stage::new("fault-04", &settings).await else {
        return;
    };
    stage.retry(&click("fault-04-warm")).await;
    let before = usage::memory(stage.edge.process.id()).unwrap();
    stage.proxy.set(Link::Stall);
    let client = reqwest::Client::new();
    let mut asked = tokio::task::JoinSet::new();
    let note = "x".repeat(50_000);
    for number in 0..400 {
        // 0.2 MB each, 80 MB together: eighty times the queue's limit.
        let clicks: Vec<_> = (0..4)
            .map(|one| json!({ "id": format!("fault-04-{number}-{one}"), "note": note }))
            .collect();
        let request = client
            .post(format!("{}/v1/events", stage.edge.url))
            .json(&clicks);
        asked.spawn(async move {
            let since = Instant::now();
            (request.send().await, since.elapsed())
        });
        if number % 20 == 19 {
            sleep(Duration::from_millis(100)).await;
        }
    }
    let mut slowest = Duration::ZERO;
    while let Some(done) = asked.join_next().await {
        let (answer, took) = done.unwrap();
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key(RETRY_AFTER));
        slowest = slowest.max(took);
    }
    let grown = usage::peak(stage.edge.process.id()).unwrap() - before;
    println!(
        "400 requests of 0.2 MB at a stalled topic: slowest 503 {slowest:?}, memory +{grown:.0} MB"
    );
    assert!(slowest < APPEND + SLACK, "{slowest:?}");
    assert!(
        grown < 48.0,
        "held, queued and copied on the way: +{grown:.0} MB"
    );
    stage.proxy.set(Link::Pass);
    let last = click("fault-04-last");
    stage.retry(&last).await;
    stage.once("fault-04-last", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_05_a_broker_that_is_stopped_is_503_and_found_again() {
    /// How long the broker is stopped: longer than every time-out on the way to it.
    const AWAY: Duration = Duration::from_secs(30);
    let (Some(kafka), Some(s3)) = (kafka::start_behind(&[]).await, s3::shared().await) else {
        return;
    };
    let cluster = Cluster::on(&kafka, s3, "fault-05").with("TOPIC__APPEND_TIMEOUT", "2s");
    let roles = cluster.start(1).unwrap();
    let clients = Clients::start(&roles.producer.url, 2, Duration::from_millis(20));
    cluster.all_commit("the start").await.unwrap();
    kafka.signal(0, "STOP").unwrap();
    let since = Instant::now();
    let mut slowest = Duration::ZERO;
    while since.elapsed() < AWAY {
        let asked = Instant::now();
        let (status, answer) = post(&roles.producer.url, click("fault-05-refused")).await;
        assert_eq!(status, 503, "{answer}");
        // Requests whose append is under way wait for its time-out; later ones are refused at once.
        if since.elapsed() > 4 * APPEND + SLACK {
            slowest = slowest.max(asked.elapsed());
        }
        sleep(Duration::from_millis(500)).await;
    }
    kafka.signal(0, "CONT").unwrap();
    let (since, before) = (Instant::now(), clients.acknowledged());
    while clients.acknowledged() == before {
        assert!(
            since.elapsed() < WAIT_TIMEOUT,
            "the edge finds the broker again"
        );
        sleep(Duration::from_millis(50)).await;
    }
    println!(
        "a 503 took at most {slowest:?}; acknowledged again after {:?}",
        since.elapsed()
    );
    assert!(
        slowest < Duration::from_secs(1),
        "told at once: {slowest:?}"
    );
    cluster.all_commit("the broker is back").await.unwrap();
    let sent = clients.stop().await;
    roles.dashboard.place.settled().await.unwrap();
    roles.dashboard.place.proves(&sent.acknowledged).unwrap();
    roles.end().unwrap();
}
