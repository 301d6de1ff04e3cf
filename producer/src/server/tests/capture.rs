//! What is kept of requests besides their clicks.

use std::collections::BTreeMap;

use topic::Envelope;

use super::*;
use crate::CaptureRule;

fn rule(text: &str) -> CaptureRule {
    toml::from_str(text).unwrap()
}

/// What the newest envelope says of its request.
fn captured(edge: &ServedEdge) -> Option<BTreeMap<String, String>> {
    let values = edge.topic.envelopes();
    let envelope = Envelope::decode(values.last().unwrap().as_bytes()).unwrap();
    envelope
        .request
        .map(|json| serde_json::from_str(json).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_s_parts_are_kept_by_path_and_never_its_credentials() {
    let edge = ServedEdge::start(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.captures = vec![
            rule(
                r#"path = "/v1/*"
                headers = ["accept-language", "x-*", "referer"]
                query = ["utm_*", "*token*", "next"]
                cookies = ["ab"]
                fields = ["address", "port", "country", "method", "path", "host", "protocol", "hints"]"#,
            ),
            rule("path = \"*.gif\"\nfields = [\"path\"]"),
            rule("path = \"*\"\nkey = \"other\"\nfields = [\"method\"]"),
        ];
    });
    let url = "/v1/events?utm_source=a+b&utm_medium=%C3%A9&token=K&access_token=SECRET&next=%2Fr%3Fpassword%3DSECRET";
    let asked = edge.client.post(format!("{}{url}", edge.base)).body("{}");
    let asked = asked
        .header("accept-language", "de, en;q=0.5")
        .header("authorization", "Bearer K")
        .header("x-api-key", "K")
        .header("x-forwarded-for", "203.0.113.9")
        .header("cloudfront-viewer-address", "203.0.113.9:4711")
        .header("cf-ipcountry", "XX")
        .header("cloudfront-viewer-country", "DE")
        .header("x-long", "y".repeat(3_000))
        .header(
            "referer",
            "https://u:SECRET@shop.example/?password=SECRET&a=1",
        )
        .header("cookie", "session=K; ab=\"2\"; c=3")
        .header("sec-ch-ua-platform", "\"Windows\"");
    assert_eq!(asked.send().await.unwrap().status(), 202);
    let found = captured(&edge).unwrap();
    let port = edge.address.port();
    let expect = [
        ("address", "203.0.113.0"),
        ("port", "4711"),
        ("country", "DE"),
        ("method", "POST"),
        ("path", "/v1/events"),
        ("host", &*format!("127.0.0.1:{port}")),
        ("protocol", "HTTP/1.1"),
        ("sec-ch-ua-platform", "Windows"),
        ("accept-language", "de, en;q=0.5"),
        ("x-long", &*"y".repeat(1_024)),
        ("referer", "https://shop.example/?a=1"),
        ("query.utm_source", "a b"),
        ("query.utm_medium", "é"),
        ("query.next", "/r"),
        ("cookie.ab", "2"),
    ];
    let expect = expect.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found, BTreeMap::from(expect));
    let value = edge.topic.envelopes().pop().unwrap();
    assert!(
        Envelope::decode(value.as_bytes()).unwrap().redacted,
        "{value}"
    );

    edge.get("/pixel.gif?action=view").await;
    let path = [("path".to_owned(), "/pixel.gif".to_owned())];
    assert_eq!(captured(&edge), Some(BTreeMap::from(path)));
    let url = format!("{}/matomo.php", edge.base);
    edge.client
        .post(url)
        .body("idsite=1&rec=1")
        .send()
        .await
        .unwrap();
    assert_eq!(captured(&edge), None);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_21_country_and_port_are_believed_of_trusted_proxies_only() {
    let edge = ServedEdge::start(|config| {
        config.captures = vec![rule(r#"fields = ["country", "port", "address"]"#)];
    });
    let clients = [
        "/v1/events",
        "/v1/track",
        "/com.snowplowanalytics.snowplow/tp2",
    ];
    let bodies = [
        "{}",
        "{\"userId\":\"u\"}",
        "{\"data\":[{\"e\":\"pv\",\"eid\":\"a\"}]}",
    ];
    for (path, body) in clients.into_iter().zip(bodies) {
        let asked = edge.client.post(format!("{}{path}", edge.base)).body(body);
        let asked = asked
            .header("cloudfront-viewer-address", "203.0.113.9:4711")
            .header("cf-ipcountry", "DE");
        assert!(asked.send().await.unwrap().status().is_success(), "{path}");
        let found = captured(&edge).unwrap();
        assert_eq!(found["address"], "127.0.0.0", "{path}");
        assert!(
            found["port"] != "4711" && !found.contains_key("country"),
            "{found:?}"
        );
    }
    let asked = edge
        .client
        .post(format!("{}{}", edge.base, clients[2]))
        .body(bodies[2]);
    asked.header("sp-anonymous", "*").send().await.unwrap();
    assert_eq!(captured(&edge), None);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_ask_browsers_for_hints_if_a_rule_keeps_them() {
    for (fields, expect) in [("hints", true), ("path", false)] {
        let edge = ServedEdge::start(|config| {
            config.shop = true;
            config.captures = vec![rule(&format!("fields = [\"{fields}\"]"))];
        });
        for (path, is_page) in [("/", true), ("/clickweir.js", true), ("/healthz", false)] {
            let answer = edge.get(path).await;
            let asked = answer.headers().get("accept-ch");
            let asked = asked.map(|value| value.to_str().unwrap().contains("Sec-CH-UA-Model"));
            assert_eq!(
                asked,
                (expect && is_page).then_some(true),
                "{fields} {path}"
            );
        }
        edge.stop().await.unwrap();
    }
}
