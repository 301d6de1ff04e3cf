//! Real files with known counts: the lake must hold exactly those.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Process, data};
use tokio::time::Instant;

fn map(name: &str) -> String {
    let maps = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../producer/maps"));
    maps.join(name).to_str().unwrap().to_owned()
}

/// The facts of the data's own README about online_retail.
const RETAIL: [(&str, &str); 9] = [
    ("count(*)", "541909"),
    ("count(DISTINCT order_id)", "25900"),
    ("count(DISTINCT user_id)", "4372"),
    ("count(DISTINCT country)", "38"),
    ("count(DISTINCT product_id)", "4070"),
    ("count(*) FILTER (country = 'United Kingdom')", "495478"),
    ("count(*) FILTER (action = 'cancel')", "9288"),
    ("count(*) FILTER (quantity < 0)", "10624"),
    ("count(*) FILTER (price <= 0)", "2517"),
];

/// The counts of a lake that must hold online_retail completely and once.
pub(crate) async fn holds_online_retail(place: &Place) {
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["doubled"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    for (what, count) in RETAIL {
        let found = place
            .ask(&format!("SELECT ({what})::VARCHAR FROM clicks"))
            .unwrap();
        assert_eq!(found, json!(count), "{what}");
    }
    // Rows that repeat apart from their identity: the twins are real sales.
    let twins = "SELECT (count(*) - count(DISTINCT (order_id, product_id, product_name, quantity,
        occurred_at, price, user_id, country)))::VARCHAR FROM clicks";
    assert_eq!(place.ask(twins).unwrap(), json!("5268"));
}

/// Imports online_retail, three times: the second time lands nothing and says so, and so
/// does the third, without the kept position.
pub(crate) async fn imports_online_retail(place: &Place) {
    let Some(data) = data() else {
        eprintln!("skipped, no shared data: online_retail is not imported");
        return;
    };
    let file = data.join("online_retail/online_retail.csv.zst");
    let (file, map) = (file.to_str().unwrap(), map("online_retail.toml"));
    let import = ["import", file, "--format", "csv", "--map", &map];
    let since = Instant::now();
    let (said, cpu) = Process::start(place, &import).unwrap().done().unwrap();
    assert!(said.contains("541909 sent now"), "{said}");
    let imported = since.elapsed();
    place.settled().await.unwrap();
    let arrived = since.elapsed();
    holds_online_retail(place).await;
    println!(
        "imported in {imported:?}, {cpu} CPU-seconds; in the lake after {arrived:?}, counted \
         after {:?}",
        since.elapsed()
    );
    let again = place.must(&import).unwrap();
    assert!(
        again.contains(" 0 sent now") && again.contains("541909 were there already"),
        "{again}"
    );
    assert_eq!(place.settled().await.unwrap()["rows"], 541_909);
    let (asked, state) = (Instant::now(), place.path().join("data/imports"));
    // The state is gone, as on another machine: the lake is asked for every line.
    std::fs::remove_dir_all(state).unwrap();
    assert!(place.must(&import).unwrap().contains(" 0 sent now"));
    println!("asked for in {:?}", asked.elapsed());
    assert_eq!(place.settled().await.unwrap()["rows"], 541_909);
    replays_online_retail(place, arrived);
}

/// Replays it all, and prints how fast that was beside the live import.
fn replays_online_retail(place: &Place, arrived: Duration) {
    let since = Instant::now();
    let all = [
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2099-01-01T00:00:00Z",
    ];
    let replay = ["replay", "--into", "again"];
    place.must(&[&replay[..], &all].concat()).unwrap();
    let took = since.elapsed();
    let rate = |took: Duration| 541_909.0 / took.as_secs_f64();
    println!(
        "replayed in {took:?}, {:.0} clicks a second; live, from the file to the lake, {:.0}",
        rate(took),
        rate(arrived)
    );
    place.must(&["diff", "again"]).unwrap();
}

/// The dashboard over a year of which 2,938 hours have clicks, by the facts of the data's README.
async fn shows_online_retail(dashboard: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client
            .get(format!("{dashboard}{path}"))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.text().await.unwrap()
    };
    for (step, busy, most) in [
        ("hour", 2_938, None),
        ("day", 305, Some(5_331)),
        ("month", 13, None),
    ] {
        let series = get(&format!("/api/series?range=all&step={step}")).await;
        let series: Value = serde_json::from_str(&series).unwrap();
        let steps = series.as_array().unwrap().iter();
        let counts: Vec<f64> = steps.map(|step| step["clicks"].as_f64().unwrap()).collect();
        assert_eq!(counts.iter().sum::<f64>() as u64, 541_909, "by {step}");
        assert_eq!(
            counts.iter().filter(|count| **count > 0.0).count(),
            busy,
            "by {step}"
        );
        let greatest = counts.iter().copied().fold(0.0, f64::max) as u64;
        assert!(
            most.is_none_or(|most| most == greatest),
            "by {step}: {greatest}"
        );
    }
    let countries = get("/api/breakdown?by=country&range=all&n=5").await;
    let countries: Value = serde_json::from_str(&countries).unwrap();
    let slices = countries["slices"].as_array().unwrap();
    let first = |slice: &Value| json!([slice["value"], slice["clicks"]]);
    assert_eq!(
        slices.iter().map(first).collect::<Vec<_>>(),
        [
            json!(["United Kingdom", 495_478]),
            json!(["Germany", 9_495]),
            json!(["France", 8_557]),
            json!(["EIRE", 8_196]),
            json!(["Spain", 2_533]),
        ]
    );
    assert_eq!(countries["values"], 38);
    let products = get("/api/breakdown?by=product&range=all&n=1").await;
    let products: Value = serde_json::from_str(&products).unwrap();
    assert_eq!(products["values"], 4_070);
    let page = get("/?range=all").await;
    assert!(
        page.contains("541,909") && page.contains("United Kingdom"),
        "{page}"
    );
    let funnel = get("/funnel?range=all&then=buy&then=cancel").await;
    assert!(funnel.contains("Visitors"), "{funnel}");
}

#[tokio::test]
async fn online_retail_is_in_the_lake_whole_and_once() {
    let place = Place::new().unwrap().with("SINK__MAX_AGE", "2s");
    let up = place.up(&[]).unwrap();
    imports_online_retail(&place).await;
    if data().is_some() {
        shows_online_retail(&up.dashboard).await;
    }
    println!("up: {} CPU-seconds", up.process.cpu().unwrap());
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn open_bandit_comes_by_another_mapping_and_no_change_of_code() {
    let Some(data) = data() else {
        eprintln!("skipped, no shared data: open_bandit is not imported");
        return;
    };
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    for name in ["all", "men", "women"] {
        let file = data.join(format!("open_bandit/random-{name}.csv.zst"));
        let map = map("open_bandit.toml");
        let file = file.to_str().unwrap();
        place
            .must(&["import", file, "--format", "csv", "--map", &map])
            .unwrap();
    }
    place.settled().await.unwrap();
    assert_eq!(
        place.ask("SELECT count(*) FROM clicks").unwrap(),
        json!(30_000)
    );
    let clicks = "SELECT count(*) FROM clicks WHERE action = 'click'";
    assert_eq!(place.ask(clicks).unwrap(), json!(130));
    assert!(up.process.end().unwrap());
}
