//! Erasure through the built binary: nothing of the subject is left in any stored file, nothing
//! brings it back, and the certificate proves it.

use std::path::{self, PathBuf};
use std::time::Duration;

use arrow::array::AsArray;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sink::Lake;
use tests::clickweir::{Place, Process};
use tests::clients::{Clients, post};
use tests::cluster::Cluster;
use tests::s3::{self, S3Server};
use tests::tree::files;
use tokio::time::sleep;

/// Whom the lake is to forget.
const SUBJECT: &str = "visitor-4711-of-the-shop";
const DATASET: &str = "[[dataset]]\nname = \"last_seen\"\n\
    sql = \"SELECT visitor_id, max(occurred_at) AS at FROM clicks GROUP BY 1\"\n";

/// Sends bodies of ten clicks, of which one is the subject's; and letters of it and of others.
/// Returns how many rows and letters are the subject's.
async fn send(shop: &str, bodies: u64) -> (u64, u64) {
    for body in 0..bodies {
        let name = |n: u64| match n {
            3 => SUBJECT.to_owned(),
            n => format!("v{n}"),
        };
        let click =
            |n: u64| json!({"id": format!("{body}-{n}"), "visitor_id": name(n), "action": "view"});
        let clicks: Vec<Value> = (0..10).map(click).collect();
        for _twice in 0..2 {
            assert_eq!(post(shop, json!(clicks).to_string()).await.0, 202);
        }
    }
    for (id, name) in [("bad-1", SUBJECT), ("bad-2", "v1")] {
        let bad = json!({"id": id, "visitor_id": name, "price": "dear"});
        assert_eq!(post(shop, bad.to_string()).await.0, 202);
    }
    (bodies, 1)
}

/// The files below a folder that hold a text, in their bytes or in a column of Parquet.
pub(super) fn mentions(folder: &path::Path, needle: &str) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| holds(&std::fs::read(path).unwrap(), needle));
    found
}

pub(super) fn holds(bytes: &[u8], needle: &str) -> bool {
    let mut all = bytes.to_vec();
    if bytes.starts_with(b"PAR1") {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        for batch in reader.build().unwrap() {
            for column in batch.unwrap().columns() {
                let texts = column.as_string_opt::<i32>().into_iter().flatten();
                let raws = column.as_binary_opt::<i32>().into_iter().flatten();
                texts.flatten().for_each(|text| all.extend(text.as_bytes()));
                raws.flatten().for_each(|raw| all.extend(raw));
            }
        }
    }
    let mut windows = all.windows(needle.len());
    windows.any(|window| window == needle.as_bytes())
}

/// The objects below a place of a server's bucket that hold a text.
pub(super) async fn stored_mentions(server: &S3Server, prefix: &str, needle: &str) -> Vec<Path> {
    let store = server.store(prefix).unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut found = Vec::new();
    for meta in listed {
        let bytes = store.get(&meta.location).await.unwrap().bytes().await;
        if holds(&bytes.unwrap(), needle) {
            found.push(meta.location);
        }
    }
    found
}

fn count(place: &Place, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE visitor_id = '{SUBJECT}'");
    place.ask(&sql).unwrap().as_u64().unwrap()
}

/// All that the topic holds, replayed into a name.
pub(super) fn replay(place: &Place, name: &str) {
    let (from, to) = ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    place
        .must(&["replay", "--into", name, "--from", from, "--to", to])
        .unwrap();
}

#[tokio::test]
async fn a_visitor_is_erased_wherever_the_lake_has_it_and_returns_as_a_customer() {
    let place = Place::new().unwrap();
    std::fs::write(place.path().join("clickweir.toml"), DATASET).unwrap();
    let mut up = place.up(&[]).unwrap();
    let (rows, letters) = send(&up.shop, 8).await;
    place.settled().await.unwrap();
    replay(&place, "again");
    // What a promotion replaced is kept, so that it can be rolled back.
    place.must(&["promote", "again"]).unwrap();
    place.must(&["publish"]).unwrap();
    let lake = place.path().join("data/lake");
    assert!(mentions(&lake, SUBJECT).len() > 3, "the test sees it");

    let asked = ["forget", "--visitor", SUBJECT];
    let preview = place.must(&asked).unwrap();
    let line = |table: &str| {
        let mut lines = preview.lines();
        let line = lines.find(|line| line.split_whitespace().next() == Some(table));
        let numbers = line.unwrap().split_whitespace().skip(1);
        numbers
            .map(|cell| cell.parse().unwrap())
            .collect::<Vec<u64>>()
    };
    for table in ["clicks", "clicks_again"] {
        let numbers = line(table);
        assert_eq!((numbers[0], numbers[1]), (rows, letters), "{preview}");
        assert_eq!(numbers[3], rows + letters, "a replay would skip them");
    }
    assert_eq!(count(&place, "clicks"), rows, "nothing was done");

    let certificate = place.path().join("certificate.json");
    let file = certificate.to_str().unwrap();
    let said = place
        .must(&[&asked[..], &["--yes", "--certificate", file]].concat())
        .unwrap();
    let taken = 2 * (rows + letters);
    assert!(said.contains(&format!("erased: {taken} rows")), "{said}");
    assert_eq!(mentions(&lake, SUBJECT), Vec::<PathBuf>::new());
    assert!(!holds(&std::fs::read(&certificate).unwrap(), SUBJECT));
    let catalog = std::fs::read(place.path().join("data/catalog.duckdb")).unwrap();
    assert!(!holds(&catalog, SUBJECT), "the catalog's file");
    for table in ["clicks", "clicks_live", "clicks_again", "last_seen"] {
        assert_eq!(count(&place, table), 0, "{table}");
    }
    for (table, others) in [
        ("clicks", 72),
        ("clicks_again", 72),
        ("dead_letters", 1),
        ("dead_letters_again", 1),
    ] {
        let all = format!("SELECT count(*) FROM {table}");
        assert_eq!(place.ask(&all).unwrap(), json!(others), "{table}");
    }
    replay(&place, "fresh");
    assert_eq!(
        count(&place, "clicks_fresh"),
        0,
        "a replay brings nothing back"
    );
    assert_eq!(mentions(&lake, SUBJECT), Vec::<PathBuf>::new());
    let proved = place.must(&["certificate", "verify", file]).unwrap();
    assert!(proved.starts_with("proved: "), "{proved}");
    let key = reqwest::get(format!("{}/certificate-key.pem", up.dashboard));
    let key = key.await.unwrap().text().await.unwrap();
    assert!(key.starts_with("-----BEGIN PUBLIC KEY-----"), "{key}");

    let order =
        |n: u64| json!({"id": format!("order-{n}"), "visitor_id": SUBJECT, "action": "buy"});
    for n in 0..3 {
        assert_eq!(post(&up.shop, order(n).to_string()).await.0, 202);
    }
    let verdict = place.settled().await.unwrap();
    assert_eq!(verdict["lost"], 0, "{verdict}");
    assert_eq!(count(&place, "clicks"), 3, "the customer is back");
    place.must(&["audit", "--deep"]).unwrap();
    place.must(&["certificate", "verify", file]).unwrap();
    let forged = std::fs::read_to_string(&certificate).unwrap();
    std::fs::write(&certificate, forged.replace("\"taken\": ", "\"taken\": 1")).unwrap();
    let refused = place.run(&["certificate", "verify", file]).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(up.process.stop().unwrap());
}

#[tokio::test]
async fn a_killed_erasure_is_completed_by_the_same_command_and_a_condition_finds_its_rows() {
    let mut place = Place::new().unwrap();
    let server = s3::all().await.into_iter().next();
    let config = server.map(|server| server.lake(&format!("forget-{}", std::process::id())));
    if let Some(config) = &config {
        place = place.with_lake(config);
    }
    let mut up = place.up(&[]).unwrap();
    let (rows, letters) = send(&up.shop, 30).await;
    place.settled().await.unwrap();
    assert!(up.process.stop().unwrap());
    let asked = ["forget", "--visitor", SUBJECT, "--yes"];
    for pause in [20, 120, 250, 400] {
        let mut process = Process::start(&place, &asked).unwrap();
        sleep(Duration::from_millis(pause)).await;
        process.kill().unwrap();
    }
    place.must(&asked).unwrap();
    assert_eq!(count(&place, "clicks"), 0);
    let lake = match &config {
        Some(config) => Lake::open(config).unwrap(),
        None => Lake::open(&sink::S3::in_folder(&place.path().join("data/lake"))).unwrap(),
    };
    let ledger = lake.ledger().await.unwrap().unwrap();
    assert_eq!(ledger.unerased().count(), 0, "every request is complete");
    let removed = |covered: &sink::Covered| covered.range.counts.erased;
    let erased: u64 = ledger.coverage.ranges().map(removed).sum();
    assert_eq!(erased, rows + letters, "and each row was taken once");

    let condition = ["forget", "--where", "visitor_id = 'v7' AND action = 'view'"];
    let preview = place.must(&condition).unwrap();
    assert!(preview.contains("30"), "{preview}");
    place.must(&[&condition[..], &["--yes"]].concat()).unwrap();
    let left = "SELECT count(*) FROM clicks WHERE visitor_id = 'v7'";
    assert_eq!(place.ask(left).unwrap(), json!(0));
    assert_eq!(
        place.ask("SELECT count(*) FROM clicks").unwrap(),
        json!(240)
    );
    replay(&place, "fresh");
    let left = "SELECT count(*) FROM clicks_fresh";
    assert_eq!(place.ask(left).unwrap(), json!(240));
    let files = std::fs::read_dir(place.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let certificates: Vec<String> = names
        .filter(|name| name.starts_with("certificate-"))
        .collect();
    assert!(certificates.len() >= 2, "{certificates:?}");
    for file in certificates {
        place.must(&["certificate", "verify", &file]).unwrap();
    }
    place.must(&["audit", "--deep"]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_a_visitor_is_erased_while_others_click_and_returns() {
    let Some(cluster) = Cluster::shared("forget-cluster").await else {
        return;
    };
    let cluster = cluster.with("SINK__MAX_AGE", "300ms");
    let roles = cluster.start(2).unwrap();
    let shop = roles.producer.url.clone();
    let (rows, letters) = send(&shop, 20).await;
    let place = &roles.dashboard.place;
    place.settled().await.unwrap();
    let clients = Clients::start(&shop, 2, Duration::from_millis(50));

    // Both members have to see the request before it is complete.
    let elsewhere = cluster.place();
    let forget = ["forget", "--visitor", SUBJECT, "--yes"];
    let file = ["--certificate", "certificate.json"];
    let said = elsewhere.must(&[&forget[..], &file].concat()).unwrap();
    let taken = format!("erased: {} rows", rows + letters);
    assert!(said.contains(&taken), "{said}");
    let server = s3::shared().await.unwrap();
    let left = stored_mentions(server, cluster.topic(), SUBJECT).await;
    assert_eq!(left, Vec::new());

    let order =
        |n: u64| json!({"id": format!("order-{n}"), "visitor_id": SUBJECT, "action": "buy"});
    for n in 0..3 {
        assert_eq!(post(&shop, order(n).to_string()).await.0, 202);
    }
    let sent = clients.stop().await;
    assert_eq!(place.settled().await.unwrap()["lost"], 0);
    place.listed(&sent.acknowledged).unwrap();
    assert_eq!(count(place, "clicks"), 3, "the customer is back");
    replay(place, "fresh");
    assert_eq!(count(place, "clicks_fresh"), 3, "and nothing else");
    let proved = elsewhere.must(&["certificate", "verify", "certificate.json"]);
    assert!(proved.unwrap().starts_with("proved: "));
    assert!(place.must(&["audit", "--deep"]).unwrap().contains("clean"));
    roles.end().unwrap();
}
