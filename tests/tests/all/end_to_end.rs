//! From a browser's request to a row, a dead letter and a proof, with the embedded defaults.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Process, binary};
use tests::clients::post;
use tests::real;
use tests::tree::files;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_click_becomes_a_row_a_retry_a_duplicate_and_a_bad_one_a_dead_letter() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let click = r#"{"id":"0190aaaa-0000-7000-8000-000000000001","action":"buy","product_id":"mug","visitor_id":"v1","quantity":2}"#;
    assert_eq!(post(&up.shop, click).await.0, 202);
    assert_eq!(post(&up.shop, click).await.0, 202, "a retry");
    let (status, answer) = post(&up.shop, r#"[{"action":"view","visitor_id":"v2"},42]"#).await;
    assert_eq!(
        (status, &answer["rejected"][0]["index"]),
        (202, &json!(1)),
        "{answer}"
    );
    assert_eq!(
        post(&up.shop, r#"{"action":"view","occurred_at":"never"}"#)
            .await
            .0,
        202
    );
    assert_eq!(post(&up.shop, "{").await.0, 400);
    let pixel = format!("{}/pixel.gif?action=view&product_id=pot", up.shop);
    assert!(reqwest::get(pixel).await.unwrap().status().is_success());

    let verdict = place.settled().await.unwrap();
    let count = |key: &str| verdict[key].as_u64().unwrap();
    assert_eq!(
        [
            count("acknowledged"),
            count("rows"),
            count("dead_letters"),
            count("duplicates")
        ],
        [6, 3, 2, 1],
        "invariant 4: {verdict}"
    );
    assert_eq!(
        [count("lost"), count("doubled"), count("dropped")],
        [0, 0, 0]
    );
    assert_eq!(
        place.ask("SELECT sum(quantity) FROM clicks").unwrap(),
        json!(2)
    );
    let reasons = "SELECT string_agg(reason, ' ' ORDER BY reason) FROM dead_letters";
    assert_eq!(place.ask(reasons).unwrap(), json!("bad_time not_an_object"));
    let listed = place.path().join("ids");
    fs::write(&listed, "0190aaaa-0000-7000-8000-000000000001\n").unwrap();
    let listed = listed.to_str().unwrap();
    assert!(
        place
            .must(&["audit", "--against", listed])
            .unwrap()
            .contains("clean")
    );
    fs::write(listed, "0190aaaa-0000-7000-8000-00000000ffff\n").unwrap();
    assert!(
        !place
            .run(&["audit", "--against", listed])
            .unwrap()
            .status
            .success(),
        "it can fail"
    );
    assert!(up.process.end().unwrap(), "an orderly end");
}

#[tokio::test]
async fn the_commands_work_beside_a_running_up_and_without_it() {
    let place = Place::new().unwrap();
    // Enough visitors that none of the four partitions stays empty.
    let mut up = place.up(&["--visitors", "60"]).unwrap();
    up.process.line_after("clean: ").unwrap();
    let check = || {
        assert!(
            place
                .must(&["query", "FROM clicks LIMIT 5"])
                .unwrap()
                .contains("event_id")
        );
        assert!(place.must(&["audit"]).unwrap().contains("clean"));
        assert!(place.must(&["topic"]).unwrap().contains("partition 3"));
        let records = place.must(&[
            "topic",
            "read",
            "--partition",
            "0",
            "--from-offset",
            "0",
            "--to-offset",
            "1",
        ]);
        let record: Value = serde_json::from_str(&records.unwrap()).unwrap();
        assert_eq!(
            (&record["offset"], &record["value"]["v"]),
            (&json!(0), &json!(1))
        );
        assert!(place.must(&["publish"]).unwrap().contains("published"));
        assert!(
            place
                .must(&["config", "show"])
                .unwrap()
                .contains("sink.max_age = \"500ms\"  # environment")
        );
    };
    check();
    assert!(up.process.end().unwrap());
    check();
    assert!(place.must(&["crawl"]).unwrap().contains("registered"));
    assert!(
        place
            .must(&["completions", "bash"])
            .unwrap()
            .contains("clickweir")
    );
    let refused = place.run(&["query", "COPY clicks TO 'x'"]).unwrap();
    assert!(!refused.status.success(), "input 34");
}

#[tokio::test]
async fn the_demo_once_ends_with_a_clean_verdict() {
    let place = Place::new().unwrap();
    let said = place.must(&["up", "--visitors", "20", "--once"]).unwrap();
    for part in ["acknowledged", "rows", "freshness", "clean", "dashboard"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn invariant_6_a_deleted_catalog_is_rebuilt_equal() {
    let place = Place::new().unwrap();
    place.must(&["up", "--visitors", "20", "--once"]).unwrap();
    let sum =
        "SELECT count(*) || '/' || bit_xor(hash(event_id, \"offset\", occurred_at)) FROM clicks";
    let before = place.ask(sum).unwrap();
    fs::remove_file(place.path().join("data/catalog.duckdb")).unwrap();
    assert_eq!(place.ask(sum).unwrap(), before, "fault 34");
}

#[tokio::test]
async fn fault_28_a_flipped_byte_and_a_missing_object_are_found_and_named() {
    let place = Place::new().unwrap();
    place.must(&["up", "--visitors", "10", "--once"]).unwrap();
    let objects = parquet_files(&place, "data/lake/clicks");
    let (flipped, missing) = (&objects[0], &objects[1]);
    let whole = fs::read(flipped).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 3] ^= 1;
    fs::write(flipped, bytes).unwrap();
    let verdict = place.audit().unwrap();
    assert!(verdict["lost"].as_u64().unwrap() > 0, "{verdict}");
    assert!(
        verdict["findings"]
            .to_string()
            .contains("hash does not fit"),
        "{verdict}"
    );
    fs::write(flipped, whole).unwrap();
    assert_eq!(place.audit().unwrap()["lost"], 0);
    fs::remove_file(missing).unwrap();
    let verdict = place.audit().unwrap();
    assert!(
        verdict["findings"].to_string().contains("is not there"),
        "{verdict}"
    );
    assert!(!place.run(&["audit"]).unwrap().status.success());
}

#[tokio::test]
async fn fault_28_what_is_damaged_or_missing_is_rebuilt_from_the_topic() {
    let place = Place::new().unwrap().with("TOPIC__PARTITIONS", "1");
    for _run in 0..4 {
        place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    }
    let count = "SELECT count(*) || ' ' || count(DISTINCT event_id) FROM clicks";
    let mut rows = place.ask(count).unwrap();
    let flip = |path: &PathBuf| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.len() / 3;
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let repaired = |of: usize, rows: &Value| {
        let told = place.must(&["repair"]).unwrap();
        assert_eq!(told.matches("rebuilt from the topic").count(), of, "{told}");
        assert!(place.must(&["audit"]).unwrap().contains("clean"));
        assert_eq!(place.ask(count).unwrap(), *rows);
    };
    let objects = parquet_files(&place, "data/lake/clicks");
    assert!(objects.len() >= 4, "{objects:?}");
    flip(&objects[0]);
    fs::remove_file(&objects[2]).unwrap();
    repaired(2, &rows);
    // The newest one says where it ends, and if its footer is damaged it does not.
    place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    rows = place.ask(count).unwrap();
    let newest = parquet_files(&place, "data/lake/clicks").pop().unwrap();
    flip(&newest);
    repaired(1, &rows);
    place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    let newest = parquet_files(&place, "data/lake/clicks").pop().unwrap();
    fs::write(&newest, "PAR1").unwrap();
    let told = place.run(&["repair"]).unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(said.contains("does not say where it ends"), "{said}");
    fs::remove_file(&newest).unwrap();
    fs::remove_file(place.path().join("data/catalog.duckdb")).unwrap();
    place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    rows = place.ask(count).unwrap();
    repaired(0, &rows);
    flip(&parquet_files(&place, "data/lake/swaps")[0]);
    repaired(1, &rows);
    assert_eq!(
        parquet_files(&place, "data/lake/replays"),
        Vec::<PathBuf>::new()
    );
    let told = place.must(&["repair"]).unwrap();
    assert!(told.contains("nothing is damaged"), "{told}");
}

#[tokio::test]
async fn fault_29_letters_that_no_object_names_count_for_nothing_and_are_swept() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    assert_eq!(post(&up.shop, r#"[{"visitor_id":"v"},42]"#).await.0, 202);
    place.settled().await.unwrap();
    assert!(up.process.end().unwrap());
    let named = parquet_files(&place, "data/lake/dead_letters");
    let [named] = named.as_slice() else {
        panic!("one object of letters: {named:?}")
    };
    let (stem, digest) = named.to_str().unwrap().rsplit_once('-').unwrap();
    let stray = format!(
        "{stem}-{}.parquet",
        "0".repeat(digest.len() - ".parquet".len())
    );
    fs::copy(named, &stray).unwrap();
    let letters = "SELECT count(*) FROM dead_letters";
    assert_eq!(place.ask(letters).unwrap(), json!(1));
    assert!(place.must(&["crawl"]).unwrap().contains("swept 1 stray"));
    assert!(!PathBuf::from(stray).exists() && named.exists());
    assert_eq!(place.ask(letters).unwrap(), json!(1));
}

#[tokio::test]
async fn input_25_what_a_client_says_is_never_part_of_a_path() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let hostile = "hour=99/../../../a=b/%2e%2e/year=1";
    let click =
        json!({ "id": hostile, "action": hostile, "visitor_id": hostile, "product_id": hostile });
    let letter = json!({ "action": hostile, "occurred_at": hostile });
    for body in [click, letter] {
        assert_eq!(post(&up.shop, body.to_string()).await.0, 202);
    }
    place.settled().await.unwrap();
    let said = place
        .ask("SELECT action || visitor_id || product_id FROM clicks")
        .unwrap();
    assert_eq!(said, json!(hostile.repeat(3)), "it is kept as it was");
    // The two may share a partition and a batch, or not.
    let (objects, letters) = (
        parquet_files(&place, "data/lake/clicks"),
        parquet_files(&place, "data/lake/dead_letters"),
    );
    assert!(!objects.is_empty() && letters.len() == 1, "{letters:?}");
    for path in objects.iter().chain(&letters) {
        let path = path.to_str().unwrap();
        assert!(
            !path.contains("..") && !path.contains("a=b") && !path.contains("hour=99"),
            "{path}"
        );
    }
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn input_34_what_was_asked_in_sql_is_in_the_log() {
    let place = Place::new().unwrap();
    let log = place.path().join("log");
    let mut command = place.command(&["up"]);
    command.stderr(fs::File::create(&log).unwrap());
    let mut up = Process::spawn(&mut command).unwrap();
    let page = up.line_after("dashboard ").unwrap();
    let url = page
        .split_whitespace()
        .next()
        .unwrap()
        .trim_end_matches('/');
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (sql, status) in [("SELECT 41 + 1", 200), ("COPY clicks TO 'x'", 403)] {
        let asked = client.post(format!("{url}/api/query"));
        let answer = asked.json(&json!({ "sql": sql })).send().await.unwrap();
        assert_eq!(answer.status(), status, "{sql}");
    }
    let asked = client.get(format!("{url}/sql?sql=SELECT+40+%2B+2"));
    assert_eq!(asked.send().await.unwrap().status(), 200);
    let asked = place.run(&["query", "SELECT 39 + 3"]).unwrap();
    assert!(asked.status.success());
    // A client that goes away is logged as well.
    let endless =
        "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range = -1";
    let asked = client.post(format!("{url}/api/query"));
    let asked = asked
        .json(&json!({ "sql": endless }))
        .timeout(Duration::from_millis(500));
    assert!(asked.send().await.is_err());
    let read = || fs::read_to_string(&log).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !read().contains("abandoned") && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(up.end().unwrap());
    let log = read();
    for (asked, who, outcome) in [
        ("41 + 1", "by=api from 127.0.0.1", "a query was answered"),
        (
            "COPY clicks",
            "by=api from 127.0.0.1",
            "only a statement that reads",
        ),
        ("40 + 2", "by=page from 127.0.0.1", "rows=1"),
        ("39 + 3", "by=shell", "rows=1"),
        (
            "range(10000000)",
            "by=api from 127.0.0.1",
            "a query was abandoned",
        ),
    ] {
        let line = log.lines().find(|line| line.contains(asked));
        let line = line.unwrap_or_else(|| panic!("{asked} in {log}"));
        for part in [who, outcome, "took="] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

#[tokio::test]
async fn fault_42_a_second_up_in_one_folder_is_refused_with_a_sentence() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let second = place.run(&["up", "--visitors", "1", "--once"]).unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("open"), "{said}");
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn fault_12_another_topic_behind_the_same_lake_is_refused() {
    let place = Place::new().unwrap();
    place.must(&["up", "--visitors", "3", "--once"]).unwrap();
    fs::remove_dir_all(place.path().join("data/topic")).unwrap();
    let again = place.run(&["up", "--visitors", "1", "--once"]).unwrap();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        !again.status.success() && said.contains("belongs to topic"),
        "{said}"
    );
}

#[test]
fn the_binary_runs_where_it_was_copied_to_with_its_lib() {
    let folder = tempfile::tempdir().unwrap();
    let (bin, lib) = (folder.path().join("bin"), folder.path().join("lib"));
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(&lib).unwrap();
    fs::copy(binary(), bin.join("clickweir")).unwrap();
    let vendor = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../vendor/lib"));
    for entry in fs::read_dir(vendor).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), lib.join(entry.file_name())).unwrap();
    }
    let output = Command::new(bin.join("clickweir"))
        .args(["query", "SELECT 6 * 7 AS answer"])
        .current_dir(folder.path())
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("42"), "{output:?}");
}

/// The Parquet files below a folder of a place.
fn parquet_files(place: &Place, folder: &str) -> Vec<PathBuf> {
    let mut found = files(&place.path().join(folder));
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found
}

/// Raises the limit of open files for this process and its children; returns why not, if the
/// machine refuses.
fn open_files(count: usize) -> Option<String> {
    let asked = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string()])
        .arg(format!("--nofile={count}:"))
        .output();
    match asked {
        Ok(said) if said.status.success() => None,
        Ok(said) => Some(String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        Err(error) => Some(format!("prlimit: {error}")),
    }
}

#[tokio::test]
async fn input_16_five_thousand_idle_connections_harm_nobody_and_are_let_go() {
    if !real::have("room for 5,000 connections", open_files(10_000)) {
        return;
    }
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    let address = up.shop.strip_prefix("http://").unwrap();
    let mut streams = Vec::new();
    for _ in 0..5_000 {
        streams.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(post(&up.shop, r#"{"action":"view"}"#).await.0, 202);
    // A request's head may take 5 s.
    let all_let_go = timeout(Duration::from_secs(20), async {
        for stream in &mut streams {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"));
        }
    });
    all_let_go.await.expect("each is let go in time");
    assert_eq!(post(&up.shop, r#"{"action":"view"}"#).await.0, 202);
    assert!(up.process.end().unwrap());
}
