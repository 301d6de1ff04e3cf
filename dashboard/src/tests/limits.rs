//! What one client cannot do to others: fill the memory, take every connection, make endless pages.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tests::fixture::TestDashboard;

/// How long a test waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends the head of a request for `path` with a body of 8 MiB, and this much of the body.
async fn unfinished(served: &TestDashboard, path: &str, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(served.address()).await.unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388607\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse before all is sent.
    let _ = stream.write_all(&vec![b' '; sent]).await;
    stream
}

/// The status that comes, and true if the connection is closed behind it.
async fn refusal(stream: &mut TcpStream) -> (String, bool) {
    let mut answer = Vec::new();
    let closed = timeout(ANSWER_TIMEOUT, stream.read_to_end(&mut answer)).await;
    let status = String::from_utf8_lossy(&answer);
    let status = status.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, closed.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_6_without_the_token_no_body_is_read() {
    let served = TestDashboard::locked("under-the-weir-is-a-pool").await;
    for path in ["/command/echo", "/command/x", "/api/query", "/api/crawl"] {
        let mut stream = unfinished(&served, path, 1 << 10).await;
        assert_eq!(refusal(&mut stream).await, ("401".into(), true), "{path}");
    }
    let bodies = &served.site.bodies;
    assert_eq!(bodies.held_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_6_bodies_in_memory_have_one_budget() {
    let served = TestDashboard::full().await;
    let open = (0..24).map(|_| unfinished(&served, "/api/query", 7 << 20));
    let mut open = join_all(open).await;
    let answers = join_all(open.iter_mut().map(refusal)).await;
    let busy = answers.iter().filter(|(status, _)| status == "503").count();
    assert!((18..24).contains(&busy), "{answers:?}");
    let held = served.site.bodies.held_bytes();
    assert!(held <= 32 << 20, "{held}");
    // Who is refused gives back what it held, and others are answered.
    drop(open);
    let asked = || async { served.read("/api/query?sql=SELECT%201").await.0 };
    assert_eq!(asked().await, 200);
    while served.site.bodies.held_bytes() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_7_hostile_values_make_no_endless_page() {
    let served = TestDashboard::flooded(300, 20_000).await;
    for (path, most) in [
        ("/funnel", 1 << 20),
        ("/", 1 << 20),
        ("/api/actions", 100 << 10),
        ("/api/breakdown?by=page", 100 << 10),
        ("/api/funnel", 10 << 10),
        ("/sql?sql=FROM%20clicks", 6 << 20),
    ] {
        let (status, page) = served.read(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.len() < most, "{path} has {} bytes", page.len());
    }
    // What is shown leads to the clicks that have it.
    let actions = served.json("/api/breakdown?by=action&n=1").await;
    let cut = actions["slices"][0]["value"].as_str().unwrap();
    assert_eq!((cut.chars().count(), &cut[..5]), (200, "00000"));
    let asked = crate::http::params::percent_encode(cut);
    for filter in [
        asked.clone(),
        crate::http::params::percent_encode(&"0".repeat(5)) + &"%3C".repeat(400),
    ] {
        let totals = served.json(&format!("/api/totals?action={filter}")).await;
        assert_eq!(totals["now"]["clicks"], 1, "{totals}");
    }
    let reached = served.json(&format!("/api/funnel?then={asked}")).await;
    assert_eq!(reached[0]["visitors"], 1, "{reached}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_13_streams_leave_connections_to_pages() {
    let served = TestDashboard::full().await;
    let open = (0..300).map(|_| async { served.get("/live").send().await.unwrap() });
    let open = join_all(open).await;
    let count = |expect: u16| {
        let statuses = open.iter().map(|response| response.status().as_u16());
        statuses.filter(|status| *status == expect).count()
    };
    assert_eq!((count(200), count(503)), (256, 44));
    for path in ["/", "/healthz", "/metrics"] {
        let asked = timeout(ANSWER_TIMEOUT, served.read(path)).await;
        assert_eq!(asked.expect("it answers").0, 200, "{path}");
    }
    drop(open);
    // Those who leave make room.
    let again = async {
        while served.get("/live").send().await.unwrap().status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(ANSWER_TIMEOUT, again)
        .await
        .expect("there is room again");
}
