//! Replays through the built binary: beside live traffic, compared, promoted, rolled back,
//! killed, refused.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use sink::{Lake, ReplayName};
use tests::clickweir::{Place, Process};
use tests::clients::{Clients, post};
use tests::cluster::Cluster;
use tests::tree::files;
use tokio::time::{Instant, sleep};

mod beside;
mod refused;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
/// All that a test ever appended.
const ALWAYS: [&str; 4] = [
    "--from",
    "2020-01-01T00:00:00Z",
    "--to",
    "2099-01-01T00:00:00Z",
];
/// Another configuration: no record is far enough from its twin.
const NO_WINDOW: [&str; 2] = ["--set", "transformer.window_records=0"];

fn replay(place: &Place, name: &str, range: &[&str]) -> Output {
    let command = [&["replay", "--into", name], range].concat();
    place.run(&command).unwrap()
}

fn replayed(place: &Place, name: &str, range: &[&str]) {
    let output = replay(place, name, range);
    assert!(output.status.success(), "{}", said(&output));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The comparison, and true if the exit code says that nothing differs.
fn diff(place: &Place, name: &str) -> (Value, bool) {
    let output = place.run(&["diff", name, "--json"]).unwrap();
    let diff = serde_json::from_slice(&output.stdout);
    (
        diff.unwrap_or_else(|_| panic!("{}", said(&output))),
        output.status.success(),
    )
}

fn same(place: &Place, name: &str) {
    let (diff, equal) = diff(place, name);
    assert!(equal, "{diff}");
    assert_eq!(diff["clicks"]["live"], diff["clicks"]["replay"]);
    assert!(diff["clicks"]["live"].as_u64().unwrap() > 0, "{diff}");
}

fn clicks(place: &Place) -> u64 {
    let count = place.ask("SELECT count(*) FROM clicks").unwrap();
    count.as_u64().unwrap()
}

/// Sends bodies of ten clicks, each twice, and for each one click that cannot become a row. Returns
/// the numbers of rows, duplicates and letters.
async fn send(shop: &str, bodies: u64) -> [u64; 3] {
    for body in 0..bodies {
        let click = |n: u64| json!({ "id": format!("{body}-{n}"), "visitor_id": format!("v{n}") });
        let clicks: Vec<Value> = (0..10).map(click).collect();
        for _twice in 0..2 {
            assert_eq!(post(shop, json!(clicks).to_string()).await.0, 202);
        }
        let bad = json!({ "id": format!("bad-{body}"), "visitor_id": "v", "price": "dear" });
        assert_eq!(post(shop, bad.to_string()).await.0, 202);
    }
    [bodies * 10, bodies * 10, bodies]
}

/// Starts the replay and kills it after each few commits, until it is complete. Returns how often
/// it was killed before that.
async fn kill_and_go_on(place: &Place, lake: &Lake, name: &str, range: &[&str]) -> usize {
    let parsed = ReplayName::parse(name).unwrap();
    let replay = lake.replay(&parsed);
    let mut kills = 0;
    loop {
        let before = replay.files(None).await.unwrap().len();
        let command = [&["replay", "--into", name], range].concat();
        let mut process = Process::start(place, &command).unwrap();
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while replay.files(None).await.unwrap().len() < before + 3 {
            let begun = replay.ledger().await.unwrap().is_some();
            if begun && lake.unfinished(&parsed).await.unwrap().is_empty() {
                return kills;
            }
            assert!(Instant::now() < deadline, "the replay goes on");
            sleep(Duration::from_millis(2)).await;
        }
        process.kill().unwrap();
        if lake.unfinished(&parsed).await.unwrap().is_empty() {
            return kills;
        }
        kills += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_killed_goes_on_where_it_ended_and_doubles_nothing() {
    let place = Place::new().unwrap().with("SINK__MAX_ROWS", "20");
    let up = place.up(&[]).unwrap();
    let [rows, duplicates, letters] = send(&up.shop, 100).await;
    place.settled().await.unwrap();
    assert!(up.process.end().unwrap());
    let lake = Lake::open(&sink::S3::in_folder(&place.path().join("data/lake")));
    let kills = kill_and_go_on(&place, &lake.unwrap(), "a", &ALWAYS).await;
    println!("killed {kills} times");
    assert!(kills >= 3, "killed {kills} times only");
    // Without a range the replay goes on where it ended, and becomes complete.
    replayed(&place, "a", &[]);
    same(&place, "a");
    let verdict: Value = place.audit().unwrap();
    let audited = &verdict["replays"]["a"];
    let count = |key: &str| audited[key].as_u64().unwrap();
    assert_eq!(
        [
            "rows",
            "duplicates",
            "dead_letters",
            "pending",
            "lost",
            "doubled"
        ]
        .map(count),
        [rows, duplicates, letters, 0, 0, 0],
        "{verdict}"
    );
    let twice = "SELECT count(*) - count(DISTINCT (partition, \"offset\")) FROM clicks_a";
    assert_eq!(place.ask(twice).unwrap(), json!(0));
    // Letters of a batch that a kill interrupted are swept, the others stay.
    let folder = place.path().join("data/lake/replays/a/dead_letters");
    // A kill may leave an unfinished file beside them, under a name that is never listed.
    let letters_there = || -> Vec<PathBuf> {
        let there = files(&folder).into_iter();
        let whole = |file: &PathBuf| file.extension().is_some_and(|end| end == "parquet");
        there.filter(whole).collect()
    };
    let (named, stray) = (letters_there().len(), "0".repeat(32));
    let one = letters_there().remove(0);
    let plain = one.to_str().unwrap().strip_suffix(".parquet").unwrap();
    let cut_off = format!("{}{stray}.parquet", &plain[..plain.len() - stray.len()]);
    std::fs::copy(&one, &cut_off).unwrap();
    place.must(&["crawl"]).unwrap();
    assert!(!Path::new(&cut_off).exists() && letters_there().len() == named);
    assert_eq!(
        place.ask("SELECT count(*) FROM dead_letters_a").unwrap(),
        letters
    );
    // Wherever a range begins and ends, its duplicates are those of the live rows.
    for (number, (first, end)) in [(1, 40), (7, 100), (13, 77), (50, 90)].iter().enumerate() {
        let (name, first, end) = (format!("part{number}"), first.to_string(), end.to_string());
        let (first, end) = (["--from-offset", &first], ["--to-offset", &end]);
        let range = [&["--partition", "0"][..], &first, &end].concat();
        replayed(&place, &name, &range);
        same(&place, &name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_on_a_cluster_is_killed_compared_promoted_and_followed() {
    let Some(cluster) = Cluster::shared("replay").await else {
        return;
    };
    let cluster = cluster.with("SINK__MAX_AGE", "300ms");
    let roles = cluster.start(2).unwrap();
    let [rows, duplicates, letters] = send(&roles.producer.url, 30).await;
    roles.dashboard.place.settled().await.unwrap();
    let clients = Clients::start(&roles.producer.url, 2, Duration::from_millis(20));
    let end = roles
        .dashboard
        .place
        .ask("SELECT max(\"offset\") FROM clicks WHERE partition = 0");
    let end = end.unwrap().to_string();
    let partition = [
        &["--partition", "0"][..],
        &["--from-offset", "1"],
        &["--to-offset", &end],
    ];
    // No process owns files in this folder, so the replay is a process of its own.
    let place = cluster.place().with("SINK__MAX_ROWS", "2");
    let kills = kill_and_go_on(&place, &cluster.lake(), "part", &partition.concat()).await;
    println!("killed {kills} times");
    assert!(kills > 0);
    replayed(&place, "part", &[]);
    same(&place, "part");
    let acknowledged = clients.stop().await.acknowledged;
    roles.dashboard.place.settled().await.unwrap();
    replayed(&roles.dashboard.place, "whole", &ALWAYS);
    same(&roles.dashboard.place, "whole");
    replayed(
        &roles.dashboard.place,
        "doubles",
        &[&ALWAYS[..], &NO_WINDOW].concat(),
    );
    let live = clicks(&roles.dashboard.place);
    assert_eq!(live, rows + acknowledged.len() as u64);
    let (told, equal) = diff(&roles.dashboard.place, "doubles");
    assert!(!equal && told["clicks"]["only_live"] == 0, "{told}");
    let more = told["clicks"]["only_replay"].as_u64().unwrap();
    assert!(more >= duplicates, "{told}");
    assert_eq!(told["dead_letters"]["live"], letters);
    roles.dashboard.place.must(&["promote", "doubles"]).unwrap();
    assert_eq!(clicks(&roles.dashboard.place), live + more);
    assert_eq!(
        clicks(&place),
        live + more,
        "another process's catalog follows"
    );
    // Ingestion goes on behind the promotion.
    assert_eq!(
        post(&roles.producer.url, r#"{"id":"late","visitor_id":"late"}"#)
            .await
            .0,
        202
    );
    roles.dashboard.place.settled().await.unwrap();
    assert_eq!(clicks(&roles.dashboard.place), live + more + 1);
    place.must(&["rollback", "doubles"]).unwrap();
    roles.dashboard.place.settled().await.unwrap();
    assert_eq!(clicks(&roles.dashboard.place), live + 1);
    roles.dashboard.place.proves(&acknowledged).unwrap();
    roles.end().unwrap();
}
