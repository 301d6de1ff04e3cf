//! A siege: askers send statements that are made to harm, all at once, beside a steady load. The
//! clicks are taken as before, every page is shown, and every asker gets rows or a sentence.

mod functions;
mod load;

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Client;
use tests::clickweir::{Place, Up};
use tests::real;
use tests::usage;
use tokio::time::{Instant, sleep, timeout};

use super::asking::{answered, ask};
use functions::typed_calls;
use load::Load;

pub(super) use functions::{absurd_calls, functions};

/// How many ask at once: more than there are places for statements.
const ASKERS: usize = 8;
/// Of the short form: every so many of the statements, and this many functions.
const STATEMENT_STEP: usize = 8;
const FUNCTIONS: usize = 2;
/// How long the load is measured alone.
const QUIET_TIME: Duration = Duration::from_secs(5);
/// What the slowest hundredth of the requests may take beside the statements: so long, or so many
/// times what it takes without them. The machine's two cores are full of statements then.
const MAX_P99: Duration = Duration::from_millis(250);
/// The same in the short form, beside which other tests run: a hundredth of it is six requests.
const MAX_SHORT_P99: Duration = Duration::from_secs(1);
const MAX_P99_FACTOR: u32 = 5;
/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);
const PAGES: [&str; 7] = [
    "/",
    "/funnel",
    "/sql",
    "/pipeline",
    "/datasets",
    "/counting",
    "/api/totals",
];

/// One statement a line.
const STATEMENTS: &str = include_str!("statements.sql");

/// All statements, those of the file and those that are too long for it.
fn statements() -> Vec<String> {
    let lines = STATEMENTS.lines();
    let mut all: Vec<String> = lines
        .filter(|line| !line.starts_with("--"))
        .map(str::to_owned)
        .collect();
    let nested = |open: &str, close: &str, depth: usize| {
        format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
    };
    let chained = |first: &str, more: &str, count: usize| format!("{first}{}", more.repeat(count));
    for depth in [100, 1_000, 20_000] {
        all.push(nested("(", ")", depth));
        all.push(nested("[", "]", depth));
        all.push(nested("{'a': ", "}", depth));
        all.push(nested("abs(", ")", depth));
        all.push(nested("-", "", depth));
        all.push(nested("NOT ", "", depth));
        all.push(nested("(SELECT ", ")", depth));
        all.push(nested("CASE WHEN true THEN ", " END", depth));
        all.push(chained("SELECT 'a'", " || 'b'", depth));
        all.push(chained("SELECT 1", " + 1", depth));
        all.push(chained("SELECT 1", ", 1", depth));
        all.push(chained("SELECT 1", " UNION ALL SELECT 1", depth));
        all.push(chained("FROM range(1)", ", range(1)", depth));
        all.push(chained("SELECT 1 WHERE 1 IN (1", ", 2", depth) + ")");
        all.push(format!("SELECT '{}'::JSON", "[".repeat(depth)));
        all.push(format!("SELECT 1 AS \"{}\"", "x".repeat(depth * 10)));
        all.push(format!("/*{}*/ SELECT 1", "/*".repeat(depth)));
        all.push(format!("FROM {}", "x.".repeat(depth)));
    }
    all
}

fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * share / 100).min(times.len() - 1)]
}

fn note<'p>(slowest: &Mutex<(Duration, &'p str)>, page: (Duration, &'p str)) {
    let mut slowest = slowest.lock();
    *slowest = (*slowest).max(page);
}

/// Asks for one page after the other until it is cancelled, and returns how long the slowest took.
async fn watch(client: &Client, up: &Up, slowest: &Mutex<(Duration, &str)>) {
    for page in PAGES.into_iter().cycle() {
        let url = format!("{}{page}", up.dashboard);
        let since = Instant::now();
        let answer = timeout(PAGE_TIMEOUT, client.get(&url).send()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{page} takes longer than {PAGE_TIMEOUT:?}"));
        let answer = answer.unwrap_or_else(|error| panic!("{page}: {error}"));
        assert_eq!(answer.status(), 200, "{page}");
        let body = timeout(PAGE_TIMEOUT, answer.bytes()).await;
        assert!(!body.unwrap().unwrap().is_empty(), "{page} is empty");
        note(slowest, (since.elapsed(), page));
        sleep(Duration::from_millis(50)).await;
    }
}

/// Lets all statements be sent by so many at once, and counts the answers by status.
async fn besiege(client: &Client, up: &Up, statements: Vec<String>) -> Vec<(u16, usize)> {
    let left = Mutex::new(VecDeque::from(statements));
    let statuses = Mutex::new(Vec::new());
    let asker = async || {
        loop {
            let next = left.lock().pop_front();
            let Some(sql) = next else {
                return;
            };
            let status = answered(client, &up.dashboard, &sql).await;
            statuses.lock().push(status);
        }
    };
    futures::future::join_all((0..ASKERS).map(|_| asker())).await;
    let mut statuses = statuses.into_inner();
    statuses.sort_unstable();
    let groups = statuses.chunk_by(|one, other| one == other);
    groups.map(|group| (group[0], group.len())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_13_a_siege_costs_the_clicks_nothing() {
    let all = real::env("CLICKWEIR_SIEGE").is_some();
    let place = Place::new()
        .unwrap()
        .with("CATALOG__QUERY_TIMEOUT", "2s")
        .with("CATALOG__QUERY_MEMORY", "256MiB")
        .with("LOG__LEVEL", "warn");
    let up = place.up(&[]).unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let mut sent = statements();
    let names = functions(&client, &up.dashboard).await;
    if !all {
        sent = sent.into_iter().step_by(STATEMENT_STEP).collect();
    }
    let count = if all { names.len() } else { FUNCTIONS };
    sent.extend(absurd_calls(&names[..count]));
    let calls = typed_calls(&client, &up.dashboard).await;
    let count = if all { calls.len() } else { FUNCTIONS };
    sent.extend(calls.into_iter().take(count));
    let total = sent.len();

    let load = Load::start(&client, &up.shop);
    sleep(QUIET_TIME).await;
    let mut quiet = load.take_times();
    let slowest = Mutex::new((Duration::ZERO, ""));
    let begun = Instant::now();
    let answers = tokio::select! {
        answers = besiege(&client, &up, sent) => answers,
        () = watch(&client, &up, &slowest) => unreachable!("pages are asked for without an end"),
    };
    let took = begun.elapsed();
    let mut busy = load.take_times();
    let (status, text) = ask(&client, &up.dashboard, "SELECT 42 AS n").await;
    assert!(status == 200 && text.contains("42"), "{status} {text}");
    let acknowledged = load.stop().await;
    let max_p99 = if all { MAX_P99 } else { MAX_SHORT_P99 };
    let (before, after) = (percentile(&mut quiet, 99), percentile(&mut busy, 99));
    println!(
        "{total} statements in {took:.0?}, answers by status {answers:?}; clicks, p50 and p99: \
         {:.1?} and {before:.1?} alone ({} requests), {:.1?} and {after:.1?} beside them ({}); \
         slowest page {:?}",
        percentile(&mut quiet, 50),
        quiet.len(),
        percentile(&mut busy, 50),
        busy.len(),
        slowest.into_inner(),
    );
    assert!(
        after < max_p99.max(before * MAX_P99_FACTOR),
        "a click's answer took {before:?} before, and {after:?}"
    );
    assert!(usage::memory(up.process.id()).is_ok(), "it has ended");
    place.settled().await.unwrap();
    place.listed(&acknowledged).unwrap();
    assert!(up.process.end().unwrap());
}
