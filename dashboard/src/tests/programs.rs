//! What programs get.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tests::fixture::{TestDashboard, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_narrows_every_panel() {
    let served = TestDashboard::full().await;
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
    assert!(
        page.contains("href=\"/?range=all\">Show all dates"),
        "{page}"
    );
    let (_, page) = served.read("/?range=all&country=Mars").await;
    assert!(
        page.contains("href=\"/?range=all\">Remove all filters"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_is_json_and_csv() {
    let served = TestDashboard::full().await;
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
        "reason,source,letters,partition,offset,appended_at,detail,record",
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
    check("accounting", "partition,acknowledged,rows,dead_letters,duplicates,dropped,pending,no_record,given_up,topic_low,topic_high,adds_up").await;
    let books = served.json("/api/accounting").await;
    assert_eq!(books["adds_up"], true, "{books}");
    assert_eq!(books["partitions"][2]["acknowledged"], 16, "{books}");
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
async fn the_list_of_the_api_names_every_panel() {
    let served = TestDashboard::full().await;
    let list = served.json("/api").await;
    let panels = list["panels"].as_array().unwrap();
    assert_eq!(panels.len(), 19);
    for panel in panels {
        let (json, csv) = (panel["json"].as_str(), panel["csv"].as_str());
        served.json(&format!("{}?by=product", json.unwrap())).await;
        let (status, text) = served.read(&format!("{}?by=product", csv.unwrap())).await;
        assert_eq!(status, 200, "{panel}: {text}");
    }
    let page = served.get("/api").header("accept", "text/html,*/*");
    let (status, page) = answer(page).await;
    assert!(
        status == 200 && page.contains("<a href=\"/api/totals\">"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn input_34_and_35_sql_is_bounded_and_says_why() {
    let served = TestDashboard::full().await;
    let check = async |sql: &str, expect: u16, reason: &str| {
        let request = served.post("/api/query").json(&json!({ "sql": sql }));
        let (status, text) = answer(request).await;
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
        let (status, text) = answer(request).await;
        assert!(matches!(status, 400 | 403), "{refused}: {status} {text}");
    }
    check("SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range % 7 = b.range % 5", 408, "stopped after 2 s").await;
    check(
        "SELECT repeat('x', 500000) AS text FROM range(200)",
        413,
        "MiB",
    )
    .await;
    check("FROM range(5000)", 200, "\"truncated\":true").await;
    check("SELECT 1 AS still_alive", 200, "still_alive").await;
    let (status, _) = answer(served.post("/api/query").body("no json")).await;
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_every_format() {
    let served = TestDashboard::full().await;
    let sql = "SELECT action, count(*) AS n FROM clicks GROUP BY ALL ORDER BY n DESC";
    let get = async |format: &str| {
        let encoded = crate::http::params::percent_encode(sql);
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
    let (status, text) = answer(post.header("accept", "text/csv")).await;
    assert_eq!((status, text), (200, csv));
    let post = json!({ "sql": "FROM range(5000)", "format": "csv" });
    let cut = served.post("/api/query").json(&post).send().await.unwrap();
    assert_eq!(cut.headers()["clickweir-truncated"], "true");
    // A type that the format lacks must be cast by the query.
    let odd = served.get("/api/query?sql=SELECT%20INTERVAL%201%20DAY&format=parquet");
    let (status, text) = answer(odd).await;
    assert!(
        status == 200 || status == 400 && text.contains("cast it"),
        "{status} {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_answered() {
    let served = TestDashboard::full().await;
    assert_eq!(served.read("/healthz").await, (200, "ok\n".into()));
    assert_eq!(served.read("/readyz").await, (200, "ready\n".into()));
    let (_, text) = served.read("/metrics").await;
    for line in [
        "clickweir_registered_end{partition=\"0\"} 10",
        "clickweir_lag_records{partition=\"0\"} 3",
        "clickweir_lag_records{partition=\"1\"} 1",
        "clickweir_freshness_seconds{partition=\"1\"} 1800.0",
        "clickweir_objects{partition=\"1\"} 1",
        "clickweir_accounting_adds_up 1",
        "clickweir_catalog_answers 1",
        "clickweir_dashboard_requests_total{route=\"/readyz\",status=\"200\"} 1",
    ] {
        assert!(
            text.lines().any(|got| got == line),
            "{line} is not in {text}"
        );
    }
    let held = text
        .lines()
        .find_map(|line| line.strip_prefix("clickweir_database_memory_bytes "));
    assert!(held.unwrap().parse::<u64>().unwrap() > 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_catalog_is_not_ready() {
    let served = TestDashboard::full().await;
    served.clock.pass(Duration::from_secs(59));
    assert_eq!(served.read("/readyz").await.0, 200);
    served.clock.pass(Duration::from_secs(200));
    let (status, page) = served.read("/readyz").await;
    assert!(
        status == 503 && page.contains("the last crawl ended 4 min ago"),
        "{page}"
    );
    assert_eq!(served.read("/healthz").await.0, 200);
    assert_eq!(answer(served.post("/api/crawl")).await.0, 200);
    assert_eq!(served.read("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_are_pushed_as_they_arrive_until_the_server_ends() {
    let served = TestDashboard::full().await;
    let mut response = served.get("/live").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    // The stream is open now, so a click is pushed.
    served.arrive("view", "<b>tea</b>");
    let event = response.chunk().await.unwrap().unwrap();
    let event = std::str::from_utf8(&event).unwrap();
    let data = event.strip_prefix("data: ").unwrap().trim();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["clicks"][0]["product_id"], "<b>tea</b>", "{data}");
    assert_eq!(data["more"], 0);
    served.shutdown.cancel();
    assert_eq!(
        response.chunk().await.unwrap(),
        None,
        "the stream ends with the server"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b30_the_number_of_rows_is_obeyed_or_refused() {
    let served = TestDashboard::full().await;
    for panel in ["quarantined", "externals", "crawls", "objects"] {
        let path = format!("/api/{panel}?n=300");
        let (status, text) = served.read(&path).await;
        assert_eq!(status, 200, "{path}: {text}");
        let one = served.json(&format!("/api/{panel}?n=1")).await;
        assert!(one.as_array().unwrap().len() <= 1, "{panel}: {one}");
        let (status, text) = served.read(&format!("/api/{panel}?n=0")).await;
        assert!(status == 400 && text.contains("number of rows"), "{text}");
    }
    for panel in ["freshness", "datasets", "totals", "letters"] {
        let (status, text) = served.read(&format!("/api/{panel}?n=5")).await;
        assert!(status == 400 && text.contains("leave `n` out"), "{text}");
    }
}
