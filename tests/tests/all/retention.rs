//! Retention that passes the lake's end: the partition stops, and only an operator's command lets
//! it go on.

use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Process};
use tokio::time::{Instant, sleep};

/// The topic's first offset, from the line `partition 0: offsets LOW..HIGH`.
fn low(place: &Place) -> u64 {
    let said = place.must(&["topic"]).unwrap();
    let (_, offsets) = said.split_once("partition 0: offsets ").unwrap();
    offsets.split("..").next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn fault_13_retention_passed_the_lakes_end_and_an_operator_accepts_the_gap() {
    let place = Place::new()
        .unwrap()
        .with("TOPIC__PARTITIONS", "1")
        .with("TOPIC__RETENTION_SIZE", "8KiB");
    place.must(&["up", "--visitors", "1", "--once"]).unwrap();
    let end = place.settled().await.unwrap()["acknowledged"]
        .as_u64()
        .unwrap();

    // The edge alone: the lake does not change while the topic moves on.
    let mut edge = Process::start(&place, &["producer"]).unwrap();
    let url = edge.line_after("edge on ").unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for n in 0..120 {
        let body = json!({ "id": format!("n-{n}"), "visitor_id": "v", "note": "x".repeat(300) });
        let sent = client
            .post(format!("{url}/v1/events"))
            .body(body.to_string())
            .send()
            .await;
        assert_eq!(sent.unwrap().status().as_u16(), 202);
    }
    assert!(edge.end().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while low(&place) <= end {
        assert!(
            Instant::now() < deadline,
            "retention never dropped anything"
        );
        sleep(Duration::from_millis(100)).await;
    }

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
    for (stretch, remedy) in [
        (&offsets[..], "say --from-offset "),
        (&times, "say --from 20"),
    ] {
        let refused = place.run(&[&replay[..], stretch].concat()).unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(remedy), "{said}");
    }
    let again = place.run(&["gap", "accept", "--partition", "0"]).unwrap();
    assert!(!again.status.success(), "nothing is lost any more");
    assert!(up.process.end().unwrap());
}
