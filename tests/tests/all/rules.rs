//! The rules of the edge in whole processes: what the owner writes, and where it is seen.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use tests::clickweir::Place;
use tokio::time::{Instant, sleep};

/// How long a change of the file may take to be in force.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

const RULES: &str =
    "[[rule]]\nname = \"attacks\"\naction = \"block\"\npatterns = [\"sqli\", \"xss\"]\n";

/// The page or answer at a path.
async fn read(base: &str, path: &str) -> String {
    let answer = reqwest::get(format!("{}/{path}", base.trim_end_matches('/')));
    answer.await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_pipeline_shows_what_the_rules_of_the_edge_did() {
    let place = Place::new().unwrap().with("PRODUCER__RULES", "rules.toml");
    fs::write(place.path().join("rules.toml"), RULES).unwrap();
    let up = place.up(&[]).unwrap();
    let client = reqwest::Client::new();
    let attack =
        r#"{"visitor_id":"v1","action":"<script>alert(1)</script>","password":"' or 1=1--"}"#;
    let sent = client.post(format!("{}/v1/events", up.shop)).body(attack);
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let page = read(&up.dashboard, "pipeline").await;
    for expect in [
        "From rules.toml.",
        "attacks",
        "blocked",
        "&#60;script&#62;alert(1)",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    let hits: Value = serde_json::from_str(&read(&up.dashboard, "api/rule_hits").await).unwrap();
    assert_eq!(hits[0]["address"], "127.0.0.0", "{hits}");
    assert!(!hits.to_string().contains("1=1"), "{hits}");

    fs::write(place.path().join("rules.toml"), "[[rule]]\nname = 7\n").unwrap();
    let since = Instant::now();
    let expect = "Older rules are in force:</span> rules.toml: line 2: invalid type";
    while !read(&up.dashboard, "pipeline").await.contains(expect) {
        assert!(since.elapsed() < CHANGE_TIMEOUT, "the page never said it");
        sleep(Duration::from_millis(100)).await;
    }
    let metrics = read(&up.dashboard, "metrics").await;
    assert!(
        metrics.contains("clickweir_producer_rules_stale 1"),
        "{metrics}"
    );
}

#[test]
fn rules_that_are_wrong_stop_the_start() {
    let place = Place::new().unwrap();
    fs::write(place.path().join("rules.toml"), "[[rule]]\nname = \"a\"\n").unwrap();
    for (rules, expect) in [
        (
            "rules.toml",
            "producer.rules: rules.toml: line 1: missing field `action`",
        ),
        ("none.toml", "producer.rules: none.toml cannot be read: "),
    ] {
        let set = format!("producer.rules={rules}");
        for role in ["up", "producer"] {
            let output = place.run(&["--set", &set, role]).unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && said.contains(expect),
                "{role}: {said}"
            );
        }
    }
}
