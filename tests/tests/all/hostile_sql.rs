//! Statements that are made to harm: the process survives them, clicks are taken and pages are
//! shown meanwhile, and the one who asked gets a sentence.

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tests::clickweir::{Place, Up};
use tests::clients::Clients;
use tests::usage;
use tokio::time::{Instant, timeout};

/// Longer than any query may take, with its wait for a place.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// What the process that serves may take, however large a query is, in megabytes.
const MAX_MEGABYTES: f64 = 1_000.0;
/// How many of the functions are called with absurd arguments. All are, where
/// `CLICKWEIR_ALL_FUNCTIONS` is set.
const FUNCTIONS: usize = 40;

/// Statements of which each once ended or stopped the whole process.
fn statements() -> Vec<String> {
    let nested = "(repeat('{\"a\":',200000)||'n'||repeat('}',200000))::JSON";
    let short = [
        "SELECT json_serialize_plan('FROM lent(NULL)')",
        "SELECT json_serialize_plan('FROM snapshot_table(NULL)', optimize := true)",
        "FROM snapshot_table(NULL)",
        "SELECT json_structure(repeat('[',20000)||repeat(']',20000))",
        "SELECT json_structure(repeat('[',200000)||repeat(']',200000))",
        "SELECT (repeat('[',200000)||repeat(']',200000))::JSON::VARIANT IS NULL",
        "SELECT json_contains(repeat('[',200000)||repeat(']',200000),'1')",
        "SELECT json_transform(repeat('[',200000)||repeat(']',200000), repeat('[',5000)||'\"INT\"'||repeat(']',5000))",
        "SELECT len(range(2000000000))",
        "SELECT quantile_cont(range,0.5) FROM range(200000000)",
        "SELECT count(*) FROM (SELECT unnest(range(1000000000)))",
        "SELECT sum(len(range(1000000+range))) FROM range(2048)",
        "SELECT NULL::INT[100000][100000]",
        "SELECT damerau_levenshtein(repeat('a',50000), repeat('b',50000))",
        "SELECT list_sort(range(50000000))[1]",
        "SELECT len(list_transform(range(50000000), x -> x::VARCHAR))",
        "SELECT length(repeat('x',4000000000))",
        "SELECT length(lpad('x',2000000000,'y'))",
        "SELECT len(list_resize([1],2000000000))",
        "SELECT len(string_split(repeat('x,',500000000),','))",
        "SELECT format('{:2147483647}','x')",
        "SELECT histogram(range) IS NULL FROM range(20000000)",
        "SELECT levenshtein(repeat('a',2000000), repeat('b',2000000))",
        "SELECT list_reduce(range(100000000), (a,b) -> a+b)",
    ];
    let mut all: Vec<String> = short.map(str::to_owned).into();
    all.push(format!("SELECT json_merge_patch({nested}, {nested})"));
    all
}

/// An answer: its status and its text.
async fn ask(client: &Client, dashboard: &str, sql: &str) -> (u16, String) {
    let request = client
        .post(format!("{dashboard}/api/query"))
        .json(&serde_json::json!({ "sql": sql }))
        .send();
    let answer = timeout(ANSWER_TIMEOUT, request).await;
    let answer = answer.unwrap_or_else(|_| panic!("{sql}: no answer"));
    let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Asks, and checks that the answer is one: rows, or a sentence and what to do.
async fn answered(client: &Client, dashboard: &str, sql: &str) -> u16 {
    let (status, text) = ask(client, dashboard, sql).await;
    let value: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{sql}: {status} {error}: {text}"));
    match status {
        200 => assert!(value["rows"].is_array(), "{sql}: {text}"),
        400 | 403 | 408 | 413 | 503 => {
            let error = value["error"].as_str().unwrap_or_default();
            assert!(error.len() > 5, "{sql}: {status} {text}");
        }
        _ => panic!("{sql}: {status} {text}"),
    }
    status
}

async fn serves(client: &Client, up: &Up) {
    for url in [
        format!("{}/healthz", up.shop),
        format!("{}/healthz", up.dashboard),
        format!("{}/", up.dashboard),
    ] {
        let since = Instant::now();
        let answer = timeout(ANSWER_TIMEOUT, client.get(&url).send()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{url} does not answer"));
        assert_eq!(answer.unwrap().status(), 200, "{url}");
        assert!(since.elapsed() < ANSWER_TIMEOUT, "{url}");
    }
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn place() -> Place {
    Place::new()
        .unwrap()
        .with("CATALOG__QUERY_TIMEOUT", "5s")
        .with("CATALOG__QUERY_MEMORY", "256MiB")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_13_no_statement_stops_a_shop() {
    let place = place();
    let up = place.up(&[]).unwrap();
    let client = client();
    let clients = Clients::start(&up.shop, 2, Duration::from_millis(50));
    let mut peak = 0_f64;
    for sql in statements() {
        answered(&client, &up.dashboard, &sql).await;
        serves(&client, &up).await;
        peak = peak.max(usage::memory(up.process.id()).unwrap());
        let (status, text) = ask(&client, &up.dashboard, "SELECT 42 AS n").await;
        assert_eq!(status, 200, "after {sql}: {text}");
        assert!(text.contains("42"), "after {sql}: {text}");
    }
    assert!(peak < MAX_MEGABYTES, "the process took {peak} MB");
    let sent = clients.stop().await;
    assert!(!sent.acknowledged.is_empty());
    place.settled().await.unwrap();
    place.proves(&sent.acknowledged).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_3_queries_without_an_end_stop_sql_for_a_bounded_time() {
    let place = place();
    let up = place.up(&[]).unwrap();
    let client = client();
    let endless = "SELECT levenshtein(repeat('a',2000000), repeat('b',2000000))";
    let asking = (0..12).map(|_| answered(&client, &up.dashboard, endless));
    let statuses = futures::future::join_all(asking).await;
    assert!(
        statuses
            .iter()
            .all(|status| [408, 413, 503].contains(status)),
        "{statuses:?}"
    );
    let since = Instant::now();
    assert_eq!(answered(&client, &up.dashboard, "SELECT 1").await, 200);
    assert!(since.elapsed() < Duration::from_secs(15));
    // Clients that went away leave nothing behind.
    for _ in 0..8 {
        let gone = ask(&client, &up.dashboard, endless);
        assert!(timeout(Duration::from_millis(300), gone).await.is_err());
    }
    assert_eq!(answered(&client, &up.dashboard, "SELECT 1").await, 200);
    serves(&client, &up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_function_with_absurd_arguments_costs_at_most_its_query() {
    let place = place();
    let up = place.up(&[]).unwrap();
    let client = client();
    let sql = "SELECT DISTINCT function_name FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'aggregate', 'macro')
            AND regexp_full_match(function_name, '[a-z_0-9]+') ORDER BY hash(function_name)";
    let (status, text) = ask(&client, &up.dashboard, sql).await;
    assert_eq!(status, 200, "{text}");
    let names: Value = serde_json::from_str(&text).unwrap();
    let names = names["rows"].as_array().unwrap();
    assert!(names.len() > 500, "{} functions", names.len());
    let absurd = [
        "NULL",
        "repeat('[', 200000)",
        "(repeat('{\"a\":', 100000) || '1' || repeat('}', 100000))",
        "-9223372036854775808",
        "2147483647",
        "range(100000000)",
        "'infinity'::TIMESTAMP",
        "[[NULL, 'x']]",
        "'\\x00%s{}(?'",
    ];
    let count = match option_env!("CLICKWEIR_ALL_FUNCTIONS") {
        Some(_) => names.len(),
        None => FUNCTIONS,
    };
    for (number, name) in names.iter().take(count).enumerate() {
        let name = name[0].as_str().unwrap();
        for arity in 1..=3 {
            let mut call = format!("SELECT {name}(");
            for place in 0..arity {
                let argument = absurd[(number + place * 3 + arity) % absurd.len()];
                let comma = if place > 0 { ", " } else { "" };
                write!(call, "{comma}{argument}").unwrap();
            }
            answered(&client, &up.dashboard, &format!("{call}) IS NULL")).await;
        }
    }
    serves(&client, &up).await;
    assert_eq!(answered(&client, &up.dashboard, "SELECT 1").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_1_a_foreign_page_can_send_nothing() {
    let place = place();
    let up = place.up(&[]).unwrap();
    let client = client();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
    ] {
        for path in [
            "/api/query?sql=SELECT+1",
            "/api/totals",
            "/live",
            "/metrics",
        ] {
            let request = client.get(format!("{}{path}", up.dashboard));
            let answer = request.header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{path} {name}: {value}");
        }
    }
    let request = client.get(format!("{}/sql?sql=SELECT+41%2B1+AS+n", up.dashboard));
    let link = request.header("sec-fetch-site", "cross-site");
    let link = link
        .header("sec-fetch-mode", "navigate")
        .send()
        .await
        .unwrap();
    assert_eq!(link.status(), 200);
    let page = link.text().await.unwrap();
    assert!(
        page.contains("was not run") && !page.contains(">42<"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_13_a_worker_ends_with_the_process_that_started_it() {
    let place = place().with("CATALOG__QUERY_TIMEOUT", "1m");
    let mut up = place.up(&[]).unwrap();
    let client = client();
    assert_eq!(answered(&client, &up.dashboard, "SELECT 1").await, 200);
    let workers = usage::children(up.process.id()).unwrap();
    assert!(!workers.is_empty(), "one is kept warm");
    let mut environments = workers
        .iter()
        .map(|pid| std::fs::read(format!("/proc/{pid}/environ")));
    assert!(environments.all(|environment| environment.unwrap().is_empty()));
    let dashboard = up.dashboard.clone();
    let asked = tokio::spawn(async move {
        let endless = "SELECT levenshtein(repeat('a',2000000), repeat('b',2000000))";
        let _ = client
            .post(format!("{dashboard}/api/query"))
            .json(&serde_json::json!({ "sql": endless }))
            .send()
            .await;
    });
    // It has been given the statement once it computes.
    let since = Instant::now();
    let busy = |pid: &u32| usage::cpu(*pid).is_ok_and(|seconds| seconds > 0.5);
    while !workers.iter().any(busy) {
        assert!(since.elapsed() < ANSWER_TIMEOUT, "{workers:?} are idle");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    up.process.kill().unwrap();
    asked.abort();
    let since = Instant::now();
    while workers.iter().any(|pid| usage::memory(*pid).is_ok()) {
        assert!(since.elapsed() < ANSWER_TIMEOUT, "{workers:?} live on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
