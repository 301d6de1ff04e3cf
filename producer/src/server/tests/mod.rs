mod aws;
mod capture;
mod captured;
mod clients;
mod keys;
mod pages;
mod privacy;
mod secrets;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Client, Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use topic::{AppendError, clock};

use super::*;
use crate::keys::KeyStore;
use crate::testing::{self, FakeWriter};
use crate::tls::EdgeTls;

/// An edge that serves on a free port over a topic in memory.
struct ServedEdge {
    base: String,
    address: SocketAddr,
    topic: Arc<FakeWriter>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), Error>>,
    client: Client,
}

impl ServedEdge {
    fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = testing::config();
        change(&mut config);
        let listener = TcpListener::bind(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let (topic, shutdown) = (FakeWriter::new(), CancellationToken::new());
        let monitor = testing::monitor();
        let monitor = Monitor {
            keys: KeyStore::open(&config).unwrap(),
            tls: EdgeTls::open(&config, monitor.metrics.certificate_ends(), clock::system())
                .unwrap(),
            ..monitor
        };
        let base = format!("{}://{address}", config.scheme());
        let stage = run(
            config,
            listener,
            topic.clone(),
            clock::system(),
            monitor,
            shutdown.clone(),
        );
        let running = tokio::spawn(stage);
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            base,
            address,
            topic,
            shutdown,
            running,
            client,
        }
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        self.client
            .post(format!("{}/v1/events", self.base))
            .body(body)
            .send()
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap()
    }

    /// Sends bytes as they are and returns everything until the edge closes.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn stop(self) -> Result<(), Error> {
        self.shutdown.cancel();
        self.running.await.unwrap()
    }
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn input_01_and_14_a_click_is_taken_whatever_its_content_type() {
    let edge = ServedEdge::start(|_| ());
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "x",
    ] {
        let url = format!("{}/v1/events", edge.base);
        let request = edge
            .client
            .post(url)
            .header("content-type", kind)
            .body(r#"{"id":"a"}"#);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202, "{kind}");
        assert_eq!(
            response.text().await.unwrap(),
            r#"{"accepted":1,"rejected":[]}"#
        );
    }
    assert_eq!(edge.topic.drafts().len(), 4);
    let response = edge.post("{\"id\":\"a\"}\nnope\n").await;
    assert_eq!(response.status(), 202);
    let answer: serde_json::Value = response.json().await.unwrap();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][0]["index"]),
        (&1.into(), &1.into())
    );
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_02_the_pixel_answers_a_picture_once_it_is_durable() {
    let edge = ServedEdge::start(|_| ());
    let response = edge
        .get("/pixel.gif?id=p&action=view&price=9.5&visitor_id=v")
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "image/gif");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(&response.bytes().await.unwrap()[..6], b"GIF89a");
    let value = &edge.topic.envelopes()[0];
    let envelope = topic::Envelope::decode(value.as_bytes()).unwrap();
    assert_eq!((&*envelope.id, &*envelope.format), ("p", "pixel"));
    assert_eq!(envelope.ip.as_deref(), Some("127.0.0.0"));
    let expect = r#"{"id":"p","action":"view","price":9.5,"visitor_id":"v"}"#;
    assert_eq!(envelope.click, expect);
    assert_eq!(edge.get("/pixel.gif").await.status(), 400);
    edge.topic.fail(Some(AppendError::Full));
    assert_eq!(edge.get("/pixel.gif?id=q").await.status(), 503);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_no_answer_before_the_topic_has_it() {
    let edge = ServedEdge::start(|_| ());
    edge.topic.hold();
    let mut answer = Box::pin(edge.post(r#"{"id":"a"}"#));
    let until_held = async {
        while edge.topic.held() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        response = &mut answer => panic!("answered {} before the topic had it", response.status()),
        () = until_held => {}
    }
    let early = tokio::time::timeout(Duration::from_millis(100), &mut answer).await;
    assert!(early.is_err(), "answered while the delivery was open");
    edge.topic.release();
    assert_eq!(answer.await.status(), 202);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_and_fault_04_a_full_edge_says_when_to_come_back() {
    let edge = ServedEdge::start(|config| config.max_held = bytesize::ByteSize::b(100));
    let check = async |response: Response| {
        assert_eq!(
            (response.status().as_u16(), header(&response, "retry-after")),
            (503, "1")
        );
        let answer: serde_json::Value = response.json().await.unwrap();
        assert!(
            answer["error"].is_string() && answer["remedy"].is_string(),
            "{answer}"
        );
    };
    check(
        edge.post(format!("{{\"a\":\"{}\"}}", "x".repeat(200)))
            .await,
    )
    .await;
    assert_eq!(
        edge.post("{}").await.status(),
        202,
        "what was held is given back"
    );
    for fault in [
        AppendError::Full,
        AppendError::Closed("the disk is full".into()),
    ] {
        edge.topic.fail(Some(fault));
        check(edge.post("{}").await).await;
        check(edge.get("/readyz").await).await;
        assert_eq!(edge.get("/healthz").await.status(), 200);
    }
    edge.topic.fail(None);
    assert_eq!(edge.get("/readyz").await.status(), 200);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_12_a_body_over_the_limit_is_refused_from_its_header() {
    let edge = ServedEdge::start(|_| ());
    let head = b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1048577\r\n\r\n";
    assert!(edge.raw(head).await.starts_with("HTTP/1.1 413"));
    let chunks = tokio_util::io::ReaderStream::new(tokio::io::repeat(b' ').take(1_048_577));
    let sent = edge.client.post(format!("{}/v1/events", edge.base));
    // The edge may close while the client still writes; an answer is a 413.
    if let Ok(response) = sent.body(reqwest::Body::wrap_stream(chunks)).send().await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(edge.post(" ".repeat(1_048_574) + "{}").await.status(), 202);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_15_requests_that_smuggle_are_refused() {
    let edge = ServedEdge::start(|config| config.body_timeout = Duration::from_millis(300));
    let check = async |rest: &str, expect: &str| {
        let request = format!("POST /v1/events HTTP/1.1\r\nhost: x\r\n{rest}");
        let answer = edge.raw(request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expect}")),
            "{rest:?}: {answer}"
        );
    };
    check(
        "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    )
    .await;
    check("content-length: nine\r\n\r\n{}", "400").await;
    check("content-length: 2\r\ncontent-length: 3\r\n\r\n{}", "400").await;
    check("transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n", "400").await;
    check("content-length: 9\r\n\r\n{}", "408").await;
    assert!(edge.topic.drafts().is_empty());
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_16_slow_clients_are_let_go_and_others_are_served() {
    let edge = ServedEdge::start(|config| config.head_timeout = Duration::from_millis(300));
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(edge.address).await.unwrap());
    }
    assert_eq!(
        edge.post("{}").await.status(),
        202,
        "idle connections do no harm"
    );
    assert!(edge.raw(b"POST /v1/ev").await.starts_with("HTTP/1.1 408"));
    // Each of those that sent no head in time is counted once it has ended.
    let line = "clickweir_producer_requests_total{route=\"unread\",status=\"408\"} 201";
    let counted = async {
        loop {
            let page = edge.get("/metrics").await.text().await.unwrap();
            if page.lines().any(|found| found == line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(20), counted).await;
    drop(idle);
    counted.unwrap();
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_17_paths_and_methods() {
    let edge = ServedEdge::start(|_| ());
    let check = async |method: Method, path: &str, expect: (u16, &str)| {
        let request = edge
            .client
            .request(method.clone(), format!("{}{path}", edge.base));
        let response = request.send().await.unwrap();
        let allow = header(&response, "allow").to_owned();
        assert_eq!(
            (response.status().as_u16(), &*allow),
            expect,
            "{method} {path}"
        );
        let answer: serde_json::Value = response.json().await.unwrap();
        assert!(
            answer["error"]
                .as_str()
                .is_some_and(|sentence| sentence.len() > 10)
        );
    };
    check(Method::GET, "/", (404, "")).await;
    check(Method::POST, "/v1/nothing", (404, "")).await;
    check(Method::GET, "/v1/events", (405, "POST, OPTIONS")).await;
    check(Method::POST, "/pixel.gif", (405, "GET, HEAD")).await;
    check(Method::DELETE, "/metrics", (405, "GET, HEAD")).await;
    check(Method::GET, "/%00", (400, "")).await;
    check(Method::GET, "/pixel.gif?id=%00", (400, "")).await;
    let traversal =
        edge.raw(b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(traversal.await.starts_with("HTTP/1.1 404"));
    let nul = edge.raw(b"GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(nul.starts_with("HTTP/1.1 400"), "{nul}");
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_shop_the_root_says_what_is_served() {
    let edge = ServedEdge::start(|_| ());
    let response = edge.get("/").await;
    assert_eq!(response.status(), 404);
    let answer: serde_json::Value = response.json().await.unwrap();
    let remedy = answer["remedy"].as_str().unwrap();
    for path in [
        "/v1/events",
        "/pixel.gif",
        "/clickweir.js",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(remedy.contains(path), "{path} is in {remedy}");
        assert_ne!(edge.get(path).await.status(), 404, "{path}");
    }
    assert!(remedy.contains("producer.shop"));
    for path in ["/shop.js", "/product/tea", "/sign-up"] {
        assert_eq!(edge.get(path).await.status(), 404, "{path}");
    }
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_20_pages_of_listed_origins_may_send() {
    let edge = ServedEdge::start(|config| config.origins = vec!["https://shop.example".into()]);
    let url = format!("{}/v1/events", edge.base);
    let ask = |method: Method, origin: &str| {
        edge.client
            .request(method, &url)
            .header("origin", origin)
            .body("{}")
            .send()
    };
    let response = ask(Method::OPTIONS, "https://shop.example").await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(
        header(&response, "access-control-allow-origin"),
        "https://shop.example"
    );
    let allowed = header(&response, "access-control-allow-headers");
    assert!(
        ["authorization", "content-type", "x-retry-count"]
            .iter()
            .all(|h| allowed.contains(h))
    );
    let response = ask(Method::POST, "https://shop.example").await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(
        header(&response, "access-control-allow-origin"),
        "https://shop.example"
    );
    let response = ask(Method::OPTIONS, "https://evil.example").await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "access-control-allow-origin"), "");
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_03_a_stopping_edge_drains_and_flushes() {
    let edge = ServedEdge::start(|_| ());
    edge.topic.hold();
    let url = format!("{}/v1/events", edge.base);
    let client = edge.client.clone();
    let sent = tokio::spawn(async move { client.post(url).body("{}").send().await.unwrap() });
    while edge.topic.held() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    edge.shutdown.cancel();
    let topic = edge.topic.clone();
    let refused = async {
        while TcpStream::connect(edge.address)
            .await
            .is_ok_and(|_| !edge.running.is_finished())
        {
            if topic.held() == 1 {
                topic.release();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused)
        .await
        .unwrap();
    assert_eq!(
        sent.await.unwrap().status(),
        202,
        "what was in flight is answered"
    );
    let topic = edge.topic.clone();
    edge.stop().await.unwrap();
    assert!(topic.flushed.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_count_what_happened() {
    let edge = ServedEdge::start(|_| ());
    edge.post("[{},{},7]").await;
    edge.post("nope").await;
    let page = edge.get("/metrics").await.text().await.unwrap();
    for line in [
        "clickweir_producer_requests_total{route=\"/v1/events\",status=\"202\"} 1",
        "clickweir_producer_requests_total{route=\"/v1/events\",status=\"400\"} 1",
        "clickweir_producer_clicks_acknowledged_total 2",
        "clickweir_producer_rejected_total{reason=\"item\"} 1",
        "clickweir_producer_rejected_total{reason=\"malformed\"} 1",
        "clickweir_producer_rejected_total{reason=\"unavailable\"} 0",
        "clickweir_producer_append_seconds_count 1",
        "clickweir_producer_append_seconds_bucket{le=\"+Inf\"} 1",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "{line} is in\n{page}"
        );
    }
    edge.stop().await.unwrap();
}
