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
        "aria-current=\"true\">Clicks</a></dt><dd>8</dd>",
        "<a href=\"/?metric=visitors\">Visitors</a></dt><dd>3</dd>",
        ">Buys</a></dt><dd>2</dd>",
        ">Orders</a></dt><dd>2</dd>",
        ">Revenue</a></dt><dd>50.00</dd>",
        "<dt>Visitors who bought</dt><dd>66.7 %</dd>",
        "<a href=\"/?country=Germany\">Germany</a>",
        "<a href=\"/?without=country\">",
        "Teapot",
        "Germany",
        "✓ It adds up:",
        "16 accepted = 10 rows + 1 dead letters + 1 duplicates + 0 dropped + 4 pending",
        "id=\"actions-data\"",
        "<caption>Clicks by hour and action, newest first</caption>",
        "id=\"series-data\"",
        "<caption>clicks by hour, newest first</caption>",
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
    let products = served.json("/api/breakdown?by=product&action=buy").await;
    assert_eq!(
        products["slices"].as_array().map(Vec::len),
        Some(2),
        "{products}"
    );
    let first = served.json("/api/breakdown?by=product&n=1").await;
    assert_eq!(
        (&first["slices"][0]["value"], &first["values"]),
        (&json!("p1"), &json!(3))
    );
    check("without=country", 3).await;
    check("without=country&action=view", 2).await;
    check("device=pc", 0).await;
    let (_, page) = served.read("/?range=1h").await;
    assert!(page.contains("No click in this range matches"), "{page}");
    assert!(page.contains("href=\"/?range=all\">look there"), "{page}");
    let (_, page) = served.read("/?range=all&country=Mars").await;
    assert!(page.contains("href=\"/?range=all\">look there"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_a_chip_that_can_be_taken_away() {
    let served = Served::full().await;
    let (_, page) = served
        .read("/?range=all&country=France&without=device")
        .await;
    for expect in [
        "country: <strong>France</strong>",
        "href=\"/?range=all&#38;without=device\" aria-label=\"Take away the filter by country\"",
        "device: <em>none</em>",
        "href=\"/?range=all\">Clear</a>",
        // What else is chosen stays chosen.
        "href=\"/funnel?range=all&#38;country=France&#38;without=device\"",
        "href=\"/?range=all&#38;action=view&#38;country=France&#38;without=device\"",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    // The form's two fields become the filter's own key.
    let response = served
        .get("/?range=7d&where=product&is=p1")
        .send()
        .await
        .unwrap();
    assert!(
        response.url().as_str().ends_with("/?range=7d&product=p1"),
        "{}",
        response.url()
    );
    let response = served.get("/funnel?where=page&is=/a").send().await.unwrap();
    assert!(
        response.url().as_str().ends_with("/funnel?page=%2Fa"),
        "{}",
        response.url()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_funnel_counts_visitors_and_what_they_left() {
    let served = Served::full().await;
    let (status, page) = served.read("/funnel").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "<strong>view</strong>",
        "66.7 % of the first",
        "Viewed and never bought",
        "<a href=\"/?product=p3\">p3</a>",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    let check = async |query: &str, expect: Value| {
        assert_eq!(
            served.json(&format!("/api/funnel?{query}")).await,
            expect,
            "{query}"
        );
    };
    let steps = |steps: &[(&str, u64)]| {
        let step =
            |&(action, visitors): &(&str, u64)| json!({ "action": action, "visitors": visitors });
        Value::Array(steps.iter().map(step).collect())
    };
    check("", steps(&[("view", 3), ("buy", 2)])).await;
    check("then=view&then=login", steps(&[("view", 3), ("login", 1)])).await;
    check("within=30m", steps(&[("view", 3), ("buy", 1)])).await;
    check("country=Germany", steps(&[("view", 1), ("buy", 1)])).await;
    let many: String = (0..9).map(|_| "then=view&").collect();
    let (status, text) = served.read(&format!("/api/funnel?{many}")).await;
    assert!(status == 400 && text.contains("8 steps"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_shows_what_became_of_every_record() {
    let served = Served::full().await;
    let (status, page) = served.read("/pipeline").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "16 accepted = 10 rows + 1 dead letters + 1 duplicates + 0 dropped + 4 pending",
        "wrong_type",
        "price: a text",
        "{&#34;price&#34;:&#34;dear&#34;}",
        "Lag and freshness",
        "clicks/year=2026/month=11/day=22/hour=21/00000-00000000000000000000.parquet",
        "whole lake",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    assert_eq!(served.read("/pipeline/panels").await.0, 200);
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
    check(
        "totals",
        "period,clicks,visitors,buyers,buys,orders,revenue",
    )
    .await;
    check("series", "at,clicks,before_at,before").await;
    check("actions", "at,action,clicks").await;
    check("unbought", "product,clicks,views,buys,quantity,revenue").await;
    check(
        "funnel",
        "step,visitors,of_the_first,of_the_one_before,left",
    )
    .await;
    check(
        "letters",
        "reason,letters,partition,offset,appended_at,detail,record",
    )
    .await;
    check(
        "objects",
        "object,newest_record,first,end,rows,dead_letters,duplicates,dropped,bytes",
    )
    .await;
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
    let (_, csv) = served
        .read("/api/breakdown.csv?by=country&metric=buys")
        .await;
    assert_eq!(
        csv,
        "country,clicks,views,buys,quantity,revenue\r\nGermany,3,2,1,2,25.00\r\n\
         France,2,1,1,2,25.00\r\n,3,2,0,0,0.00\r\n"
    );
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
async fn an_answer_comes_in_every_format() {
    let served = Served::full().await;
    let sql = "SELECT action, count(*) AS n FROM clicks GROUP BY ALL ORDER BY n DESC";
    let get = async |format: &str| {
        let encoded = crate::selection::percent(sql);
        let request = served.get(&format!("/api/query?sql={encoded}&format={format}"));
        request.send().await.unwrap()
    };
    let csv = get("csv").await.text().await.unwrap();
    assert_eq!(csv, "action,n\r\nview,7\r\nbuy,2\r\nlogin,1\r\n");
    let json: Value = get("").await.json().await.unwrap();
    assert_eq!(json["rows"], json!([["view", 7], ["buy", 2], ["login", 1]]));
    let arrow = get("arrow").await;
    assert_eq!(arrow.headers()["clickweir-truncated"], "false");
    assert_eq!(
        arrow.headers()["content-type"],
        "application/vnd.apache.arrow.stream"
    );
    assert!(arrow.bytes().await.unwrap().starts_with(&[0xff; 4]));
    let parquet = get("parquet").await.bytes().await.unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    // The same by POST, by what the client accepts.
    let post = served.post("/api/query").json(&json!({ "sql": sql }));
    let (status, text) = told(post.header("accept", "text/csv")).await;
    assert_eq!((status, text), (200, csv));
    let post = json!({ "sql": "FROM range(5000)", "format": "csv" });
    let cut = served.post("/api/query").json(&post).send().await.unwrap();
    assert_eq!(cut.headers()["clickweir-truncated"], "true");
    // What a format cannot carry is the asker's to cast.
    let odd = served.get("/api/query?sql=SELECT%20INTERVAL%201%20DAY&format=parquet");
    let (status, text) = told(odd).await;
    assert!(
        status == 200 || status == 400 && text.contains("cast it"),
        "{status} {text}"
    );
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
    let (status, page) = served.read("/funnel").await;
    assert!(
        status == 200 && page.contains("The lake holds no clicks yet."),
        "{page}"
    );
    let (status, page) = served.read("/pipeline").await;
    assert!(
        status == 200 && page.contains("there is no dead letter"),
        "{page}"
    );
    for panel in [
        "totals",
        "series",
        "actions",
        "breakdown?by=page",
        "unbought",
        "funnel",
        "letters",
        "objects",
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
