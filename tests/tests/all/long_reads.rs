//! Reading that begins before objects are swapped, and ends after it, or after they are deleted.

use std::fs::{self, File};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tests::clickweir::{Place, Up};
use tests::tree::files;
use tests::usage;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::tables::reader::{Engine, Published, Reader, engines, expected};
use crate::tables::scene::aged;

const HOURS: [i64; 2] = [4, 3];
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Longer than `lake.grace`.
const DAY: Duration = Duration::from_secs(25 * 3600);
/// Another process that crawls, which deletes what may be deleted.
const SWEEP: [&str; 3] = ["--set", "catalog.path=data/own.duckdb", "crawl"];
/// What a query of free SQL does before it reads the clicks: some seconds of work.
const LONG: &str = "(SELECT count(*) FROM range(400000000) AS r(n) WHERE hash(n) % 3 = 0)";
/// CPU seconds that the process has used when the query is surely at that.
const AT_WORK: f64 = 0.5;

/// Makes every file of a folder as old as if a day had gone by.
fn let_a_day_go_by(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let_a_day_go_by(&path);
        } else {
            let file = File::open(&path).unwrap();
            let written = file.metadata().unwrap().modified().unwrap();
            file.set_modified(written - DAY).unwrap();
        }
    }
}

/// How many objects of clicks are there, named or not.
fn objects(folder: &Path) -> usize {
    files(folder).len()
}

/// A query of `clickweir query` whose process is stopped before it has read the clicks.
struct Held {
    answer: JoinHandle<Output>,
    worker: u32,
}

impl Held {
    async fn start(place: &Place, up: &Up) -> Self {
        let sql = format!(
            "SELECT count(*), sum(\"offset\")::BIGINT, count(DISTINCT event_id) FROM clicks WHERE \"offset\" < {LONG}"
        );
        let workers = || usage::children(up.process.id()).unwrap();
        let used = |worker: u32| usage::cpu(worker).unwrap_or_default();
        let before: Vec<(u32, f64)> = workers()
            .into_iter()
            .map(|worker| (worker, used(worker)))
            .collect();
        let mut query = place.command(&["query", &sql, "--format", "json"]);
        let answer = tokio::task::spawn_blocking(move || query.output().unwrap());
        let deadline = Instant::now() + WAIT_TIMEOUT;
        let is_at_work = |worker: &u32| {
            let known = before.iter().find(|(known, _)| known == worker);
            used(*worker) > known.map_or(0.0, |(_, used)| *used) + AT_WORK
        };
        let worker = loop {
            if let Some(worker) = workers().into_iter().find(is_at_work) {
                break worker;
            }
            assert!(
                Instant::now() < deadline && !answer.is_finished(),
                "no process is at work"
            );
            sleep(LOOK).await;
        };
        let held = Self { answer, worker };
        held.signal("STOP");
        held
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.worker.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Lets it go on, and returns its first row, or what it says instead.
    async fn end(self) -> Result<Value, String> {
        assert!(!self.answer.is_finished(), "it is held");
        self.signal("CONT");
        let output = self.answer.await.unwrap();
        match output.status.success() {
            true => {
                let mut told: Value = serde_json::from_slice(&output.stdout).unwrap();
                Ok(told["rows"][0].take())
            }
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

/// Engines that have begun to read `clicks`.
fn begun(engines: &[Engine], at: &Published) -> Vec<Reader> {
    let read = engines.iter().map(|engine| {
        let mut reader = Reader::start(*engine, at);
        reader.send("hold clicks");
        assert_eq!(reader.receive(), "held", "{}", engine.name);
        reader
    });
    read.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_31_what_began_before_a_swap_ends_whole_or_says_what_is_gone() {
    let Some(engines) = engines() else { return };
    // Those that can be held.
    let engines: Vec<_> = engines
        .into_iter()
        .filter(|engine| !engine.is_distributed())
        .collect();
    let place = Place::new()
        .unwrap()
        .with("COMPACTION__ENABLED", "false")
        .with("CATALOG__QUERY_TIMEOUT", "10m");
    let lake = aged(&place, &HOURS, None).await;
    let up = place.up(&[]).unwrap();
    place.settled().await.unwrap();
    place.must(&["publish"]).unwrap();
    let folder = Path::new(&lake).to_path_buf();
    let at = Published {
        lake,
        catalog: format!("{}/iceberg", up.dashboard),
        ..Published::default()
    };
    let expect = expected(&place, "clicks");
    let row = &expect[0];
    let row = serde_json::json!([row[2], row[5], row[4]]);
    let (within, after) = (begun(&engines, &at), begun(&engines, &at));
    let query_within = Held::start(&place, &up).await;
    let query_after = Held::start(&place, &up).await;
    let small = objects(&folder.join("clicks"));

    place.must(&["compact"]).unwrap();
    place.must(&["publish"]).unwrap();
    // Nothing is old enough to be swept.
    place.must(&SWEEP).unwrap();
    assert_eq!(objects(&folder.join("clicks")), small);
    for mut reader in within {
        reader.send("");
        let found = reader
            .answer()
            .unwrap_or_else(|error| panic!("{}: {error}", reader.name));
        assert_eq!(found[0].rows, expect, "{}", reader.name);
    }
    assert_eq!(query_within.end().await, Ok(row.clone()));

    let_a_day_go_by(&folder);
    place.must(&SWEEP).unwrap();
    assert!(objects(&folder.join("clicks")) < small, "they are swept");
    for mut reader in after {
        reader.send("");
        let said = reader.answer().unwrap_err();
        println!("{}: {said}", reader.name);
        assert!(said.contains(".parquet"), "{}: {said}", reader.name);
        // Asked again, it answers.
        let found = reader.find(&["clicks"]).unwrap();
        assert_eq!(found[0].rows, expect, "{}", reader.name);
    }
    let said = query_after.end().await.unwrap_err();
    println!("clickweir query: {said}");
    assert!(
        said.contains(".parquet") && said.contains("ask again"),
        "{said}"
    );
    assert_eq!(expected(&place, "clicks"), expect);
    assert!(up.process.end().unwrap());
}
