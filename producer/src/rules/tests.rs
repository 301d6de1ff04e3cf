//! The rules over HTTP.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use topic::{Envelope, clock};

use super::Firewall;
use crate::Config;
use crate::testing::{self, FakeWriter};

/// An edge with rules, for as long as the test runs.
struct RuledEdge {
    base: String,
    topic: Arc<FakeWriter>,
    file: NamedTempFile,
    client: Client,
}

impl RuledEdge {
    fn with(rules: &str) -> Self {
        Self::configured(rules, testing::config())
    }

    fn configured(rules: &str, config: Config) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(rules.as_bytes()).unwrap();
        let (base, topic) = testing::serve(Config {
            rules: file.path().to_string_lossy().into_owned(),
            ..config
        });
        Self {
            base,
            topic,
            file,
            client: Client::new(),
        }
    }

    async fn post(&self, body: &str) -> reqwest::Response {
        let url = format!("{}/v1/events", self.base);
        let request = self.client.post(url).body(body.to_owned());
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let request = self.client.get(format!("{}{path}", self.base));
        request.send().await.unwrap()
    }

    async fn report(&self) -> Value {
        self.get("/rules").await.json().await.unwrap()
    }

    /// How many lines of the metrics contain `part`.
    async fn metric(&self, part: &str) -> Option<String> {
        let page = self.get("/metrics").await.text().await.unwrap();
        let line = page
            .lines()
            .find(|line| !line.starts_with('#') && line.contains(part));
        line.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned())
    }
}

const CLICK: &str = r#"{"visitor_id":"v1","action":"view"}"#;
const ATTACK: &str =
    r#"{"visitor_id":"v1","action":"search","q":"1' UNION SELECT password FROM users--"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn input_28_attacks_are_counted_and_pass_unless_a_rule_blocks_them() {
    let edge =
        RuledEdge::with("[[rule]]\nname = \"sql\"\naction = \"count\"\npatterns = [\"sqli\"]");
    assert_eq!(edge.post(ATTACK).await.status(), StatusCode::ACCEPTED);
    assert_eq!(edge.post(CLICK).await.status(), StatusCode::ACCEPTED);
    assert_eq!(
        edge.metric("rule_hits_total{rule=\"sql\",action=\"counted\"}")
            .await
            .as_deref(),
        Some("1")
    );
    let report = edge.report().await;
    assert_eq!(report["rules"], json!([["sql", "counted", 1]]));
    let hit = &report["hits"][0];
    assert_eq!(
        (&hit["method"], &hit["path"], &hit["address"]),
        (&json!("POST"), &json!("/v1/events"), &json!("127.0.0.0"))
    );
    let reason = hit["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("sqli: ") && reason.contains("in the body `q`"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn input_28_a_blocked_request_says_which_rule_and_leaves_nothing() {
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "[[rule]]\nname = \"sql\"\naction = \"block\"\npatterns = [\"sqli\"]\n[[rule]]\nname = \"after\"\naction = \"count\"\npath = \"/*\"").unwrap();
    let (base, topic) = testing::serve(Config {
        rules: file.path().to_string_lossy().into_owned(),
        ..testing::config()
    });
    let client = Client::new();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(ATTACK.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let events = format!("{base}/v1/events");
    let refused = [
        client.post(&events).body(ATTACK),
        client.post(&events).body(gzip.clone()),
        client
            .post(&events)
            .header("content-encoding", "gzip")
            .body(gzip),
        client.post(&events).body(format!("[{CLICK},{ATTACK}]")),
        client.get(format!("{base}/pixel.gif?q=1%2527%20or%201=1--")),
        client
            .post(&events)
            .header("referer", "https://a.example/?q=' or 1=1--")
            .body(CLICK),
    ];
    for request in refused {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "the rule \"sql\" refuses this request");
        assert!(body["remedy"].as_str().unwrap().contains("producer.rules"));
    }
    assert_eq!(topic.drafts().len(), 0);
    let page = client
        .get(format!("{base}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("clickweir_producer_rejected_total{reason=\"rule\"} 6"),
        "{page}"
    );
    assert!(
        page.contains("rule_hits_total{rule=\"sql\",action=\"blocked\"} 6"),
        "{page}"
    );
    // A head that is refused ends the questions; a body is asked about after its head.
    assert!(
        page.contains("rule_hits_total{rule=\"after\",action=\"counted\"} 4"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn input_19_over_the_rate_429_says_when_and_a_page_may_read_it() {
    let edge = RuledEdge::configured(
        "[[rule]]\nname = \"flood\"\naction = \"block\"\nrate = { requests = 2, per = \"1h\" }",
        Config {
            origins: vec!["https://shop.example".into()],
            ..testing::config()
        },
    );
    let url = format!("{}/v1/events", edge.base);
    let preflight = || async {
        let request = edge.client.request(reqwest::Method::OPTIONS, &url);
        let request = request
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST");
        request.send().await.unwrap().status()
    };
    for _ in 0..5 {
        assert_eq!(preflight().await, StatusCode::NO_CONTENT);
    }
    for _ in 0..2 {
        assert_eq!(edge.post(CLICK).await.status(), StatusCode::ACCEPTED);
    }
    let large = format!("{{\"a\":\"{}\"}}", "a".repeat(500_000));
    for body in [CLICK.to_owned(), large] {
        let request = edge
            .client
            .post(&url)
            .header("origin", "https://shop.example")
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = answer.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1_700..=1_800).contains(&wait), "{wait}");
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "https://shop.example"
        );
        assert_eq!(
            answer.headers()["access-control-expose-headers"],
            "retry-after"
        );
        let body: Value = answer.json().await.unwrap();
        assert!(body["error"].as_str().unwrap().contains("flood"), "{body}");
    }
    for _ in 0..5 {
        assert_eq!(preflight().await, StatusCode::NO_CONTENT);
    }
    assert_eq!(edge.get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(
        edge.metric("rejected_total{reason=\"rate\"}")
            .await
            .as_deref(),
        Some("2")
    );
    assert_eq!(
        edge.metric("action=\"throttled\"").await.as_deref(),
        Some("2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_means_what_has_all_that_it_names() {
    let check =
        async |rule: &str, request: fn(&Client, &str) -> reqwest::RequestBuilder, expect: u16| {
            let edge = RuledEdge::with(&format!(
                "[[rule]]\nname = \"a\"\naction = \"block\"\n{rule}"
            ));
            let answer = request(&edge.client, &edge.base).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), expect, "{rule}");
        };
    let post = |client: &Client, base: &str| client.post(format!("{base}/v1/events")).body(CLICK);
    check("addresses = [\"127.0.0.0/8\"]", post, 403).await;
    check("addresses = [\"10.0.0.0/8\"]", post, 202).await;
    check("not_addresses = [\"10.0.0.0/8\"]", post, 403).await;
    check("not_addresses = [\"127.0.0.1\"]", post, 202).await;
    check("path = \"/v1/events\"", post, 403).await;
    check("path = \"/v1/*\"", post, 403).await;
    check("path = \"/v1\"", post, 202).await;
    check("methods = [\"POST\", \"PUT\"]", post, 403).await;
    check("methods = [\"PUT\"]", post, 202).await;
    check("max_body = \"10B\"", post, 403).await;
    check("max_body = \"1KiB\"", post, 202).await;
    check("max_url = \"4B\"", post, 403).await;
    check("max_headers = \"8KiB\"", post, 202).await;
    check("max_headers = \"8B\"", post, 403).await;
    check("bots = true", post, 403).await;
    check("bots = false", post, 202).await;
    let named = |client: &Client, base: &str| post_with(client, base, "X-Test", "a Probe");
    check(
        "headers = [{ name = \"x-test\", present = true }]",
        named,
        403,
    )
    .await;
    check(
        "headers = [{ name = \"x-test\", present = false }]",
        named,
        202,
    )
    .await;
    check(
        "headers = [{ name = \"X-Test\", contains = \"PROBE\" }]",
        named,
        403,
    )
    .await;
    check(
        "headers = [{ name = \"x-test\", matches = \"^a .robe$\" }]",
        named,
        403,
    )
    .await;
    check(
        "headers = [{ name = \"x-test\", matches = \"^probe\" }]",
        named,
        202,
    )
    .await;
    check(
        "methods = [\"POST\"]\naddresses = [\"10.0.0.1\"]",
        post,
        202,
    )
    .await;
    let attack = |client: &Client, base: &str| {
        client.get(format!(
            "{base}/pixel.gif?visitor_id=v&q=<script>alert(1)</script>"
        ))
    };
    check("patterns = [\"xss\"]", attack, 403).await;
    check("patterns = [\"xss\"]\nparts = [\"body\"]", attack, 200).await;
    check("patterns = [\"sqli\"]\nexcept = [\"q\"]", attack, 200).await;
    let chunked = |client: &Client, base: &str| {
        let chunks = futures::stream::iter([Ok::<_, std::io::Error>(CLICK)]);
        client
            .post(format!("{base}/v1/events"))
            .body(reqwest::Body::wrap_stream(chunks))
    };
    check("max_body = \"10B\"", chunked, 403).await;
    check("max_body = \"1KiB\"", chunked, 202).await;
}

fn post_with(client: &Client, base: &str, name: &str, value: &str) -> reqwest::RequestBuilder {
    client
        .post(format!("{base}/v1/events"))
        .header(name, value)
        .body(CLICK)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_keeps_whole_visitors_and_says_its_share() {
    let edge = RuledEdge::with(
        "[[rule]]\nname = \"some\"\naction = \"sample\"\nshare = 0.5\npath = \"/*\"",
    );
    let mut kept = 0;
    for visitor in 0..40 {
        let mut answers = Vec::new();
        for _ in 0..2 {
            let click = json!({"action": "view", "visitor_id": format!("v{visitor}")});
            answers.push(edge.post(&click.to_string()).await.status().as_u16());
            let pixel = format!("/pixel.gif?action=view&visitor_id=v{visitor}");
            let status = edge.get(&pixel).await.status().as_u16();
            answers.push(if status == 200 { 202 } else { status });
        }
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:?}"
        );
        assert!([202, 204].contains(&answers[0]), "{answers:?}");
        kept += usize::from(answers[0] == 202);
    }
    assert!((10..=30).contains(&kept), "{kept} of 40");
    let envelopes = edge.topic.envelopes();
    assert_eq!(envelopes.len(), kept * 4);
    let says = |envelope: &String| envelope.contains("\"sample_rate\":0.5");
    assert!(envelopes.iter().all(says), "{envelopes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_several_visitors_is_sampled_click_by_click() {
    let edge = RuledEdge::with(
        "[[rule]]\nname = \"some\"\naction = \"sample\"\nshare = 0.3\npath = \"/*\"",
    );
    // Of these v0, v1 and v6 are among the 0.3.
    let click = |n| json!({"action": "view", "visitor_id": format!("v{n}")});
    let mut clicks: Vec<_> = (0..7).map(click).collect();
    clicks.push(json!({"action": "buy", "visitor_id": "v2"}));
    clicks.push(json!(17));
    let answer = edge.post(&json!(clicks).to_string()).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["accepted"], &answer["left_out"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(answer["rejected"][0]["index"], 8);
    let envelopes = edge.topic.envelopes();
    let kept = envelopes.iter().map(|envelope| {
        let envelope = Envelope::decode(envelope.as_bytes()).unwrap();
        let click: Value = serde_json::from_str(envelope.click).unwrap();
        (click["visitor_id"].clone(), envelope.sample_rate)
    });
    let expect = [
        (json!("v0"), Some(0.3)),
        (json!("v1"), Some(0.3)),
        (json!("v6"), Some(0.3)),
        (json!("v2"), None),
        (Value::Null, None),
    ];
    assert_eq!(kept.collect::<Vec<_>>(), expect);
    let report = edge.report().await;
    assert_eq!(report["rules"][0], json!(["some", "sampled", 4]));
    assert_eq!(edge.get("/readyz").await.status(), StatusCode::OK);
    assert_eq!(edge.get("/nothing").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_keeps_every_order_unless_the_rule_says_so() {
    let rule = |more: &str| {
        format!(
            "[[rule]]\nname = \"few\"\naction = \"sample\"\nshare = 0.0001\nbots = true\n{more}"
        )
    };
    for (more, by_name) in [
        ("", true),
        ("by = \"address\"", true),
        ("orders = true", false),
    ] {
        let edge = RuledEdge::with(&rule(more));
        for (action, is_order) in [("buy", true), ("begin_checkout", true), ("view", false)] {
            let expect = if is_order && by_name { 202 } else { 204 };
            let click = json!({"action": action, "visitor_id": "v1"}).to_string();
            assert_eq!(
                edge.post(&click).await.status().as_u16(),
                expect,
                "{more} {action}"
            );
            let pixel = format!("/pixel.gif?action={action}&visitor_id=v1");
            let expect = if expect == 202 { 200 } else { 204 };
            assert_eq!(
                edge.get(&pixel).await.status().as_u16(),
                expect,
                "{more} {action}"
            );
        }
        let says = |envelope: &String| envelope.contains("sample_rate");
        assert!(!edge.topic.envelopes().iter().any(says));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_and_a_broken_one_leaves_the_older_rules() {
    let rules = |action: &str| {
        format!("[[rule]]\nname = \"all\"\naction = \"{action}\"\npath = \"/v1/*\"\n")
    };
    let edge = RuledEdge::with(&rules("count"));
    assert_eq!(edge.post(CLICK).await.status(), StatusCode::ACCEPTED);
    let until = async |stale: bool, status: StatusCode| {
        let waiting = async {
            loop {
                let is_stale = !edge.report().await["stale"].is_null();
                if is_stale == stale && edge.post(CLICK).await.status() == status {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        waited.unwrap_or_else(|_| panic!("stale {stale}, {status} never came"));
    };
    std::fs::write(edge.file.path(), rules("block")).unwrap();
    until(false, StatusCode::FORBIDDEN).await;
    std::fs::write(edge.file.path(), "[[rule]]\nnome = \"all\"\n").unwrap();
    until(true, StatusCode::FORBIDDEN).await;
    let why = edge.report().await["stale"].as_str().unwrap().to_owned();
    assert!(why.contains("line 2: unknown field `nome`"), "{why}");
    assert_eq!(
        edge.metric("clickweir_producer_rules_stale")
            .await
            .as_deref(),
        Some("1")
    );
    std::fs::write(edge.file.path(), rules("count")).unwrap();
    until(false, StatusCode::ACCEPTED).await;
}

#[test]
fn rules_that_cannot_be_read_stop_the_start_with_a_sentence() {
    let check = |rules: &str, expect: &str| {
        let monitor = testing::monitor();
        let config = Config {
            rules: rules.into(),
            ..testing::config()
        };
        let opened = Firewall::open(&config, monitor.metrics.rules(), clock::system());
        let error = opened.unwrap_err().to_string();
        assert!(
            error.starts_with("producer.rules: ") && error.contains(expect),
            "{error}"
        );
    };
    check("no/such/rules.toml", "no/such/rules.toml cannot be read: ");
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "[[rule]]\nname = \"a\"\naction = \"refuse\"\n").unwrap();
    check(
        &file.path().to_string_lossy(),
        "line 3: unknown variant `refuse`",
    );
    check(&file.path().to_string_lossy(), "docs/rules.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_starter_refuses_nothing() {
    let (base, topic) = testing::serve(Config {
        rules: "starter".into(),
        ..testing::config()
    });
    let client = Client::new();
    for body in [CLICK, ATTACK] {
        let answer = client
            .post(format!("{base}/v1/events"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    assert_eq!(topic.drafts().len(), 2);
}
