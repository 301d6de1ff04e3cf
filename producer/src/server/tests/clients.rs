//! Other trackers' clients: what each sends, what the topic gets, and what it is answered.

use serde_json::Value;
use topic::Envelope;

use super::*;

/// Each format, id, visitor and item of the envelopes, and whether the id is the edge's own.
fn found(topic: &FakeWriter) -> Vec<String> {
    let values = topic.envelopes();
    let said = values.iter().zip(topic.drafts()).map(|(value, draft)| {
        let envelope = Envelope::decode(value.as_bytes()).unwrap();
        let key = String::from_utf8(draft.key.to_vec()).unwrap();
        let id = match envelope.id_generated {
            true => "-",
            false => &*envelope.id,
        };
        let key = if key == *envelope.id { "-" } else { &*key };
        let item = envelope
            .item
            .map_or(String::new(), |item| format!(" {item}"));
        format!("{} {id} {key}{item}", envelope.format)
    });
    said.collect()
}

/// What a request is answered, and the envelopes that it became.
async fn sent(method: Method, path: &str, body: &str) -> (u16, String, String, Vec<String>) {
    let edge = ServedEdge::start(|_| ());
    let url = format!("{}{path}", edge.base);
    let answer = edge.client.request(method, url).body(body.to_owned());
    let answer = answer.send().await.unwrap();
    let (status, kind) = (answer.status().as_u16(), header(&answer, "content-type"));
    let kind = kind.to_owned();
    let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
    let found = found(&edge.topic);
    edge.stop().await.unwrap();
    (status, kind, text, found)
}

/// Sends a body and checks the answer's status and text, and the events that it became.
async fn check(method: Method, path: &str, body: &str, expect: (u16, &str), events: &[&str]) {
    let (status, kind, text, found) = sent(method, path, body).await;
    let events = events.iter().map(|event| (*event).to_owned()).collect();
    assert_eq!((status, found), (expect.0, events), "{path} {text}");
    match expect.1 {
        "GIF" => assert!(
            kind == "image/gif" && text.starts_with("GIF89a"),
            "{path} {kind}"
        ),
        expect => assert_eq!(text, expect, "{path}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_snowplow_and_posthog_are_answered_in_their_own_way() {
    let (post, get) = (Method::POST, Method::GET);
    let segment = ["segment m a"];
    let success = (200, r#"{"success":true}"#);
    for path in ["/v1/track", "/v1/t/", "/v1/batch", "/beacon/v1/batch"] {
        let body = r#"{"messageId":"m","anonymousId":"a"}"#;
        check(post.clone(), path, body, success, &segment).await;
    }
    let picture = (200, "GIF");
    // {"messageId":"m","anonymousId":"a"}
    let data = "eyJtZXNzYWdlSWQiOiJtIiwiYW5vbnltb3VzSWQiOiJhIn0";
    for path in ["/v1/pixel/track", "/v1/pixel/page/"] {
        let path = format!("{path}?data={data}");
        check(get.clone(), &path, "", picture, &segment).await;
    }
    check(
        get.clone(),
        "/i?e=pv&eid=i&duid=d",
        "",
        picture,
        &["snowplow i d"],
    )
    .await;
    let list = r#"{"schema":"s","data":[{"e":"pv","eid":"i"}]}"#;
    let path = "/com.snowplowanalytics.snowplow/tp2";
    check(post.clone(), path, list, (200, "ok"), &["snowplow i -"]).await;
    let event = r#"{"event":"a","uuid":"u","distinct_id":"d"}"#;
    let data = "data=eyJldmVudCI6ImEiLCJ1dWlkIjoidSIsImRpc3RpbmN0X2lkIjoiZCJ9";
    let (taken, posthog) = ((200, r#"{"status":"Ok"}"#), ["posthog u d"]);
    for path in ["/batch/", "/e/?ip=1&ver=1", "/i/v0/e/", "/capture"] {
        check(post.clone(), path, event, taken, &posthog).await;
        check(post.clone(), path, data, taken, &posthog).await;
    }
    check(get.clone(), &format!("/e/?{data}"), "", taken, &posthog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_matomo_and_cloudevents_are_answered_in_their_own_way() {
    let (post, get, picture) = (Method::POST, Method::GET, (200, "GIF"));
    let purchase = r#"{"client_id":"c","events":[{"name":"purchase","params":{"items":[{},{}]}}]}"#;
    let path = "/mp/collect?api_secret=s&measurement_id=G-1";
    check(
        post.clone(),
        path,
        purchase,
        (204, ""),
        &["ga4 - c 0", "ga4 - c 1"],
    )
    .await;
    let hit = "/g/collect?v=2&cid=c&en=view";
    check(get.clone(), hit, "", (204, ""), &["gtag - c"]).await;
    check(post.clone(), hit, "", (204, ""), &["gtag - c"]).await;
    check(
        post.clone(),
        "/g/collect?cid=c",
        "en=a\nen=b",
        (204, ""),
        &["gtag - c", "gtag - c"],
    )
    .await;
    for path in ["/matomo.php", "/piwik.php"] {
        let hit = "idsite=1&rec=1&_id=v";
        check(
            get.clone(),
            &format!("{path}?{hit}"),
            "",
            picture,
            &["matomo - v"],
        )
        .await;
        check(post.clone(), path, hit, picture, &["matomo - v"]).await;
        let none = format!("{path}?{hit}&send_image=0");
        check(get.clone(), &none, "", (204, ""), &["matomo - v"]).await;
        check(
            post.clone(),
            path,
            "idsite=1&send_image=0",
            (204, ""),
            &["matomo - -"],
        )
        .await;
        let list = r#"{"requests":["?idsite=1&_id=v","?rec=1"]}"#;
        let said = (200, r#"{"invalid":1,"status":"success","tracked":1}"#);
        check(
            post.clone(),
            path,
            list,
            said,
            &["matomo - v", "matomo - -"],
        )
        .await;
    }
    let event = r#"[{"id":"1","source":"/s","type":"t"}]"#;
    let said = (202, r#"{"accepted":1,"rejected":[]}"#);
    check(
        post,
        "/v1/cloudevents",
        event,
        said,
        &["cloudevents /s 1 -"],
    )
    .await;
    // The head of an answer is no click.
    for path in ["/i?e=pv", hit, "/matomo.php?idsite=1", "/e/?data=e30"] {
        let (status, .., found) = sent(Method::HEAD, path, "").await;
        assert!(
            status < 300 && found.is_empty(),
            "{path} {status} {found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_in_headers_are_an_event_too() {
    let edge = ServedEdge::start(|_| ());
    let sent = edge.client.post(format!("{}/v1/cloudevents", edge.base));
    let sent = sent
        .header("ce-specversion", "1.0")
        .header("ce-id", "7")
        .header("ce-source", "/shop")
        .header("ce-type", "buy")
        .header("content-type", "application/json")
        .body(r#"{"visitor_id":"v"}"#);
    assert_eq!(sent.send().await.unwrap().status(), 202);
    assert_eq!(found(&edge.topic), ["cloudevents /shop 7 v"]);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_known_to_collectors_by_a_cookie_unless_it_asks_for_none() {
    let shop = "https://shop.example";
    let edge = ServedEdge::start(|config| config.origins = vec![shop.to_owned()]);
    let send = async |anonymous: bool| {
        let url = format!("{}/com.snowplowanalytics.snowplow/tp2", edge.base);
        let mut sent = edge
            .client
            .post(url)
            .header("origin", shop)
            .header("cookie", "a=b; sp=n-1; spx=c")
            .body(r#"{"data":[{"e":"pv","eid":"i","ip":"192.0.2.7"}]}"#);
        if anonymous {
            sent = sent.header("sp-anonymous", "*");
        }
        let answer = sent.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "access-control-allow-origin"), shop);
        assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
    };
    send(false).await;
    send(true).await;
    assert_eq!(found(&edge.topic), ["snowplow i n-1", "snowplow i -"]);
    let values = edge.topic.envelopes();
    let read = |at: usize| Envelope::decode(values[at].as_bytes()).unwrap();
    assert_eq!(read(0).shared, Some(r#"{"nuid":"n-1"}"#));
    assert_eq!(read(0).ip.as_deref(), Some("127.0.0.0"));
    assert_eq!((read(1).shared, read(1).ip), (None, None));
    assert!(!values[0].contains("192.0.2.7"));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_ask_for_when_they_start_comes_from_the_edge() {
    let edge = ServedEdge::start(|_| ());
    let ask = async |method: Method, path: &str| -> Value {
        let asked = edge.client.request(method, format!("{}{path}", edge.base));
        let answer = asked.body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    };
    let settings = ask(Method::GET, "/v1/projects/k/settings").await;
    let own = &settings["integrations"]["Segment.io"];
    let host = edge.base.trim_start_matches("http://");
    assert_eq!(own["apiHost"], format!("{host}/v1"));
    assert_eq!(own["protocol"], "http");
    assert_eq!(settings["metrics"]["sampleRate"], 0);
    let config = ask(Method::GET, "/sourceConfig/?p=npm&writeKey=k").await;
    assert_eq!(config["source"]["destinations"], serde_json::json!([]));
    for path in ["/decide/?v=3", "/flags/?v=2"] {
        let flags = ask(Method::POST, path).await;
        assert_eq!(flags["featureFlags"], serde_json::json!({}), "{path}");
        assert_eq!(flags["flags"], serde_json::json!({}), "{path}");
    }
    let config = ask(Method::GET, "/array/phc_x/config?ip=0").await;
    assert_eq!(config["sessionRecording"], false);
    let flags = ask(Method::GET, "/api/feature_flag/local_evaluation/?token=k").await;
    assert_eq!(flags["flags"], serde_json::json!([]));
    ask(Method::POST, "/v1/m").await;
    ask(Method::POST, "/debug/mp/collect").await;
    let script = edge.get("/array/phc_x/config.js").await;
    assert!(header(&script, "content-type").starts_with("text/javascript"));
    assert!(script.text().await.unwrap().contains(r#"all["phc_x"]="#));
    assert_eq!(edge.get("/array/%22%5D/config.js").await.status(), 404);
    assert!(edge.topic.drafts().is_empty());
    // A page may ask by https what a proxy passes on by http.
    let asked = edge
        .client
        .get(format!("{}/v1/projects/k/settings", edge.base));
    let asked = asked.header("origin", "https://shop.example").send().await;
    let settings: Value = asked.unwrap().json().await.unwrap();
    let own = &settings["integrations"]["Segment.io"];
    assert_eq!(own["protocol"], "https");
    edge.stop().await.unwrap();
}

const PATHS: [&str; 14] = [
    "/v1/track",
    "/v1/batch",
    "/i",
    "/com.snowplowanalytics.snowplow/tp2",
    "/batch/",
    "/e/",
    "/mp/collect",
    "/g/collect",
    "/matomo.php",
    "/v1/cloudevents",
    "/v1/projects/%ff/settings",
    "/array/x/config.js",
    "/flags/",
    "/debug/mp/collect",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_strangers_send_to_a_client_s_path_is_an_error_of_the_edge() {
    let edge = ServedEdge::start(|_| ());
    let deep = "[".repeat(100_000);
    let long = format!("a={}", "%00".repeat(10_000));
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "[",
        "]",
        "null",
        "7",
        "\"",
        "&",
        "=",
        "a=b",
        "data",
        "data=",
        "data=%7B",
        "data=e30",
        "data=H4sI",
        "\u{feff}",
        "\u{feff}{}",
        "{\"batch\":null}",
        "{\"batch\":{}}",
        "{\"data\":[[]]}",
        "{\"events\":[null]}",
        "{\"requests\":[[],{},\"\",\"?\",null]}",
        "{\"requests\":{}}",
        "{\"requests\":\"x\"}",
        "[[[]]]",
        "{\"id\":[],\"source\":{},\"type\":1}",
        "en\n=\n&",
        "en=a&pr1=~~~&pr2=k&pr3=kk~v",
        "idsite=1&ec_items=[[]]",
        "idsite=1&ec_items=[7]",
        "{\"requests\":[\"?idsite=1&ec_items=%5B%5B%22\\ud800%22%5D%5D\"]}",
        &deep,
        &long,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.extend([
        vec![0xff; 100],
        vec![0, b'{'],
        vec![0x1f, 0x8b, 8],
        b"{\"a\":\"\xff\"}".to_vec(),
    ]);
    if let Some(folder) = testing::shared_data("badinput/jsontestsuite") {
        for file in std::fs::read_dir(folder).unwrap() {
            bodies.push(std::fs::read(file.unwrap().path()).unwrap());
        }
    }
    for path in PATHS {
        let mut sending = Vec::new();
        for (at, body) in bodies.iter().enumerate() {
            let sent = edge.client.post(format!("{}{path}", edge.base));
            let sent = match at % 3 {
                0 => sent,
                1 => sent
                    .header("content-type", "application/json")
                    .header("ce-id", "a\u{fffd}%zz"),
                _ => sent
                    .header("content-type", "text/plain")
                    .header("cookie", "sp=;sp"),
            };
            sending.push(sent.body(body.clone()).send());
        }
        for (answer, body) in futures::future::join_all(sending)
            .await
            .into_iter()
            .zip(&bodies)
        {
            let status = answer.unwrap().status().as_u16();
            assert!(
                status < 500,
                "{path} {status} {:?}",
                String::from_utf8_lossy(body)
            );
        }
        for query in [
            "?",
            "?&&",
            "?e=%ff&e",
            "?idsite=%00",
            "?en=a&epn.x=NaN",
            "?data=%ff&en=&e=",
        ] {
            let status = edge.get(&format!("{path}{query}")).await.status().as_u16();
            assert!(status < 500, "{path}{query} {status}");
        }
    }
    assert_eq!(edge.post("{}").await.status(), 202);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_12_what_a_body_says_once_is_counted_for_each_of_its_clicks() {
    let edge = ServedEdge::start(|config| config.max_inflated = bytesize::ByteSize::kib(64));
    let send = async |events: usize| {
        let events = vec![r#"{"messageId":"m"}"#; events].join(",");
        let context = "x".repeat(10_000);
        let body = format!(r#"{{"batch":[{events}],"context":"{context}"}}"#);
        let url = format!("{}/v1/batch", edge.base);
        edge.client
            .post(url)
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(send(6).await, 200);
    assert_eq!(send(7).await, 413);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_topic_asks_every_client_to_send_again() {
    let edge = ServedEdge::start(|_| ());
    edge.topic.fail(Some(AppendError::Full));
    for (path, body) in [
        ("/v1/batch", r#"{"batch":[{}]}"#),
        (
            "/com.snowplowanalytics.snowplow/tp2",
            r#"{"data":[{"e":"pv"}]}"#,
        ),
        ("/batch/", r#"{"batch":[{"event":"a"}]}"#),
        ("/mp/collect", r#"{"events":[{"name":"a"}]}"#),
        ("/matomo.php", "idsite=1"),
        ("/v1/cloudevents", r#"{"id":"1","source":"s","type":"t"}"#),
    ] {
        let sent = edge.client.post(format!("{}{path}", edge.base)).body(body);
        let answer = sent.send().await.unwrap();
        assert_eq!(answer.status(), 503, "{path}");
        assert_eq!(header(&answer, "retry-after"), "1", "{path}");
    }
    edge.stop().await.unwrap();
}
