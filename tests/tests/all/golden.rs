//! A topic and a lake as a released format has them, with all that a ledger can say. They are written
//! anew in every run, and those that `make golden` once kept are read, proved and gone on with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sink::{Lake, Partition, Timestamp};
use tests::clickweir::Place;
use tests::clients::post;
use tests::landing::{aged_topic, land};
use tests::real;
use tests::tree::files;
use topic::clock::{Clock, SystemClock};
use topic::{Draft, Topic, Unit};

/// Hours before now in which clicks came.
const HOURS: [i64; 4] = [75, 50, 26, 25];
/// Whom the lake forgot.
const SUBJECT: &str = "subject";
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
/// Checkpoints are written after so many entries.
const CHECKPOINT_ENTRIES: u64 = 100;

const RETENTION: &str = "[[retention]]\nolder_than = \"60h\"\nactions = [\"old\"]\n";

/// What is asked of a lake, and must be answered for ever as it was.
const ASKED: [&str; 7] = [
    "FROM clicks WHERE event_id = 'every-column'",
    "SELECT partition, count(*), sum(\"offset\"), sum(round(price * quantity * 100)::BIGINT),
        min(occurred_at), max(occurred_at), count(DISTINCT event_id)
     FROM clicks GROUP BY ALL ORDER BY ALL",
    "SELECT action, item, retried, sample_rate, count(*) FROM clicks GROUP BY ALL ORDER BY ALL",
    "SELECT partition, \"offset\", event_id, reason, detail, octet_length(raw) FROM dead_letters ORDER BY ALL",
    "SELECT partition, count(*), sum(\"offset\") FROM clicks_again GROUP BY ALL ORDER BY ALL",
    "SELECT partition, count(*), sum(\"offset\") FROM clicks_kept GROUP BY ALL ORDER BY ALL",
    "SELECT count(*), count(DISTINCT event_id) FROM clicks_live",
];

/// A click that has a value for every column.
fn every_column(received_at: i64) -> Value {
    json!({
        "v": 1, "id": "every-column", "id_generated": true, "item": 1, "retried": true,
        "sample_rate": 0.5, "received_at": received_at, "format": "native", "source": "test",
        "ip": "203.0.113.0",
        "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        "click": {
            "action": "buy", "occurred_at": "2026-11-22T21:00:00Z", "order_id": "order-1",
            "visitor_id": "v1", "session_id": "s1", "user_id": "u1",
            "url": "https://shop.example/tea?utm_source=mail&utm_medium=letter&utm_campaign=autumn&utm_term=tea&utm_content=top",
            "referrer": "https://search.example/",
            "items": [
                { "product_id": "cup", "price": 3.5, "quantity": 1 },
                { "product_id": "tea", "product_name": "Tea", "category": "drinks", "price": 4.25,
                  "quantity": 2, "currency": "EUR", "note": "black" },
            ],
        },
    })
}

/// The clicks of an hour: rows, retries, what retention takes, what is erased, and dead letters.
fn drafts(hour: i64) -> Vec<Draft> {
    let received_at = SystemClock.now().micros() - hour * Unit::Hour.micros();
    let draft = |n: i64| {
        let id = if n == 7 { 6 } else { n };
        let visitor = match n {
            3 | 11 => SUBJECT.to_owned(),
            n => format!("v{}", n % 6),
        };
        let click = match n {
            5 => json!({ "action": "old", "visitor_id": visitor }),
            9 | 11 => json!({ "action": "buy", "price": "dear", "visitor_id": visitor }),
            n => json!({ "action": "view", "price": n as f64 / 4.0, "quantity": n % 4,
                "visitor_id": visitor }),
        };
        let value = match (n, hour) {
            (0, 26) => every_column(received_at),
            _ => json!({ "v": 1, "id": format!("{hour}-{id}"), "received_at": received_at,
                "format": "native", "source": "test", "click": click }),
        };
        Draft {
            key: visitor.into(),
            value: value.to_string().into(),
        }
    };
    (0..24).map(draft).collect()
}

async fn highs(topic: &dyn Topic) -> BTreeMap<Partition, topic::Watermarks> {
    topic.watermarks().await.unwrap()
}

async fn append(topic: &Arc<dyn Topic>, drafts: Vec<Draft>) {
    let writer = topic.writer().unwrap();
    writer.append(drafts).unwrap().await.unwrap();
}

/// Fills the place's topic and lake with all that a ledger can say, and writes the certificate of
/// its erasure beside them.
async fn write(place: &Place, checkpoint: bool) {
    let folder = place.path().join("data");
    let topic = aged_topic(&folder.join("topic"), &HOURS, drafts).await;
    let topic = topic.unwrap();
    let lake = Lake::open(&sink::S3::in_folder(&folder.join("lake"))).unwrap();
    let quick = [("max_age", "200ms"), ("max_rows", "5")];
    land(&topic, &lake, "golden", &quick, WAIT_TIMEOUT)
        .await
        .unwrap();
    // An operator gives up what one visitor sent next.
    let before = highs(topic.as_ref()).await;
    let mut lost = drafts(1);
    lost.retain(|draft| draft.key.as_ref() == b"v1");
    append(&topic, lost).await;
    let after = highs(topic.as_ref()).await;
    let given_up = before.keys().find(|of| before[of] != after[of]).copied();
    let given_up = given_up.unwrap();
    let now = Timestamp::default();
    let gap = lake.accept_gap(given_up, after[&given_up].high, now);
    gap.await.unwrap().expect("there is a gap");
    append(&topic, drafts(0)).await;
    land(&topic, &lake, "golden", &quick, WAIT_TIMEOUT)
        .await
        .unwrap();
    drop(topic);

    let (replayed, marks) = before
        .iter()
        .find(|(of, marks)| **of != given_up && marks.high.0 > 9)
        .unwrap();
    let (replayed, end) = (replayed.to_string(), marks.high.to_string());
    let replay = |into: &str| {
        let range = [
            "--partition",
            &replayed,
            "--from-offset",
            "1",
            "--to-offset",
            &end,
        ];
        place
            .must(&[&["replay", "--into", into][..], &range].concat())
            .unwrap();
    };
    place.must(&["compact"]).unwrap();
    replay("again");
    place.must(&["promote", "again"]).unwrap();
    place.must(&["rollback", "again"]).unwrap();
    if checkpoint {
        let name = sink::ReplayName::parse("again").unwrap();
        while lake.ledger().await.unwrap().unwrap().next <= CHECKPOINT_ENTRIES {
            lake.promote(&name, now).await.unwrap();
            lake.rollback(&name, now).await.unwrap();
        }
    }
    let objects = files(&folder.join("lake/clicks"));
    let last = objects.last().unwrap();
    let mut bytes = fs::read(last).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(last, bytes).unwrap();
    let said = place.must(&["repair"]).unwrap();
    assert!(said.contains("rebuilt from the topic"), "{said}");
    fs::write(place.path().join("clickweir.toml"), RETENTION).unwrap();
    let said = place.must(&["expire"]).unwrap();
    assert!(said.contains("expired"), "{said}");
    let certificate = folder.join("certificate.json");
    let certificate = certificate.to_str().unwrap();
    let forget = [
        "forget",
        "--visitor",
        SUBJECT,
        "--yes",
        "--certificate",
        certificate,
    ];
    place.must(&forget).unwrap();
    replay("kept");
    place.must(&["promote", "kept"]).unwrap();
    let swept = lake.clone().with_grace(Duration::ZERO);
    let ledger = swept.ledger().await.unwrap().unwrap();
    swept.sweep_swapped(&ledger).await.unwrap();
}

fn answers(place: &Place) -> BTreeMap<String, Value> {
    let answer = |sql: &str| {
        let told = place.must(&["query", sql, "--format", "json"]).unwrap();
        let mut told: Value = serde_json::from_str(&told).unwrap();
        (sql.to_owned(), told["rows"].take())
    };
    ASKED.into_iter().map(answer).collect()
}

/// Every kind of entry that the ledger has, and of swap.
fn kinds(place: &Place) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let mut entries = files(&place.path().join("data/lake/_ledger"));
    entries.retain(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        name.bytes().all(|letter| letter.is_ascii_digit())
    });
    for path in entries {
        let entry: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let said = entry["by"].as_str().or_else(|| entry["kind"].as_str());
        kinds.extend(said.map(str::to_owned));
    }
    kinds
}

/// Proves what a place holds, and goes on with it: however old it is.
async fn go_on(place: &Place, expected: &BTreeMap<String, Value>) {
    let mut found = answers(place);
    // A column that came later is behind those of then.
    let cells = expected[ASKED[0]][0].as_array().unwrap().len();
    let row = found.get_mut(ASKED[0]).unwrap()[0].as_array_mut().unwrap();
    assert!(row.len() >= cells);
    row.truncate(cells);
    assert_eq!(found, *expected);
    let certificate = place.path().join("data/certificate.json");
    let proved = place.must(&["certificate", "verify", certificate.to_str().unwrap()]);
    assert!(proved.unwrap().starts_with("proved: "));
    assert!(place.must(&["audit", "--deep"]).unwrap().contains("clean"));
    let rows = |place: &Place| place.ask("SELECT count(*) FROM clicks").unwrap();
    let before = rows(place).as_u64().unwrap();
    let up = place.up(&[]).unwrap();
    let click = json!({ "id": "today", "action": "buy", "visitor_id": SUBJECT });
    assert_eq!(post(&up.shop, click.to_string()).await.0, 202);
    assert_eq!(place.settled().await.unwrap()["lost"], 0);
    assert_eq!(rows(place), json!(before + 1));
    assert!(up.process.end().unwrap());
    place.must(&["compact"]).unwrap();
    assert!(place.must(&["audit", "--deep"]).unwrap().contains("clean"));
    assert_eq!(rows(place), json!(before + 1));
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
}

/// What `make golden` kept.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/format-2")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_41_what_this_format_has_is_written_and_read() {
    let place = Place::new().unwrap();
    let keeps = real::env("CLICKWEIR_GOLDEN").is_some();
    write(&place, keeps).await;
    let expected = answers(&place);
    let all = [
        "compaction",
        "erased",
        "erasure",
        "forget",
        "gap",
        "origin",
        "promote",
        "repair",
        "retention",
        "rollback",
    ];
    let kinds = kinds(&place);
    assert!(all.iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
    let row = expected[ASKED[0]][0].as_array().unwrap();
    // No place is known of the address, it is no bot, and no ad was clicked.
    assert_eq!(
        row.iter().filter(|cell| cell.is_null()).count(),
        7,
        "{row:?}"
    );
    if keeps {
        let _ = fs::remove_dir_all(kept());
        for folder in ["topic", "lake"] {
            copy(
                &place.path().join("data").join(folder),
                &kept().join(folder),
            );
        }
        fs::remove_dir_all(kept().join("lake/published")).unwrap();
        let certificate = place.path().join("data/certificate.json");
        fs::copy(certificate, kept().join("certificate.json")).unwrap();
        let text = serde_json::to_string_pretty(&expected).unwrap();
        fs::write(kept().join("expected.json"), text).unwrap();
    }
    // What was kept cannot be rolled back when its time is over.
    place.must(&["rollback", "kept"]).unwrap();
    let expected = answers(&place);
    go_on(&place, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_41_what_was_kept_of_a_format_is_read_proved_and_gone_on_with() {
    let place = Place::new().unwrap();
    copy(&kept(), &place.path().join("data"));
    let expected = place.path().join("data/expected.json");
    let expected = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    go_on(&place, &expected).await;
}
