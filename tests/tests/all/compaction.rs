//! Compaction by itself: in `up`, and as a role of its own that is killed again and again.

use std::time::Duration;

use serde_json::json;
use sink::{Lake, S3};
use tests::clickweir::{Place, Process, Up};
use tests::landing::{aged_topic, land};
use tests::season::{self, Season};
use tests::usage;
use tokio::time::{Instant, sleep};
use topic::{Draft, Offset, Record, Timestamp};

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);
/// 128 MiB.
const MAX_MEGABYTES: f64 = 134.2;
const LOOK: Duration = Duration::from_millis(100);
/// Clicks came so many hours ago.
const HOURS: [i64; 4] = [7, 6, 5, 3];
const RECORDS: usize = 600;

/// A place whose lake has many small objects in hours that have closed.
async fn old_hours() -> (Place, Lake) {
    let place = Place::new().unwrap();
    let data = place.path().join("data");
    let draft = |hour, n| {
        Draft {
        key: format!("v{}", n % 40).into(),
        value: format!(
            r#"{{"v":1,"id":"{hour}-{n}","received_at":1795000000000000,"format":"native","source":"test","click":{{"action":"view"}}}}"#
        )
        .into(),
    }
    };
    let drafts = |hour| (0..RECORDS).map(|n| draft(hour, n)).collect();
    let topic = data.join("topic");
    let topic = aged_topic(&topic, &HOURS, drafts).await.unwrap();
    let lake = Lake::open(&S3::in_folder(&data.join("lake"))).unwrap();
    let sink = [("max_rows", "20"), ("max_age", "200ms")];
    land(&topic, &lake, "old", &sink, WAIT_TIMEOUT)
        .await
        .unwrap();
    (place, lake)
}

/// How many objects count.
async fn counting(lake: &Lake) -> usize {
    let Some(ledger) = lake.ledger().await.unwrap() else {
        return 0;
    };
    let files = lake.files(None).await.unwrap();
    let names = files
        .iter()
        .filter_map(|(path, _)| sink::ObjectName::parse(path));
    let commits = names.filter(|name| !ledger.gives_up(name.partition, name.first));
    commits.count() + ledger.coverage.objects().count()
}

/// Nothing is lost or doubled, and SQL has every click once.
fn check(place: &Place) {
    let verdict = place.audit().unwrap();
    let found = [&verdict["rows"], &verdict["lost"], &verdict["doubled"]];
    let rows = HOURS.len() * RECORDS;
    assert_eq!(found, [&json!(rows), &json!(0), &json!(0)], "{verdict}");
    assert_eq!(verdict["findings"], json!([]), "{verdict}");
    let distinct = place
        .ask("SELECT count(DISTINCT event_id) FROM clicks")
        .unwrap();
    assert_eq!(distinct, json!(rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn up_merges_what_has_closed_by_itself() {
    let (place, lake) = old_hours().await;
    let before = counting(&lake).await;
    assert!(before > 60, "{before}");
    let place = place.with("COMPACTION__EVERY", "300ms");
    let up = place.up(&[]).unwrap();
    let deadline = Instant::now() + WAIT_TIMEOUT;
    // Each partition's newest object stays, and what is merged of the day is few.
    while counting(&lake).await > 12 {
        assert!(Instant::now() < deadline, "{}", counting(&lake).await);
        sleep(LOOK).await;
    }
    check(&place);
    assert!(metric(&up, "replaced_objects_total").await > 40.0);
    assert_eq!(metric(&up, "left").await, 0.0);
    assert!(up.process.end().unwrap());
}

/// A metric of the compactor.
async fn metric(up: &Up, name: &str) -> f64 {
    up.metric(&format!("clickweir_compactor_{name}"))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn up_takes_out_what_is_too_old_by_itself() {
    let (place, _) = old_hours().await;
    let place = place.with("COMPACTION__EVERY", "300ms");
    let rules = "[[retention]]\nolder_than = \"1day\"\n";
    std::fs::write(place.path().join("shop.toml"), rules).unwrap();
    let up = place.up(&["--config", "shop.toml"]).unwrap();
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let expired = loop {
        let expired = metric(&up, "expired_rows_total").await;
        if expired > 0.0 {
            break expired;
        }
        assert!(Instant::now() < deadline, "nothing expires");
        sleep(LOOK).await;
    };
    // Each partition's newest object stays.
    assert!(expired > 2_000.0, "{expired}");
    let rows = (HOURS.len() * RECORDS) as f64;
    let kept = || place.ask("SELECT count(*) FROM clicks").unwrap();
    while kept().as_f64().unwrap() + expired != rows {
        assert!(Instant::now() < deadline, "{} and {expired}", kept());
        sleep(LOOK).await;
    }
    let verdict = place.audit().unwrap();
    assert_eq!(verdict["findings"], json!([]), "{verdict}");
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_30_a_compactor_that_is_killed_again_and_again_loses_nothing() {
    let (place, lake) = old_hours().await;
    let before = counting(&lake).await;
    let place = place
        .with("COMPACTION__EVERY", "100ms")
        .with("COMPACTION__CPU_PERCENT", "100");
    for turn in 0..6 {
        let mut compactor = Process::start(&place, &["compactor"]).unwrap();
        compactor.line_after("compacts ").unwrap();
        sleep(Duration::from_millis(110 + 35 * turn)).await;
        compactor.kill().unwrap();
    }
    let well = |place: &Place| {
        place
            .run(&["health", "compactor"])
            .unwrap()
            .status
            .success()
    };
    let mut compactor = Process::start(&place, &["compactor"]).unwrap();
    compactor.line_after("compacts ").unwrap();
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while counting(&lake).await > 12 {
        assert!(
            Instant::now() < deadline,
            "{} of {before}",
            counting(&lake).await
        );
        sleep(LOOK).await;
    }
    assert!(well(&place));
    assert!(compactor.end().unwrap());
    check(&place);
    let spilled = std::fs::read_dir(place.path().join("data")).unwrap();
    let names: Vec<String> = spilled
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with(".tmp")),
        "{names:?}"
    );
    // If midnight was meanwhile, a day has closed as well.
    place.must(&["compact"]).unwrap();
    let done = place.must(&["compact"]).unwrap();
    assert!(done.contains("no closed hour, day or month"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compactor_keeps_within_its_memory_over_thousands_of_small_objects() {
    let place = Place::new()
        .unwrap()
        .with("COMPACTION__EVERY", "100ms")
        .with("COMPACTION__CPU_PERCENT", "100");
    let lake = place.path().join("data/lake");
    let lake = Lake::open(&S3::in_folder(&lake)).unwrap();
    let value = r#"{"v":1,"id":"1","received_at":1767225600000000,"format":"native","source":"test","click":{"action":"view"}}"#;
    let record = Record {
        offset: Offset(0),
        appended_at: Timestamp::from_micros(season::BEGIN),
        key: None,
        value: Some(value.into()),
        headers: Vec::new(),
    };
    let of = Season {
        days: 3,
        rows: 8_640,
        hourly: 30,
    };
    season::write(&lake, of, &record, |_, _| {}).await.unwrap();
    let mut compactor = Process::start(&place, &["compactor"]).unwrap();
    compactor.line_after("compacts ").unwrap();
    let deadline = Instant::now() + WAIT_TIMEOUT;
    // Each partition's newest object stays.
    while counting(&lake).await > 3 {
        assert!(Instant::now() < deadline, "{}", counting(&lake).await);
        sleep(LOOK).await;
    }
    let megabytes = usage::peak(compactor.id()).unwrap();
    assert!(megabytes < MAX_MEGABYTES, "{megabytes} MB");
    assert!(compactor.end().unwrap());
}
