//! Statements that are made to harm: the process survives them, clicks are taken and pages are
//! shown meanwhile, and the one who asked gets a sentence.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use tests::clickweir::{self, Place, Process, Up};
use tests::clients::Clients;
use tests::usage;
use tokio::time::{Instant, timeout};

use super::asking::{ANSWER_TIMEOUT, answered, ask};
use super::siege::{absurd_calls, functions};

/// What the process that serves may take, however large a query is, in megabytes.
const MAX_MEGABYTES: f64 = 1_000.0;
/// How many of the functions are called with absurd arguments. The long siege calls all.
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
        // An allocation that the system refuses ends the database, not only the statement.
        "SELECT reservoir_quantile(range, 0.5, 1000000000) FROM range(10000000)",
    ];
    let mut all: Vec<String> = short.map(str::to_owned).into();
    all.push(format!("SELECT json_merge_patch({nested}, {nested})"));
    all
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
    let names = functions(&client, &up.dashboard).await;
    for call in absurd_calls(&names[..FUNCTIONS]) {
        answered(&client, &up.dashboard, &call).await;
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
    for pid in &workers {
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let variables = environment.split_terminator('\0');
        let names = variables.filter_map(|variable| variable.split('=').next());
        // By these the system finds the program's libraries; nothing else is handed on.
        let others: Vec<&str> = names
            .filter(|name| !name.ends_with("LIBRARY_PATH"))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_finds_its_libraries_where_the_process_that_starts_it_does() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/lib");
    let library = library.canonicalize().unwrap();
    // Far from the libraries that the program looks for beside itself.
    let folder = tempfile::tempdir().unwrap();
    let far = folder.path().join("a/b/c/d");
    fs::create_dir_all(&far).unwrap();
    let program = far.join("clickweir");
    fs::copy(clickweir::binary(), &program).unwrap();
    let place = place().with_binary(&program);
    let mut command = place.command(&["up"]);
    command.env("LD_LIBRARY_PATH", &library);
    let mut up = Process::spawn(&mut command).unwrap();
    let dashboard = up.line_after("dashboard ").unwrap();
    let dashboard = dashboard.trim_end_matches('/').to_owned();
    let client = client();
    assert_eq!(answered(&client, &dashboard, "SELECT 42 AS n").await, 200);
    assert!(up.end().unwrap());
}

/// Writes what `sql` answers as Parquet.
fn parquet(path: &Path, sql: &str) {
    let writer = duckdb::Connection::open_in_memory().unwrap();
    let copy = format!("COPY ({sql}) TO '{}' (FORMAT parquet)", path.display());
    writer.execute_batch(&copy).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confined_worker_reads_what_it_is_handed_and_spills() {
    let place = place().with("CATALOG__QUERY_TIMEOUT", "60s");
    let at = |name: &str| place.path().join(name);
    for folder in ["tree", "elsewhere"] {
        fs::create_dir(at(folder)).unwrap();
    }
    parquet(&at("tree/1.parquet"), "SELECT 1 AS n");
    parquet(&at("elsewhere/2.parquet"), "SELECT 2 AS n");
    // A link within the tree is followed, one that leads out of it is not.
    symlink(at("tree/1.parquet"), at("tree/2.parquet")).unwrap();
    symlink(at("elsewhere/2.parquet"), at("tree/3.parquet")).unwrap();
    let config = format!(
        "[[external]]\nname = \"tree\"\npath = {:?}\nevery = \"1s\"\n\
         [[external]]\nname = \"late\"\npath = {:?}\nevery = \"1s\"\n",
        at("tree"),
        at("late")
    );
    fs::write(at("clickweir.toml"), config).unwrap();
    let up = place.up(&[]).unwrap();
    let client = client();
    let until = async |sql: &str, expect: &str| {
        let since = Instant::now();
        loop {
            let (_, text) = ask(&client, &up.dashboard, sql).await;
            if text.contains(expect) {
                return;
            }
            assert!(since.elapsed() < ANSWER_TIMEOUT, "{sql}: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until("SELECT 'sum ' || sum(n) FROM tree", "sum 2").await;
    // A folder that is there later, and then is another one.
    for number in [5, 6] {
        let _ = fs::remove_dir_all(at("late"));
        fs::create_dir(at("late")).unwrap();
        parquet(&at("late/1.parquet"), &format!("SELECT {number} AS n"));
        let expect = format!("sum {number}");
        until("SELECT 'sum ' || sum(n) FROM late", &expect).await;
    }
    let clients = Clients::start(&up.shop, 1, Duration::from_millis(5));
    until("SELECT 'rows ' || (count(*) > 0) FROM clicks", "rows true").await;
    clients.stop().await;
    let spills = "SELECT 'rows ' || count(*) FROM
        (SELECT DISTINCT range, repeat('x', 40) || range AS t FROM range(6000000))";
    until(spills, "rows 6000000").await;
    // The sandbox is the first wall, the kernel the second: no file of the machine is reached.
    let sql = format!(
        "FROM read_parquet('{}')",
        at("elsewhere/2.parquet").display()
    );
    assert_eq!(answered(&client, &up.dashboard, &sql).await, 403);
    assert!(up.process.end().unwrap());
}
