//! A lake of another format is refused by every command, and nothing in it is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tests::clickweir::Place;

/// Every command that opens the lake.
const COMMANDS: [&[&str]; 17] = [
    &["up"],
    &["prepare"],
    &["transformer"],
    &["crawl"],
    &["crawl", "--watch"],
    &["dashboard"],
    &["import", "clicks.json"],
    &["query", "FROM clicks"],
    &["audit"],
    &["audit", "--deep"],
    &[
        "replay",
        "--into",
        "again",
        "--partition",
        "0",
        "--from-offset",
        "0",
        "--to-offset",
        "1",
    ],
    &["diff", "again"],
    &["promote", "again"],
    &["rollback", "again"],
    &["gap", "accept", "--partition", "0"],
    &["publish"],
    &["compact"],
];

/// Every file below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, content);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_41_every_command_refuses_a_lake_of_another_format_and_changes_nothing_in_it() {
    let place = Place::new().unwrap().with("TOPIC__PARTITIONS", "1");
    let up = place.up(&[]).unwrap();
    let click = json!({"id": "order-7", "action": "buy"});
    let sent = reqwest::Client::new()
        .post(format!("{}/v1/events", up.shop))
        .json(&click);
    assert_eq!(sent.send().await.unwrap().status(), 202);
    place.settled().await.unwrap();
    assert_eq!(
        place.ask("SELECT event_id FROM clicks").unwrap(),
        json!("order-7")
    );
    assert!(up.process.end().unwrap());

    fs::write(place.path().join("clicks.json"), click.to_string()).unwrap();
    let lake = place.path().join("data/lake");
    let origin = lake.join("_ledger/0000000000.json");
    let ours = fs::read_to_string(&origin).unwrap();
    for (format, remedy) in [
        (1, "set lake.url to a new folder or prefix"),
        (3, "use a newer clickweir"),
    ] {
        let theirs = ours.replace("\"format\": 2", &format!("\"format\": {format}"));
        assert_ne!(theirs, ours);
        fs::write(&origin, theirs).unwrap();
        let before = contents(&lake);
        for command in COMMANDS {
            let output = place.run(command).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
            let told = said.contains(&format!("is of format {format}")) && said.contains(remedy);
            assert!(told, "{command:?}: {said}");
            assert_eq!(contents(&lake), before, "{command:?}");
        }
    }
    // The topic fills another one with all that it still holds.
    let place = place.with("LAKE__URL", "file:data/another");
    let up = place.up(&[]).unwrap();
    place.settled().await.unwrap();
    assert_eq!(
        place.ask("SELECT event_id FROM clicks").unwrap(),
        json!("order-7")
    );
    assert!(up.process.end().unwrap());
}
