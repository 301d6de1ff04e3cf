//! The file of places in a whole process: it is taken anew while clicks come, unless it is damaged.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tests::clickweir::{self, Place, Up};
use tokio::time::{Instant, sleep};

const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// An address that both files of test data know, one of them with its city.
const ADDRESS: &str = "2.125.160.216";

/// Sends a click of that address.
async fn click(client: &Client, up: &Up, id: &str) {
    let url = format!("{}/v1/events", up.shop);
    let click = json!({ "id": id, "action": "view", "visitor_id": "v" });
    let sent = client.post(url).header("X-Forwarded-For", ADDRESS);
    let answer = sent.json(&click).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Puts a whole file in the place of another one.
fn put(file: &Path, content: &Path) {
    let part = file.with_extension("part");
    fs::copy(content, &part).unwrap();
    fs::rename(part, file).unwrap();
}

/// Waits until the metrics say whether an older file is in force.
async fn until(up: &Up, stale: f64) {
    let since = Instant::now();
    while up.metric("clickweir_enrichment_stale").await.unwrap() != stale {
        assert!(since.elapsed() < CHANGE_TIMEOUT, "stale {stale} never came");
        sleep(Duration::from_millis(100)).await;
    }
}

/// What the process says of the clicks that it has read.
async fn asked(client: &Client, up: &Up, of: &str) -> i64 {
    let ask = json!({ "sql": format!("SELECT {of} FROM clicks_live") });
    let url = format!("{}/api/query", up.dashboard);
    let answer = client.post(url).json(&ask).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["rows"][0][0].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_46_a_damaged_file_of_places_leaves_the_older_one_and_a_whole_one_is_taken() {
    let Some(data) = clickweir::data() else {
        return;
    };
    let cities = data.join("geoip/GeoLite2-City-Test.mmdb");
    let countries = data.join("geoip/GeoLite2-Country-Test.mmdb");
    let damaged = data.join("badinput/bad_mmdb/GeoIP2-City-Test-Invalid-Node-Count.mmdb");
    // Nothing but another file seals a batch before the process ends.
    let place = Place::new().unwrap();
    let file = place.path().join("places.mmdb");
    put(&file, &cities);
    let place = place
        .with("ENRICH__PLACES", "places.mmdb")
        .with("PRODUCER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#)
        .with("PRODUCER__IP", "full")
        .with("SINK__MAX_AGE", "10m");
    let up = place.up(&[]).unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    click(&client, &up, "a").await;
    put(&file, &damaged);
    until(&up, 1.0).await;
    click(&client, &up, "b").await;
    put(&file, &countries);
    until(&up, 0.0).await;
    // It is in force a moment after it was read.
    let mut clicks = 2;
    let since = Instant::now();
    while asked(&client, &up, "count(*) FILTER (city IS NULL)").await == 0 {
        assert!(
            since.elapsed() < CHANGE_TIMEOUT,
            "the file is never in force"
        );
        click(&client, &up, &format!("c{clicks}")).await;
        clicks += 1;
        while asked(&client, &up, "count(*)").await != clicks {
            assert!(since.elapsed() < CHANGE_TIMEOUT, "a click is not read");
            sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(up.process.end().unwrap());

    let rows = "SELECT to_json(list(json_array(event_id, country, region, city) ORDER BY event_id))::VARCHAR \
        FROM clicks WHERE event_id IN ('a', 'b')";
    let rows = place.ask(rows).unwrap();
    let rows: Value = serde_json::from_str(rows.as_str().unwrap()).unwrap();
    let expect = json!([["a", "GB", "ENG", "Boxford"], ["b", "GB", "ENG", "Boxford"]]);
    assert_eq!(rows, expect);
    let later = "SELECT count(*) FROM clicks WHERE country = 'GB' AND city IS NULL";
    assert_eq!(place.ask(later).unwrap(), 1);
    // No object has rows of both files, and the audits judge both.
    place.must(&["audit", "--deep"]).unwrap();
    let audit = place.settled().await.unwrap();
    assert_eq!(
        (&audit["objects"], &audit["other_windows"]),
        (&json!(2), &json!(0)),
        "{audit}"
    );
}

#[test]
fn a_file_that_is_no_file_of_places_stops_the_start() {
    let place = Place::new().unwrap();
    fs::write(place.path().join("places.mmdb"), "countries").unwrap();
    for (file, expect) in [
        (
            "places.mmdb",
            "places.mmdb is no file of places that we can read",
        ),
        ("none.mmdb", "none.mmdb cannot be read; put a file there"),
    ] {
        let set = format!("enrich.places={file}");
        let output = place.run(&["--set", &set, "up"]).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expect), "{said}");
    }
}
