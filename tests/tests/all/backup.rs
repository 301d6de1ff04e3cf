//! Backups through the built binary, from folders and buckets to folders and buckets, while clicks
//! come; and lakes that are restored from them.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sink::{Lake, S3};
use tests::clickweir::{Place, Process, Up};
use tests::clients::{Clients, post};
use tests::landing::{aged_topic, land};
use tests::s3::{self, S3Server};
use tokio::time::sleep;
use topic::Draft;

use super::forget::{self, mentions, replay};

/// Who asks to be erased.
const SUBJECT: &str = "visitor-who-wants-to-go";
/// Clicks came so many hours ago.
const HOURS: [i64; 3] = [7, 6, 5];
const RECORDS: usize = 240;
const LAND_TIMEOUT: Duration = Duration::from_secs(60);
/// What a lake is asked before and after.
const QUESTIONS: [&str; 4] = [
    "SELECT count(*) FROM clicks",
    "SELECT md5(string_agg(event_id || visitor_id, ' ' ORDER BY partition, \"offset\")) FROM clicks",
    "SELECT count(*) FROM dead_letters",
    "SELECT count(*) FROM clicks_again",
];

/// A place whose lake has compacted hours, letters and a promoted replay, and its lake.
async fn place(lake: &S3) -> Place {
    let place = Place::new().unwrap().with_lake(lake);
    let click = |hour: i64, n: usize| match n {
        7 => r#"{"price":"dear"}"#.to_owned(),
        _ => format!(
            r#"{{"action":"view","visitor_id":"v{}","hour":{hour}}}"#,
            n % 40
        ),
    };
    let draft = |hour, n| {
        Draft {
        key: format!("v{}", n % 40).into(),
        value: format!(
            r#"{{"v":1,"id":"{hour}-{n}","received_at":1795000000000000,"format":"native","source":"test","click":{}}}"#,
            click(hour, n)
        )
        .into(),
    }
    };
    let drafts = |hour| (0..RECORDS).map(|n| draft(hour, n)).collect();
    let topic = place.path().join("data/topic");
    let topic = aged_topic(&topic, &HOURS, drafts).await.unwrap();
    let lake = Lake::open(lake).unwrap();
    let sink = [("max_rows", "20"), ("max_age", "200ms")];
    land(&topic, &lake, "old", &sink, LAND_TIMEOUT)
        .await
        .unwrap();
    drop(topic);
    place.must(&["compact"]).unwrap();
    replay(&place, "again");
    place.must(&["promote", "again"]).unwrap();
    place
}

fn answers(place: &Place) -> Vec<Value> {
    QUESTIONS
        .iter()
        .map(|sql| place.ask(sql).unwrap())
        .collect()
}

/// How many objects a backup says that it has copied, and of how many.
fn copied(said: &str) -> (u64, u64) {
    let mut words = said.split_whitespace();
    words.find(|word| *word == "copied").expect("it says so");
    let mut number = || {
        let digits = words.next().unwrap().replace(',', "");
        digits.parse().unwrap()
    };
    let copied = number();
    let of = words.nth(1).unwrap().replace(',', "").parse().unwrap();
    (copied, of)
}

/// A place of its own for each test.
struct Depot {
    folder: tempfile::TempDir,
    server: Option<&'static S3Server>,
    name: &'static str,
}

impl Depot {
    async fn new(name: &'static str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: s3::all().await.into_iter().next_back(),
            name,
        }
    }

    /// A place in the bucket or in a folder; `None` if there is no server.
    fn at(&self, in_bucket: bool, what: &str) -> Option<S3> {
        match in_bucket {
            true => {
                let prefix = format!("{}-{}-{what}", self.name, std::process::id());
                Some(self.server?.lake(&prefix))
            }
            false => Some(S3::in_folder(&self.folder.path().join(what))),
        }
    }
}

/// Says how the place of backups is reached.
fn reaching(place: Place, to: &S3) -> Place {
    place
        .with("BACKUP__ENDPOINT", &to.endpoint)
        .with("BACKUP__ACCESS_KEY", &to.access_key)
        .with("BACKUP__SECRET_KEY", to.secret_key.expose_secret())
}

/// Sends some of the subject's clicks.
async fn visit(up: &Up, first: u64) {
    for n in first..first + 5 {
        let click = json!({"id": format!("s-{n}"), "visitor_id": SUBJECT, "action": "view"});
        assert_eq!(post(&up.shop, click.to_string()).await.0, 202);
    }
}

/// The stored objects of a lake that hold a text.
async fn stored_mentions(lake: &S3, needle: &str, server: Option<&S3Server>) -> usize {
    if let Some(folder) = lake.url.strip_prefix("file:") {
        return mentions(Path::new(folder), needle).len();
    }
    let prefix = lake.url.split('/').skip(3).collect::<Vec<_>>().join("/");
    let found = forget::stored_mentions(server.unwrap(), &prefix, needle);
    found.await.len()
}

/// A lake is backed up while clicks come, and restored elsewhere; then as it was before somebody
/// asked to be erased.
async fn goes_and_comes_back(name: &'static str, from_bucket: bool, to_bucket: bool) {
    let stand = Depot::new(name).await;
    let places = [
        (from_bucket, "lake"),
        (to_bucket, "backup"),
        (from_bucket, "new"),
    ];
    let places = places.map(|(in_bucket, what)| stand.at(in_bucket, what));
    let [Some(lake), Some(to), Some(new)] = places else {
        return;
    };
    let place = reaching(place(&lake).await, &to);
    let url = to.url.as_str();
    let mut up = place.up(&[]).unwrap();
    let clients = Clients::start(&up.shop, 2, Duration::from_millis(20));
    visit(&up, 0).await;
    let first = place.must(&["backup", url]).unwrap();
    assert!(first.starts_with("backup 1: copied "), "{first}");
    let (new_objects, objects) = copied(&first);
    assert_eq!(new_objects, objects, "{first}");
    let second = place.must(&["backup", url]).unwrap();
    let (new_objects, objects) = copied(&second);
    assert!(new_objects < objects / 2, "{second}");
    let sent = clients.stop().await;
    visit(&up, 5).await;
    place.settled().await.unwrap();
    let before = answers(&place);
    let third = place.must(&["backup", url]).unwrap();
    assert!(
        third.contains(&format!("the lake has {} rows", with_commas(&before[0]))),
        "{third}"
    );
    let visited = format!("SELECT count(*) FROM clicks WHERE visitor_id = '{SUBJECT}'");
    assert_eq!(place.ask(&visited).unwrap(), json!(10));
    place
        .must(&["forget", "--visitor", SUBJECT, "--yes"])
        .unwrap();
    let running = place.run(&["restore", url]).unwrap();
    let said = String::from_utf8_lossy(&running.stderr).into_owned();
    assert!(
        said.contains("end it, restore, and start it again"),
        "{said}"
    );
    assert!(up.process.stop().unwrap());

    let place = place.with("LAKE__URL", &new.url);
    let restored = place.must(&["restore", url]).unwrap();
    assert!(restored.starts_with("restored backup 3 of "), "{restored}");
    assert_eq!(answers(&place), before);
    place.proves(&sent.acknowledged).unwrap();
    let full = place.run(&["restore", url]).unwrap();
    assert!(
        String::from_utf8_lossy(&full.stderr).contains("is not empty"),
        "{full:?}"
    );

    let newer = S3 {
        url: format!("{}-erased", new.url),
        ..new.clone()
    };
    let place = place.with("LAKE__URL", &newer.url);
    // What reaches the place of the lake that is lost is what reaches the new one.
    let place = reaching(place, if from_bucket { &lake } else { &to });
    let asked = [
        "restore",
        url,
        "--backup",
        "1",
        "--erasures-of",
        lake.url.as_str(),
    ];
    let restored = place.must(&asked).unwrap();
    assert!(restored.contains("carried out the erasure "), "{restored}");
    let server = stand.server;
    assert_eq!(stored_mentions(&newer, SUBJECT, server).await, 0);
    assert!(
        stored_mentions(&to, SUBJECT, server).await > 0,
        "the test sees it"
    );
    // The topic has what came since, and the subject in it.
    let up = place.up(&[]).unwrap();
    place.settled().await.unwrap();
    assert_eq!(place.ask(&visited).unwrap(), json!(0));
    let others = before[0].as_u64().unwrap() - 10;
    assert_eq!(place.ask(QUESTIONS[0]).unwrap(), json!(others));
    assert_eq!(stored_mentions(&newer, SUBJECT, server).await, 0);
    place.must(&["audit", "--deep"]).unwrap();
    assert!(up.process.end().unwrap());
}

fn with_commas(count: &Value) -> String {
    let digits = count.to_string();
    let mut said = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_folder_comes_back_from_a_folder() {
    goes_and_comes_back("folders", false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_folder_comes_back_from_a_bucket() {
    goes_and_comes_back("to-bucket", false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_bucket_comes_back_from_a_folder() {
    goes_and_comes_back("from-bucket", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_bucket_comes_back_from_a_bucket() {
    goes_and_comes_back("buckets", true, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_54_killed_backups_and_restores_go_on_and_a_lost_topic_begins_anew() {
    let stand = Depot::new("killed").await;
    let lake = stand.at(false, "lake").unwrap();
    let to = stand
        .at(true, "backup")
        .or_else(|| stand.at(false, "backup"));
    let to = to.unwrap();
    let place = reaching(place(&lake).await, &to);
    let url = to.url.as_str();
    let before = answers(&place);
    let pauses = [60, 90, 120, 160, 200, 260];
    for pause in pauses {
        let mut process = Process::start(&place, &["backup", url]).unwrap();
        sleep(Duration::from_millis(pause)).await;
        process.kill().unwrap();
    }
    place.must(&["backup", url]).unwrap();
    // The disk with topic, lake and catalog is lost.
    std::fs::remove_dir_all(place.path().join("data")).unwrap();
    std::fs::remove_dir_all(stand.folder.path().join("lake")).unwrap();
    let asked = ["restore", url, "--new-topic"];
    for pause in pauses {
        let mut process = Process::start(&place, &asked).unwrap();
        sleep(Duration::from_millis(pause)).await;
        process.kill().unwrap();
        let ledger = Lake::open(&lake).unwrap().ledger().await.unwrap();
        if ledger.is_some() {
            break;
        }
    }
    let again = place.run(&asked).unwrap();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    // It may have been complete.
    assert!(
        again.status.success() || said.contains("is not empty"),
        "{said}"
    );
    assert_eq!(answers(&place), before);
    place.must(&["audit"]).unwrap();
    let up = place.up(&[]).unwrap();
    visit(&up, 0).await;
    place.settled().await.unwrap();
    let rows = before[0].as_u64().unwrap();
    assert_eq!(place.ask(QUESTIONS[0]).unwrap(), json!(rows + 5));
    place.must(&["audit", "--deep"]).unwrap();
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let place = Place::new()
        .unwrap()
        .with("LAKE__SECRET_KEY", "a-secret-key");
    let refused = |arguments: &[&str], expect: &str| {
        let output = place.run(arguments).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(expect), "{arguments:?}: {said}");
    };
    refused(&["backup", "file:backup"], "there is nothing to back up");
    refused(
        &["restore", "file:nowhere"],
        "there is no backup in nowhere",
    );
    refused(&["restore", "file:backup"], "there is no backup at ");
    refused(
        &["backup", "backup"],
        "write file:FOLDER or s3://BUCKET/PREFIX",
    );
    let up = place.up(&[]).unwrap();
    visit(&up, 0).await;
    place.settled().await.unwrap();
    assert!(up.process.end().unwrap());
    for within in ["file:data/lake", "file:data/lake/backup", "file:data"] {
        refused(&["backup", within], "name a place of its own");
    }
    place.must(&["backup", "file:backup"]).unwrap();
    place.must(&["backup", "file:backup"]).unwrap();
    let kept = place
        .must(&["backup", "file:backup", "--keep", "2"])
        .unwrap();
    assert!(kept.contains("kept 2: deleted 1 older"), "{kept}");
    let listed = place.must(&["backup", "file:backup", "--list"]).unwrap();
    assert_eq!(
        listed,
        place.must(&["restore", "file:backup", "--list"]).unwrap()
    );
    let numbers: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(numbers[2..4], ["2", "3"], "{listed}");
    let shown = place
        .must(&["restore", "file:backup", "--configuration"])
        .unwrap();
    assert!(shown.contains("max_age = \"500ms\""), "{shown}");
    for secret in ["secret_key", "a-secret-key"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    refused(
        &["restore", "file:backup", "--backup", "1"],
        "(there are 2, 3)",
    );
    refused(&["restore", "file:backup"], "is not empty");
    let topic = [
        "restore",
        "file:backup",
        "--new-topic",
        "--set",
        "lake.url=file:fresh",
    ];
    refused(&topic, "there is a topic in data/topic");
    let missing = ["restore", "file:backup", "--erasures-of", "file:empty"];
    refused(&missing, "there is neither a lake nor a backup at ");
}
