//! What people see.

use serde_json::{Value, json};

use crate::tests::fixture::TestDashboard;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_lake() {
    let served = TestDashboard::full().await;
    let (status, page) = served.read("/").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "aria-current=\"true\">Clicks</a></dt><dd>8</dd>",
        "<a href=\"/?metric=visitors\">Visitors</a></dt><dd>3</dd>",
        ">Items sold</a></dt><dd>2</dd>",
        ">Orders</a></dt><dd>2</dd>",
        ">Revenue</a></dt><dd>50.00</dd>",
        "<dt>Conversion rate</dt><dd>66.7 %</dd>",
        "<a href=\"/?country=Germany\">Germany</a>",
        "<a href=\"/?without=country\">",
        "Teapot",
        "Germany",
        "✓ It adds up:",
        "16 acknowledged = 10 rows + 1 dead letters + 1 duplicates + 0 dropped + 4 pending",
        "id=\"actions-data\"",
        "<caption>Clicks by hour and action, newest first</caption>",
        "id=\"series-data\"",
        "<h2 id=\"series-title\">Clicks, by</h2>",
        "<caption>Clicks, by hour, newest first</caption>",
        "vs 2 in the 24 hours before",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn input_11_and_29_what_rules_saw_is_text_on_the_page() {
    let served = TestDashboard::full().await;
    let (status, page) = served.read("/pipeline").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "<h2 id=\"rules-title\">Rules of the edge</h2>",
        "From rules.toml.",
        "Every visitor looks the same:</span> all came from 10.0.0.3&#60;script&#62;",
        "Older rules are in force:</span> rules.toml: line 3: unknown field `&#60;b&#62;`",
        "cross-site-scripting",
        "&#60;script&#62;alert(1)&#60;/script&#62;",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    let (_, csv) = served.read("/api/rule_hits.csv").await;
    assert!(csv.contains("xss: a tag in the query"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_a_chip_that_can_be_removed() {
    let served = TestDashboard::full().await;
    let (_, page) = served
        .read("/?range=all&country=France&without=device")
        .await;
    for expect in [
        "country: <strong>France</strong>",
        "href=\"/?range=all&#38;without=device\" aria-label=\"Remove filter: country\"",
        "device: <em>(not set)</em>",
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
    let served = TestDashboard::full().await;
    let (status, page) = served.read("/funnel").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "<strong>view</strong>",
        "66.7 % of step 1",
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
    let served = TestDashboard::full().await;
    let (status, page) = served.read("/pipeline").await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "16 acknowledged = 10 rows + 1 dead letters + 1 duplicates + 0 dropped + 4 pending",
        "wrong_type",
        "price: a text",
        "{&#34;price&#34;:&#34;dear&#34;}",
        "0.0 records a second come in",
        "Lag and freshness",
        "clicks/year=2026/month=11/day=22/hour=21/00000-00000000000000000000.parquet",
        "whole lake",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    assert_eq!(served.read("/pipeline/panels").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_page_shows_rows_and_reasons() {
    let served = TestDashboard::full().await;
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
async fn the_sql_page_states_its_limits_and_what_it_shows() {
    let served = TestDashboard::full().await;
    let check = async |sql: &str, expect: &str| {
        let (_, page) = served.read(&format!("/sql?sql={sql}")).await;
        assert!(page.contains(expect), "{expect:?} is not in {page}");
        page
    };
    check(
        "FROM%20clicks",
        "Read-only. Limits: 2 s, 256 MiB, 1,000 rows.",
    )
    .await;
    check(
        "FROM%20range(600)",
        ". Showing 500. Downloads stop at 1,000.",
    )
    .await;
    check("FROM%20clicks%20LIMIT%200", "No rows. Columns: ").await;
    let page = check("SELEC", "Fix the query and run it again.").await;
    assert!(!page.contains("400"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_too_fine_is_replaced_on_the_page() {
    let served = TestDashboard::full().await;
    let query = "from=2026-11-01&to=2026-12-01&step=minute";
    let (status, page) = served.read(&format!("/?{query}")).await;
    assert_eq!(status, 200, "{page}");
    for expect in [
        "One bar a minute would be 43,200 bars. Showing hours instead.",
        "&#38;step=hour\">CSV</a>",
        "in the 30 days before",
    ] {
        assert!(page.contains(expect), "{expect:?} is not in {page}");
    }
    assert!(!page.contains("vs – in"), "no rate is not compared: {page}");
    // A program gets the step that it asked for, or none.
    let (status, text) = served.read(&format!("/api/series?{query}")).await;
    assert!(
        status == 400 && text.contains("43,200 steps of a minute"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_says_which_one_is_right() {
    let served = TestDashboard::full().await;
    let check = async |query: &str, expect: &[&str]| {
        let (status, page) = served.read(&format!("/?{query}")).await;
        assert_eq!(status, 400, "{page}");
        assert!(page.contains("<h1>This page could not be shown</h1>"));
        for expect in expect {
            assert!(page.contains(expect), "{expect:?} is not in {page}");
        }
    };
    check(
        "range=year&action=buy",
        &[
            "Unknown range &#39;year&#39;. Choose one:",
            "<a href=\"?range=7d&#38;action=buy\">7 days</a>",
        ],
    )
    .await;
    check(
        "acton=buy",
        &["Unknown parameter &#39;acton&#39;. Did you mean &#39;action&#39;?"],
    )
    .await;
    check(
        "from=yesterday",
        &["&#39;yesterday&#39; is not a date we can read."],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_links_to_how_we_count() {
    let served = TestDashboard::full().await;
    for path in ["/", "/funnel", "/pipeline", "/datasets", "/sql", "/nothing"] {
        let (_, page) = served.read(path).await;
        assert!(
            page.contains("<a href=\"/counting\">How we count</a>"),
            "{path}"
        );
    }
    let (status, page) = served.read("/counting").await;
    assert!(status == 200 && page.contains("exactly once"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_inside() {
    let served = TestDashboard::full().await;
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
async fn fault_05_a_topic_that_is_away_hides_no_page() {
    let served = TestDashboard::silent().await;
    let (status, page) = served.read("/").await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("The topic’s own numbers are missing: the broker is away."),
        "{page}"
    );
    assert!(
        page.contains("12 acknowledged = 10 rows + 1 dead letters + 1 duplicates"),
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
    let served = TestDashboard::empty().await;
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
        status == 200 && page.contains("There are no dead letters"),
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
        "rates",
    ] {
        served.json(&format!("/api/{panel}")).await;
    }
    assert_eq!(served.catalog.span().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_the_shape_of_a_chart_is_drawn() {
    let served = TestDashboard::full().await;
    let check = async |sql: &str, lines: bool, bars: bool| {
        let encoded = crate::http::params::percent_encode(sql);
        let (status, page) = served.read(&format!("/sql?sql={encoded}")).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(page.contains("id=\"sql-chart\""), lines, "{sql}: {page}");
        assert_eq!(page.contains("id=\"sql-bars\""), bars, "{sql}: {page}");
        page
    };
    let hours = "SELECT date_trunc('hour', occurred_at) AS hour, count(*) AS n, sum(price) AS worth
        FROM clicks GROUP BY ALL ORDER BY hour";
    let page = check(hours, true, false).await;
    let data = page.split("id=\"sql-data\">").nth(1).unwrap();
    let data: serde_json::Value =
        serde_json::from_str(data.split("</script>").next().unwrap()).unwrap();
    assert_eq!(data["times"][0], "2026-11-21T12:00:00Z");
    assert_eq!(
        data["series"][0]["values"],
        serde_json::json!([2.0, 2.0, 6.0])
    );
    assert_eq!(data["series"][1]["name"], "worth");
    let names = "SELECT product_name, count(*) AS n FROM clicks GROUP BY ALL";
    check(names, false, true).await;
    check(
        "SELECT action, product_id, 1 AS n FROM clicks",
        false,
        false,
    )
    .await;
    check(
        "SELECT occurred_at, action, 1 AS n FROM clicks",
        false,
        false,
    )
    .await;
    check("SELECT 'one' AS name, 1 AS n", false, false).await;
    check("SELECT count(*) FROM clicks", false, false).await;
}
