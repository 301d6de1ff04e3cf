//! What browsers and strangers send: origins, odd bytes, odd paths, and no HTTP at all.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn b51_a_page_that_may_send_also_sends_with_credentials_and_headers_of_its_own() {
    let shop = "https://shop.example";
    for origins in [vec![shop.to_owned()], vec!["*".to_owned()]] {
        let edge = ServedEdge::start(|config| config.origins = origins);
        let url = format!("{}/v1/events", edge.base);
        let asked = edge.client.request(Method::OPTIONS, &url);
        let response = asked
            .header("origin", shop)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,x-requested-with",
            )
            .header("access-control-request-private-network", "true")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 204);
        let check = |response: &Response, name: &str, expect: &str| {
            assert_eq!(header(response, name), expect, "{name}");
        };
        check(&response, "access-control-allow-origin", shop);
        check(&response, "access-control-allow-credentials", "true");
        check(&response, "access-control-allow-private-network", "true");
        assert!(header(&response, "access-control-allow-headers").contains("x-requested-with"));
        let sent = edge.client.post(&url).header("origin", shop).body("{}");
        let response = sent.send().await.unwrap();
        assert_eq!(response.status(), 202);
        check(&response, "access-control-allow-origin", shop);
        check(&response, "access-control-allow-credentials", "true");
        check(&response, "access-control-expose-headers", "retry-after");
        check(&response, "vary", "Origin");
        let plain = edge.post("{}").await;
        check(&plain, "access-control-allow-origin", "");
        // What is no click of a page is no page's to read.
        let other = edge.client.get(format!("{}/healthz", edge.base));
        let response = other.header("origin", shop).send().await.unwrap();
        check(&response, "access-control-allow-origin", "");
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b51_a_page_that_is_not_listed_is_refused_counted_and_can_read_why() {
    for origins in [Vec::new(), vec!["https://shop.example".to_owned()]] {
        let edge = ServedEdge::start(|config| config.origins = origins);
        let ask = |method: Method, path: &str, origin: &str| {
            let request = edge.client.request(method, format!("{}{path}", edge.base));
            request.header("origin", origin).body("{}").send()
        };
        let evil = "https://evil.example";
        let response = ask(Method::OPTIONS, "/v1/events", evil).await.unwrap();
        assert_eq!(response.status(), 403);
        for (method, path, origin) in [
            (Method::POST, "/v1/events", evil),
            (Method::POST, "/v1/events/", "null"),
            (Method::GET, "/pixel.gif?id=a", evil),
        ] {
            let response = ask(method, path, origin).await.unwrap();
            assert_eq!(response.status(), 403, "{path}");
            assert_eq!(header(&response, "access-control-allow-origin"), origin);
            assert_eq!(header(&response, "access-control-allow-credentials"), "");
            let answer: serde_json::Value = response.json().await.unwrap();
            assert!(
                answer["error"].as_str().unwrap().contains(origin),
                "{answer}"
            );
            assert!(
                answer["remedy"]
                    .as_str()
                    .unwrap()
                    .contains("producer.origins")
            );
        }
        assert!(edge.topic.drafts().is_empty());
        // The edge's own page, and what is no page.
        let own = ask(Method::POST, "/v1/events", &edge.base).await.unwrap();
        assert_eq!(own.status(), 202);
        assert_eq!(edge.post("{}").await.status(), 202);
        let page = edge.get("/metrics").await.text().await.unwrap();
        assert!(
            page.contains("clickweir_producer_rejected_total{reason=\"origin\"} 4"),
            "{page}"
        );
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b58_and_b64_bytes_that_are_not_utf_8_are_replaced_and_flagged() {
    let edge = ServedEdge::start(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    });
    let mobile = "Mozilla/5.0 (Linux; Android 12; 小米11) Chrome/99.0 Mobile";
    let url = format!("{}/pixel.gif?id=p&product_name=caf%E9", edge.base);
    let mut latin = mobile.as_bytes().to_vec();
    latin.push(0xe9);
    let sent = edge.client.get(url).header("user-agent", mobile);
    let sent = sent.header("x-forwarded-for", "198.51.100.9, unknown,");
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let body =
        b"[{\"id\":\"a\",\"city\":\"K\xf6ln\"},{\"id\":\"b\",\"x\":\"\\ud83c\"},{\"id\":\"c\"}]";
    let response = edge.post(&body[..]).await;
    let answer = response.text().await.unwrap();
    assert_eq!(answer, r#"{"accepted":3,"rejected":[]}"#);
    let url = format!("{}/v1/events", edge.base);
    let agent = reqwest::header::HeaderValue::from_bytes(&latin).unwrap();
    let sent = edge.client.post(url).header("user-agent", agent).body("{}");
    assert_eq!(sent.send().await.unwrap().status(), 202);
    let values = edge.topic.envelopes();
    let envelopes = values
        .iter()
        .map(|value| topic::Envelope::decode(value.as_bytes()).unwrap());
    let envelopes: Vec<_> = envelopes.collect();
    let clicks: Vec<_> = envelopes[..4]
        .iter()
        .map(|envelope| envelope.click)
        .collect();
    assert_eq!(
        clicks,
        [
            "{\"id\":\"p\",\"product_name\":\"caf\u{fffd}\"}",
            "{\"id\":\"a\",\"city\":\"K\u{fffd}ln\"}",
            r#"{"id":"b","x":"\ufffd"}"#,
            r#"{"id":"c"}"#,
        ]
    );
    let flags: Vec<_> = envelopes.iter().map(|envelope| envelope.replaced).collect();
    assert_eq!(flags, [true, true, true, false, true]);
    assert_eq!(envelopes[0].user_agent.as_deref(), Some(mobile));
    assert_eq!(envelopes[0].ip.as_deref(), Some("198.51.100.0"));
    let expect = format!("{mobile}\u{fffd}");
    assert_eq!(envelopes[4].user_agent.as_deref(), Some(&*expect));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b82_and_attack_19_a_slash_behind_a_path_and_head_are_answered() {
    let edge = ServedEdge::start(|config| config.shop = true);
    for path in [
        "/v1/events/",
        "/v1/events/?compression=gzip-js",
        "/v1/events?x",
    ] {
        let sent = edge.client.post(format!("{}{path}", edge.base)).body("{}");
        assert_eq!(sent.send().await.unwrap().status(), 202, "{path}");
    }
    assert_eq!(edge.get("/pixel.gif/?id=a").await.status(), 200);
    assert_eq!(edge.topic.drafts().len(), 4);
    for path in [
        "/pixel.gif",
        "/clickweir.js",
        "/clickweir.js/",
        "/healthz",
        "/healthz/",
        "/readyz",
        "/metrics",
        "/",
        "/product/tea",
        "/product/tea/",
        "/log-in",
        "/sign-up/",
        "/shop.css",
    ] {
        let asked = edge.client.head(format!("{}{path}", edge.base));
        let response = asked.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let length = header(&response, "content-length").to_owned();
        assert!(length.parse::<u64>().unwrap() > 0, "{path}");
        assert!(response.bytes().await.unwrap().is_empty(), "{path}");
    }
    assert_eq!(edge.topic.drafts().len(), 4, "HEAD is no click");
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_17_a_body_that_was_cut_off_is_told_so() {
    let edge = ServedEdge::start(|_| ());
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let cut = b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{}";
    stream.write_all(cut).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(
        answer.contains("the body ended before it was complete"),
        "{answer}"
    );
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_18_what_the_parser_refuses_is_counted() {
    let edge = ServedEdge::start(|_| ());
    for _ in 0..3 {
        let answer = edge.raw(b"nonsense\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n", "y".repeat(200_000));
    assert!(edge.raw(head.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let lines = [
        "clickweir_producer_requests_total{route=\"unread\",status=\"400\"} 3",
        "clickweir_producer_requests_total{route=\"unread\",status=\"431\"} 1",
        "clickweir_producer_rejected_total{reason=\"http\"} 4",
    ];
    // A connection is counted when it ends, perhaps after its client has seen that.
    let counted = async {
        loop {
            let page = edge.get("/metrics").await.text().await.unwrap();
            if lines
                .iter()
                .all(|line| page.lines().any(|found| found == *line))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted)
        .await
        .unwrap();
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_19_the_metrics_are_for_this_machine_and_whom_the_operator_names() {
    let check = async |from: &[&str], forwarded: Option<&str>, trusts: bool, expect: u16| {
        let edge = ServedEdge::start(|config| {
            config.metrics_from = from.iter().map(|text| text.parse().unwrap()).collect();
            if trusts {
                config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            }
        });
        let mut asked = edge.client.get(format!("{}/metrics", edge.base));
        if let Some(forwarded) = forwarded {
            asked = asked.header("x-forwarded-for", forwarded);
        }
        let response = asked.send().await.unwrap();
        assert_eq!(response.status(), expect, "{from:?} {forwarded:?} {trusts}");
        edge.stop().await.unwrap();
    };
    check(&[], None, false, 200).await;
    check(&[], Some("198.51.100.9"), false, 403).await;
    check(&[], Some("198.51.100.9"), true, 403).await;
    check(&[], Some("127.0.0.1"), true, 403).await;
    check(&["198.51.100.0/24"], Some("198.51.100.9"), true, 200).await;
    check(&["198.51.100.0/24"], Some("198.51.100.9"), false, 403).await;
    check(&["127.0.0.1"], Some("198.51.100.9"), false, 200).await;
}
