//! Other readers of the lake find in every partition path what `clickweir query` finds, in the
//! objects themselves and in the published catalog while `up` runs, on a folder and on S3. Those
//! that are large or slow are asked by `make test-engines` only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sink::{Lake, S3};
use tests::clickweir::Place;
use tests::defaults::section;
use tests::landing::{aged_topic, land};
use tests::{real, s3};
use tokio::time::Instant;
use topic::Draft;

/// Hours before now in which clicks come; between them are a day and more without any.
const HOURS: [i64; 6] = [75, 74, 50, 26, 2, 1];
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The same query as in `lake.py`, for Clickweir.
const ASKED: &str = r#"SELECT json_group_object(folder,
        json_array(clicks, worth, offsets, ids, least, greatest))::VARCHAR FROM (
    SELECT strftime(appended_at, '%Y/%m/%d/%H') AS folder, count(*) AS clicks,
        sum(round(coalesce(price * quantity, 0) * 100)::BIGINT)::BIGINT AS worth,
        sum("offset")::BIGINT AS offsets, count(DISTINCT event_id) AS ids,
        min(event_id) AS least, max(event_id) AS greatest
    FROM clicks GROUP BY folder)"#;

/// Engines that read the objects, in the environment of `make test-setup`.
const QUICK: [&str; 5] = ["pyarrow", "pandas", "polars", "duckdb", "datafusion"];
/// … and in that of `make test-engines`.
const SLOW: [&str; 4] = ["spark", "clickhouse", "delta", "iceberg"];

/// The Python environments, one for each list of engines.
struct Pythons {
    quick: PathBuf,
    slow: Option<PathBuf>,
}

impl Pythons {
    /// `None` if `make test-setup` did not make the quick one.
    fn new() -> Option<Self> {
        let python = |folder: &str| {
            let root = real::fetched(folder, "other programs that read the lake")?;
            Some(root.join(format!("vendor/{folder}/bin/python")))
        };
        let asked = real::env("CLICKWEIR_ENGINES").is_some();
        Some(Self {
            quick: python("readers")?,
            slow: asked.then(|| python("engines").expect("make test-engines fetches them")),
        })
    }

    /// Checks that every engine finds this in a lake.
    fn check(&self, lake: &str, environment: &[(&str, &str)], expect: &Value) {
        let quick = QUICK.map(|engine| (Some(&self.quick), engine));
        let slow = SLOW.map(|engine| (self.slow.as_ref(), engine));
        for (python, engine) in quick.into_iter().chain(slow) {
            if let Some(python) = python {
                let begun = Instant::now();
                let found = found(python, engine, lake, environment);
                assert_eq!(found, *expect, "{engine}");
                println!("{engine}: {:.1} s", begun.elapsed().as_secs_f64());
            }
        }
    }
}

/// An engine's results, by partition path.
fn found(python: &Path, engine: &str, place: &str, environment: &[(&str, &str)]) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("readers/lake.py");
    let mut reading = Command::new(python);
    reading.env("CLICKWEIR_SPARK_JARS", root.join("../vendor/spark"));
    reading.arg(script).args([engine, place]);
    let read = reading.envs(environment.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{engine}: {said}");
    serde_json::from_slice(&read.stdout).unwrap()
}

fn asked(place: &Place) -> Map<String, Value> {
    let told = place.ask(ASKED).unwrap();
    serde_json::from_str(told.as_str().unwrap()).unwrap()
}

/// Clicks of an hour: some without a price, two of one id and different keys, which both stay, and
/// one that is no click.
fn drafts(hour: i64) -> Vec<Draft> {
    let count = 150 + hour;
    let draft = |n: i64| {
        let id = if n == 7 { 6 } else { n };
        let click = match n % 5 {
            0 => json!({ "action": "view" }),
            1 if n == 1 => json!({ "action": "buy", "price": "dear" }),
            _ => json!({ "action": "buy", "price": n as f64 / 4.0, "quantity": n % 4 }),
        };
        Draft {
            key: format!("v{}", n % 20).into(),
            value: format!(
                r#"{{"v":1,"id":"{hour}-{id}","received_at":1795000000000000,"format":"native","source":"test","click":{click}}}"#
            )
            .into(),
        }
    };
    (0..count).map(draft).collect()
}

/// A lake of several days, in place of `place`'s own.
async fn landed(place: &Place, lake: &S3) {
    let folder = place.path().join("data/topic");
    let topic = aged_topic(&folder, &HOURS, drafts).await.unwrap();
    let lake = Lake::open(lake).unwrap();
    let quick = [("max_age", "200ms"), ("max_rows", "60")];
    land(&topic, &lake, "several-days", &quick, WAIT_TIMEOUT)
        .await
        .unwrap();
    drop(topic);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_engines_find_in_every_partition_path_what_clickweir_finds() {
    let Some(pythons) = Pythons::new() else {
        return;
    };
    let place = Place::new().unwrap();
    let folder = place.path().join("data/lake");
    let folder = folder.to_str().unwrap().to_owned();
    let lake = section("lake", &[("url", &format!("file:{folder}"))]).unwrap();
    landed(&place, &lake).await;
    let mut up = place.up(&["--visitors", "4"]).unwrap();
    up.process.line_after("clean: ").unwrap();
    place.must(&["publish"]).unwrap();
    let before = asked(&place);
    assert!(
        before.len() > HOURS.len(),
        "an hour each, and this one: {before:?}"
    );
    for hour in before.values() {
        assert!(
            hour[0].as_u64() > Some(100) || hour[1].as_u64() > Some(0),
            "{before:?}"
        );
    }
    let before = Value::Object(before);
    pythons.check(&folder, &[], &before);
    let published = format!("{folder}/published/clickweir.duckdb");
    assert_eq!(found(&pythons.quick, "published", &published, &[]), before);
    assert_eq!(
        Value::Object(asked(&place)),
        before,
        "nothing came meanwhile"
    );
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_engines_find_in_a_bucket_what_clickweir_finds() {
    let (Some(pythons), Some(s3)) = (Pythons::new(), s3::shared().await) else {
        return;
    };
    let lake = s3.lake(&format!("readers-{}", std::process::id()));
    let (access_key, secret_key) = s3.keys();
    let place = Place::new().unwrap().with_lake(&lake);
    landed(&place, &lake).await;
    let mut up = place.up(&["--visitors", "4"]).unwrap();
    up.process.line_after("clean: ").unwrap();
    place.must(&["publish"]).unwrap();
    let environment = [
        ("CLICKWEIR_S3_ENDPOINT", lake.endpoint.as_str()),
        ("CLICKWEIR_S3_ACCESS_KEY", access_key),
        ("CLICKWEIR_S3_SECRET_KEY", secret_key),
    ];
    let published = format!("{}/published/clickweir.duckdb", lake.url);
    let asked = asked(&place);
    assert!(asked.len() > HOURS.len(), "{asked:?}");
    let asked = Value::Object(asked);
    let shown = found(&pythons.quick, "published", &published, &environment);
    assert_eq!(shown, asked);
    pythons.check(&lake.url, &environment, &asked);
    assert!(up.process.end().unwrap());
}
