//! Retention: what the lake lacks is kept where the topic is ours. Where it is not, the partition
//! stops once retention has passed the lake's end, and only an operator's command lets it go on.

use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Process};
use tests::cluster::Cluster;
use tests::kafka;
use tokio::time::{Instant, sleep};
use topic::{Offset, Partition};

/// An edge's address that takes clicks.
fn address(edge: &str) -> String {
    format!("{edge}/v1/events")
}

/// Sends a click of some 400 bytes, and returns the status of the answer.
async fn send(client: &reqwest::Client, url: &str, number: usize) -> u16 {
    let body = json!({ "id": format!("n-{number}"), "visitor_id": "v", "note": "x".repeat(300) });
    let sent = client.post(url).body(body.to_string()).send().await;
    sent.unwrap().status().as_u16()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_topic_at_its_bound_refuses_clicks_until_the_lake_has_what_it_holds() {
    let place = Place::new()
        .unwrap()
        .with("TOPIC__PARTITIONS", "1")
        .with("TOPIC__RETENTION_SIZE", "16KiB");
    let client = client();
    // The edge alone: the lake has nothing.
    let mut edge = Process::start(&place, &["producer"]).unwrap();
    let url = edge.line_after("edge on ").unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        match send(&client, &address(&url), acknowledged).await {
            202 => acknowledged += 1,
            status => break status,
        }
        assert!(acknowledged < 200, "80 kB are far over the bound");
    };
    assert!(
        refused == 503 && acknowledged > 20,
        "{refused} after {acknowledged}"
    );
    let ready = client.get(format!("{url}/readyz")).send().await.unwrap();
    let why = ready.text().await.unwrap();
    assert!(why.contains("the lake lacks its oldest records"), "{why}");
    assert!(edge.end().unwrap());

    let up = place.up(&[]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let url = address(&up.shop);
    while send(&client, &url, acknowledged).await != 202 {
        assert!(
            Instant::now() < deadline,
            "the lake has them, so there is room"
        );
        sleep(Duration::from_millis(100)).await;
    }
    acknowledged += 1;
    // Now and then the topic is full again, until the lake is that far.
    for number in acknowledged..acknowledged + 100 {
        while send(&client, &url, number).await != 202 {
            assert!(Instant::now() < deadline, "there is room again");
            sleep(Duration::from_millis(100)).await;
        }
    }
    let verdict = place.settled().await.unwrap();
    let all = acknowledged + 100;
    assert_eq!(
        [&verdict["rows"], &verdict["lost"], &verdict["doubled"]],
        [&json!(all), &json!(0), &json!(0)],
        "{verdict}"
    );
    let said = place.must(&["topic"]).unwrap();
    let (_, offsets) = said.split_once("partition 0: offsets ").unwrap();
    let low: usize = offsets.split("..").next().unwrap().parse().unwrap();
    assert!(
        low > all - 80,
        "what the lake has is dropped at the bound: {said}"
    );
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_13_retention_passed_the_lakes_end_and_an_operator_accepts_the_gap() {
    let Some(cluster) = Cluster::shared("gap").await else {
        return;
    };
    let kafka = kafka::shared().await.expect("the cluster has it");
    let cluster = cluster.with_partitions(1);
    cluster.prepare().unwrap();
    let place = cluster.place();
    place.must(&["up", "--visitors", "1", "--once"]).unwrap();
    let end = place.settled().await.unwrap()["acknowledged"]
        .as_u64()
        .unwrap();

    // The edge alone: the lake does not change while the topic moves on.
    let mut edge = Process::start(&place, &["producer"]).unwrap();
    let url = edge.line_after("edge on ").unwrap();
    let client = client();
    for number in 0..40 {
        assert_eq!(send(&client, &address(&url), number).await, 202);
    }
    assert!(edge.end().unwrap());
    let low = Offset(end + 20);
    let trimmed = kafka.trim(cluster.topic(), Partition(0), low).await;
    trimmed.unwrap();

    let up = place.up(&[]).unwrap();
    let verdict = place.audit().unwrap();
    assert!(verdict["lost"].as_u64().unwrap() > 0, "{verdict}");
    assert!(
        verdict["findings"].to_string().contains("left the topic"),
        "{verdict}"
    );
    assert!(
        verdict["findings"]
            .to_string()
            .contains("clickweir gap accept --partition 0"),
        "{verdict}"
    );
    let said = place.must(&["gap", "accept", "--partition", "0"]).unwrap();
    assert!(said.contains("is accepted"), "{said}");
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["pending"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    let said = place.must(&["audit", "--deep"]).unwrap();
    assert!(said.contains("clean"), "{said}");
    let shown = client.get(format!("{}/api/accounting", up.dashboard));
    let shown: Value = shown.send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["adds_up"], json!(true), "{shown}");
    assert!(
        shown["in_words"].to_string().contains("more as lost"),
        "{shown}"
    );
    // Records that retention took cannot be replayed, by offset or by time.
    let replay = ["replay", "--into", "old"];
    let offsets = ["--partition", "0", "--from-offset", "0", "--to-offset", "9"];
    let times = [
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2099-01-01T00:00:00Z",
    ];
    for (range, remedy) in [
        (&offsets[..], "say --from-offset "),
        (&times, "say --from 20"),
    ] {
        let refused = place.run(&[&replay[..], range].concat()).unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(remedy), "{said}");
    }
    let again = place.run(&["gap", "accept", "--partition", "0"]).unwrap();
    assert!(!again.status.success(), "nothing is lost any more");
    assert!(up.process.end().unwrap());
}
