//! Which requests are let in, and what is refused.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::tests::fixture::{HARM, TOKEN, TestDashboard, answer};

#[tokio::test(flavor = "multi_thread")]
async fn input_11_and_29_what_a_client_sent_is_escaped() {
    let served = TestDashboard::full().await;
    for path in [
        "/",
        "/panels",
        "/sql?sql=SELECT%20product_name%20FROM%20clicks",
    ] {
        let (_, page) = served.read(path).await;
        assert!(page.contains("=cmd()&#60;script&#62;"), "{path}: {page}");
        assert!(!page.contains(HARM), "{path}");
    }
    for path in [
        "/api/breakdown.csv?by=product",
        "/api/unbought.csv?range=all",
    ] {
        let (status, csv) = served.read(path).await;
        assert_eq!(status, 200, "{csv}");
        assert!(!csv.contains(",=") && !csv.contains("\n="), "{csv}");
    }
    let (_, csv) = served.read("/api/breakdown.csv?by=product").await;
    assert!(csv.contains("'=cmd()<script>"), "{csv}");
    let (_, csv) = served
        .read("/api/query?format=csv&sql=SELECT%20product_name%20FROM%20clicks")
        .await;
    assert!(csv.contains("'=cmd()<script>"), "{csv}");
    let (status, page) = served.read("/nothing/%3Cscript%3E").await;
    assert!(status == 404 && !page.contains("<script>"), "{page}");
    let (_, page) = served.read("/?action=%22%3E%3Cscript%3E").await;
    assert!(!page.contains("\"><script>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_17_and_36_what_is_not_there_is_refused_with_a_remedy() {
    let served = TestDashboard::full().await;
    let check = async |method: Method, path: &str, expect: u16, allow: Option<&str>| {
        let response = served.other(method.clone(), path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), expect, "{method} {path}");
        let allowed = response
            .headers()
            .get("allow")
            .and_then(|value| value.to_str().ok());
        assert_eq!(allowed, allow, "{method} {path}");
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let text = response.text().await.unwrap();
        if path.starts_with("/api") {
            assert_eq!(kind, "application/json");
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert!(
                problem["error"].is_string() && problem["remedy"].is_string(),
                "{text}"
            );
        } else {
            assert!(
                kind.starts_with("text/html") && text.contains("<h1>"),
                "{text}"
            );
        }
    };
    check(Method::GET, "/nothing", 404, None).await;
    check(Method::GET, "/assets/../Cargo.toml", 404, None).await;
    check(Method::GET, "/assets/..%2f..%2fCargo.toml", 404, None).await;
    check(Method::GET, "/api/nothing", 404, None).await;
    let (_, text) = served.read("/api/nothing").await;
    assert!(text.contains("the panels are totals, series"), "{text}");
    let (_, text) = served.read("/api/serie").await;
    assert!(text.contains("Did you mean 'series'?"), "{text}");
    check(Method::POST, "/", 405, Some("GET, HEAD")).await;
    check(Method::DELETE, "/api/totals", 405, Some("GET, HEAD")).await;
    check(Method::PUT, "/api/query", 405, Some("GET, POST")).await;
    check(Method::GET, "/api/query", 400, None).await;
    check(
        Method::GET,
        "/api/query?sql=SELECT%201&format=xml",
        400,
        None,
    )
    .await;
    check(Method::GET, "/api/totals?acton=buy", 400, None).await;
    check(Method::GET, "/api/totals?step=year", 400, None).await;
    check(Method::GET, "/api/totals?step=minute&range=30d", 400, None).await;
    check(Method::GET, "/api/breakdown", 400, None).await;
    check(Method::GET, "/api/breakdown?by=visitor_id", 400, None).await;
    check(Method::GET, "/api/breakdown?by=page&n=0", 400, None).await;
    check(Method::GET, "/funnel?within=long", 400, None).await;
    check(Method::GET, "/api/totals?format=xml", 400, None).await;
    check(Method::GET, "/?range=year", 400, None).await;
    check(Method::GET, "/?from=then", 400, None).await;
    let sly = served
        .json("/api/totals?action=buy%27%20OR%201%3D1%20--")
        .await;
    assert_eq!(sly["now"]["clicks"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_18_a_command_is_for_the_owner() {
    let served = TestDashboard::full().await;
    let check = async |name: &str, token: Option<&str>, body: Value, expect: u16, says: &str| {
        let mut request = served.post(&format!("/command/{name}")).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let (status, text) = answer(request).await;
        assert_eq!(status, expect, "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains(TOKEN), "{text}");
    };
    check(
        "echo",
        Some(TOKEN),
        json!({"a": 1}),
        200,
        r#"{"heard":{"a":1}}"#,
    )
    .await;
    check("echo", None, json!({}), 401, "owner").await;
    check(
        "echo",
        Some("a-token-of-the-owneR"),
        json!({}),
        401,
        "owner",
    )
    .await;
    check(
        "nothing",
        Some(TOKEN),
        json!({}),
        404,
        "the commands are echo",
    )
    .await;
    check("echo", Some(TOKEN), json!({"fail": "topic"}), 503, "topic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_18_with_a_token_only_its_holder_is_answered() {
    let secret = "under-the-weir-is-a-pool";
    let served = TestDashboard::locked(secret).await;
    for path in [
        "/",
        "/funnel",
        "/pipeline",
        "/sql",
        "/api/totals",
        "/metrics",
        "/assets/style.css",
        "/nothing",
    ] {
        let refused = served.get(path).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 401, "{path}");
        assert!(
            refused.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Basic")
        );
        let text = refused.text().await.unwrap();
        assert!(
            text.contains("dashboard.token") && !text.contains(secret),
            "{text}"
        );
        let (wrong, _) = answer(served.get(path).bearer_auth("under-the-weir-is-a-pooL")).await;
        assert_eq!(wrong, 401, "{path}");
        let (bearer, _) = answer(served.get(path).bearer_auth(secret)).await;
        // A browser sends the token as a password. Any host name is right.
        let basic = served.get(path).basic_auth("ada", Some(secret));
        let (basic, _) = answer(basic.header("host", "shop.example")).await;
        let expect = if path == "/nothing" { 404 } else { 200 };
        assert_eq!((bearer, basic), (expect, expect), "{path}");
    }
    assert_eq!(served.read("/healthz").await.0, 200);
    assert_eq!(served.read("/readyz").await.0, 200);
    let owner = served
        .post("/command/echo")
        .bearer_auth(TOKEN)
        .json(&json!({}));
    assert_eq!(answer(owner).await.0, 200);
    let stranger = served
        .post("/command/echo")
        .bearer_auth(secret)
        .json(&json!({}));
    assert_eq!(answer(stranger).await.0, 401);
    let foreign = served.post("/api/crawl").bearer_auth(secret);
    let (status, _) = answer(foreign.header("origin", "http://evil.example")).await;
    assert_eq!(status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_foreign_content_and_foreign_callers() {
    let served = TestDashboard::full().await;
    for path in [
        "/",
        "/funnel",
        "/pipeline",
        "/sql",
        "/nothing",
        "/api/totals",
        "/assets/style.css",
        "/healthz",
    ] {
        let response = served.get(path).send().await.unwrap();
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let text = response.text().await.unwrap();
        assert!(
            !text.contains("style=\"") && !text.contains(" onclick="),
            "{path}"
        );
        let foreign = text.matches("src=\"").count() - text.matches("src=\"/").count();
        assert_eq!(foreign, 0, "{path}");
    }
    let (status, text) = answer(served.get("/").header("host", "evil.example")).await;
    assert_eq!(status, 403, "{text}");
    let (status, text) = answer(
        served
            .post("/api/crawl")
            .header("origin", "http://evil.example"),
    )
    .await;
    assert_eq!(status, 403, "{text}");
    let (status, text) = answer(served.post("/api/crawl")).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("registered"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_at_its_shutdown() {
    let mut served = TestDashboard::empty().await;
    served.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), &mut served.ended).await;
    ended
        .expect("it ends within its deadline")
        .unwrap()
        .unwrap();
}
