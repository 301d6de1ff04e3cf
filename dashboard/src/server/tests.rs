use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{HARM, Served, TOKEN, told};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_lake() {
    let served = Served::full().await;
    let (status, page) = served.read("/").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "<dt>Clicks</dt><dd>8</dd>",
        "<dt>Visitors</dt><dd>3</dd>",
        "<dt>Buys</dt><dd>2</dd>",
        "<dt>Orders</dt><dd>2</dd>",
        "<dt>Revenue</dt><dd>50.00</dd>",
        "Most viewed",
        "Most bought",
        "Teapot",
        "Germany",
        "✓ It adds up:",
        "16 accepted = 10 rows + 1 dead letters + 1 duplicates + 0 dropped + 4 pending",
        "id=\"actions-data\"",
        "<caption>Clicks by hour and action, newest first</caption>",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn input_11_and_29_what_a_client_sent_is_escaped() {
    let served = Served::full().await;
    for path in [
        "/",
        "/panels",
        "/sql?sql=SELECT%20product_name%20FROM%20clicks",
    ] {
        let (_, page) = served.read(path).await;
        assert!(page.contains("=cmd()&#60;script&#62;"), "{path}: {page}");
        assert!(!page.contains(HARM), "{path}");
    }
    let (_, csv) = served.read("/api/products.csv").await;
    assert!(csv.contains("'=cmd()<script>"), "{csv}");
    let (_, csv) = served
        .read("/sql.csv?sql=SELECT%20product_name%20FROM%20clicks")
        .await;
    assert!(csv.contains("'=cmd()<script>"), "{csv}");
    let (status, page) = served.read("/nothing/%3Cscript%3E").await;
    assert!(status == 404 && !page.contains("<script>"), "{page}");
    let (_, page) = served.read("/?action=%22%3E%3Cscript%3E").await;
    assert!(!page.contains("\"><script>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_narrows_every_panel() {
    let served = Served::full().await;
    let check = async |query: &str, clicks: u64| {
        let totals = served.json(&format!("/api/totals?{query}")).await;
        assert_eq!(totals["now"]["clicks"], clicks, "{query}: {totals}");
    };
    check("", 8).await;
    check("range=all", 10).await;
    check("range=1h", 0).await;
    check("action=buy", 2).await;
    check("product=p1", 4).await;
    check("country=France", 2).await;
    check("country=France&action=buy&product=p2", 1).await;
    check("from=2026-11-22T20:00&to=2026-11-22T21:00", 6).await;
    check("from=2026-11-21&to=2026-11-22", 2).await;
    let totals = served
        .json("/api/totals?from=2026-11-22&to=2026-11-23")
        .await;
    assert_eq!(
        (&totals["now"]["clicks"], &totals["before"]["clicks"]),
        (&json!(8), &json!(2))
    );
    let actions = served
        .json("/api/actions?range=all&step=day&action=view")
        .await;
    assert_eq!(
        actions,
        json!([
            {"at": "2026-11-21T00:00:00.000000Z", "action": "view", "clicks": 2},
            {"at": "2026-11-22T00:00:00.000000Z", "action": "view", "clicks": 5},
        ])
    );
    let products = served.json("/api/products?action=buy").await;
    assert_eq!(products.as_array().map(Vec::len), Some(2), "{products}");
    let (_, page) = served.read("/?range=1h").await;
    assert!(page.contains("No click in this range matches"), "{page}");
    assert!(page.contains("href=\"/?range=all\">look there"), "{page}");
    let (_, page) = served.read("/?range=all&country=Mars").await;
    assert!(page.contains("href=\"/?range=all\">look there"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_is_json_and_csv() {
    let served = Served::full().await;
    let check = async |name: &str, header: &str| {
        served.json(&format!("/api/{name}")).await;
        for path in [
            format!("/api/{name}.csv"),
            format!("/api/{name}?format=csv"),
        ] {
            let response = served.get(&path).send().await.unwrap();
            assert_eq!(
                response.headers()["content-type"],
                "text/csv; charset=utf-8"
            );
            let text = response.text().await.unwrap();
            assert_eq!(text.lines().next(), Some(header), "{path}");
        }
    };
    check("totals", "period,clicks,visitors,buys,orders,revenue").await;
    check("actions", "at,action,clicks").await;
    check("products", "action,product_id,name,clicks,quantity,revenue").await;
    check("countries", "country,clicks,buys,revenue").await;
    check(
        "freshness",
        "partition,registered_end,pending,newest_record,age_s,objects,bytes",
    )
    .await;
    check(
        "crawls",
        "started_at,took_s,looked_at,found,registered,held,refused,foreign,detail",
    )
    .await;
    check("accounting", "partition,accepted,rows,dead_letters,duplicates,dropped,pending,no_record,given_up,topic_low,topic_high,adds_up").await;
    let books = served.json("/api/accounting").await;
    assert_eq!(books["adds_up"], true, "{books}");
    assert_eq!(books["partitions"][2]["accepted"], 16, "{books}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_34_and_35_sql_is_bounded_and_says_why() {
    let served = Served::full().await;
    let check = async |sql: &str, expect: u16, reason: &str| {
        let request = served.post("/api/query").json(&json!({ "sql": sql }));
        let (status, text) = told(request).await;
        assert_eq!(status, expect, "{sql}: {text}");
        assert!(text.contains(reason), "{sql}: {text}");
        if expect != 200 {
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert!(
                problem["remedy"]
                    .as_str()
                    .is_some_and(|remedy| !remedy.is_empty()),
                "{text}"
            );
        }
    };
    check("SELECT count(*) AS n FROM clicks", 200, "[[10]]").await;
    check("SELECT reason FROM dead_letters", 200, "wrong_type").await;
    check("", 400, "there is no SQL").await;
    check("SELEC 1", 400, "SELEC").await;
    check("SELECT nothing FROM clicks", 400, "nothing").await;
    for refused in [
        "COPY clicks TO '/tmp/x'",
        "ATTACH '/tmp/x'",
        "SET threads = 9",
        "SELECT 1; SELECT 2",
    ] {
        let request = served.post("/api/query").json(&json!({ "sql": refused }));
        let (status, text) = told(request).await;
        assert!(matches!(status, 400 | 403), "{refused}: {status} {text}");
    }
    check("SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range % 7 = b.range % 5", 408, "query_timeout").await;
    check(
        "SELECT repeat('x', 500000) AS text FROM range(200)",
        413,
        "MiB",
    )
    .await;
    check("FROM range(5000)", 200, "\"truncated\":true").await;
    check("SELECT 1 AS still_alive", 200, "still_alive").await;
    let (status, _) = told(served.post("/api/query").body("no json")).await;
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_page_shows_rows_and_reasons() {
    let served = Served::full().await;
    let (status, page) = served.read("/sql").await;
    assert!(status == 200 && page.contains("<textarea"), "{page}");
    let (status, page) = served
        .read("/sql?sql=SELECT%20count(*)%20AS%20clicks%20FROM%20clicks")
        .await;
    assert!(
        status == 200 && page.contains("<td class=\"number\">10</td>"),
        "{page}"
    );
    let (status, page) = served.read("/sql?sql=SELEC").await;
    assert!(status == 400 && page.contains("role=\"alert\""), "{page}");
    // Every example runs.
    let examples: Vec<&str> = page
        .split("<a href=\"/sql?sql=")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let (status, page) = served.read(&format!("/sql?sql={example}")).await;
        assert_eq!(status, 200, "{example}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn input_17_and_36_what_is_not_there_is_told() {
    let served = Served::full().await;
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
    check(Method::POST, "/", 405, Some("GET, HEAD")).await;
    check(Method::DELETE, "/api/totals", 405, Some("GET, HEAD")).await;
    check(Method::GET, "/api/query", 405, Some("POST")).await;
    check(Method::GET, "/api/totals?acton=buy", 400, None).await;
    check(Method::GET, "/api/totals?step=week", 400, None).await;
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
    let served = Served::full().await;
    let check = async |name: &str, token: Option<&str>, body: Value, expect: u16, says: &str| {
        let mut request = served.post(&format!("/command/{name}")).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let (status, text) = told(request).await;
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
    check("nothing", Some(TOKEN), json!({}), 404, "known are: echo").await;
    check("echo", Some(TOKEN), json!({"fail": "topic"}), 503, "topic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_foreign_content_and_foreign_callers() {
    let served = Served::full().await;
    for path in [
        "/",
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
    let (status, text) = told(served.get("/").header("host", "evil.example")).await;
    assert_eq!(status, 403, "{text}");
    let (status, text) = told(
        served
            .post("/api/crawl")
            .header("origin", "http://evil.example"),
    )
    .await;
    assert_eq!(status, 403, "{text}");
    let (status, text) = told(served.post("/api/crawl")).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("registered"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_inside() {
    let served = Served::full().await;
    for (file, holds) in [
        ("style.css", "prefers-color-scheme"),
        ("dashboard.js", "uPlot"),
        ("sql.js", "requestSubmit"),
        ("icon.svg", "<svg"),
        ("uplot.js", "uPlot"),
        ("uplot.css", ".uplot"),
        ("uplot.LICENSE", "MIT"),
    ] {
        let (status, text) = served.read(&format!("/assets/{file}")).await;
        assert!(status == 200 && text.contains(holds), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_answered() {
    let served = Served::full().await;
    assert_eq!(served.read("/healthz").await, (200, "ok\n".into()));
    assert_eq!(served.read("/readyz").await, (200, "ready\n".into()));
    let (_, text) = served.read("/metrics").await;
    for line in [
        "clickweir_registered_end{partition=\"0\"} 10",
        "clickweir_lag_records{partition=\"0\"} 3",
        "clickweir_lag_records{partition=\"1\"} 1",
        "clickweir_freshness_seconds{partition=\"1\"} 1800",
        "clickweir_objects{partition=\"1\"} 1",
        "clickweir_accounting_adds_up 1",
        "clickweir_crawl_held 0",
    ] {
        assert!(
            text.lines().any(|got| got == line),
            "{line} is not in {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_catalog_is_not_ready() {
    let served = Served::full().await;
    served.clock.pass(Duration::from_secs(59));
    assert_eq!(served.read("/readyz").await.0, 200);
    served.clock.pass(Duration::from_secs(200));
    let (status, page) = served.read("/readyz").await;
    assert!(
        status == 503 && page.contains("the last crawl ended 4 min ago"),
        "{page}"
    );
    assert_eq!(served.read("/healthz").await.0, 200);
    assert_eq!(told(served.post("/api/crawl")).await.0, 200);
    assert_eq!(served.read("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_05_a_topic_that_is_away_hides_no_page() {
    let served = Served::silent().await;
    let (status, page) = served.read("/").await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("The topic’s own numbers are missing: the broker is away."),
        "{page}"
    );
    assert!(
        page.contains("12 accepted = 10 rows + 1 dead letters + 1 duplicates"),
        "{page}"
    );
    let (_, text) = served.read("/metrics").await;
    assert!(
        !text.contains("clickweir_lag_records{"),
        "a lag that is not known is not 0: {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_lake_says_how_to_begin() {
    let served = Served::empty().await;
    for query in ["", "?range=all", "?from=2026-01-01", "?action=buy"] {
        let (status, page) = served.read(&format!("/{query}")).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("The lake holds no clicks yet."), "{page}");
        assert!(
            page.contains("curl -i http://127.0.0.1:8080/v1/events"),
            "{page}"
        );
        assert!(page.contains("✓ It adds up:"), "{page}");
    }
    for panel in [
        "totals",
        "actions",
        "products",
        "countries",
        "accounting",
        "freshness",
    ] {
        served.json(&format!("/api/{panel}")).await;
    }
    assert_eq!(served.catalog.span().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_it_is_told_to() {
    let mut served = Served::empty().await;
    served.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), &mut served.ended).await;
    ended
        .expect("it ends within its deadline")
        .unwrap()
        .unwrap();
}
