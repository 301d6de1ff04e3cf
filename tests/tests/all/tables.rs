//! The published tables: PyIceberg and DuckDB find in the Iceberg tables, by the dashboard's REST
//! catalog and by the files, and in the DuckLake what `clickweir query` finds; also while clicks
//! come, on a folder and on S3.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::clickweir::{Place, Up};
use tests::{real, s3};

/// What reads a table, and whether it reads files of a folder.
const ENGINES: [(&str, bool); 5] = [
    ("pyiceberg", false),
    ("pyiceberg_file", true),
    ("duckdb_iceberg", false),
    ("duckdb_iceberg_file", true),
    ("ducklake", false),
];
const TABLES: [&str; 2] = ["clicks", "dead_letters"];

/// What reads the tables of a running dashboard.
struct Readers<'r> {
    python: PathBuf,
    lake: String,
    /// The address of the REST catalog.
    catalog: String,
    environment: Vec<(&'r str, &'r str)>,
}

impl Readers<'_> {
    /// What an engine finds in tables, or its last words.
    fn read(&self, engine: &str, tables: &[&str]) -> Result<Value, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/tables.py");
        let mut reading = Command::new(&self.python);
        reading.arg(script);
        reading.args([engine, &self.lake, &self.catalog]);
        reading.args(tables);
        reading.envs(self.environment.iter().copied());
        let read = reading.output().unwrap();
        match read.status.success() {
            true => Ok(serde_json::from_slice(&read.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&read.stderr).into_owned()),
        }
    }

    /// Checks that each engine finds in each table what the lake holds.
    fn check(&self, place: &Place, wants_files: bool) {
        let expect = Value::Array(TABLES.map(|table| expected(place, table)).to_vec());
        for (engine, reads_files) in ENGINES {
            if wants_files || !reads_files {
                assert_eq!(self.read(engine, &TABLES), Ok(expect.clone()), "{engine}");
            }
        }
    }
}

/// The Python environment of `make test-setup`.
fn python() -> Option<PathBuf> {
    let root = real::fetched("readers", "PyIceberg and DuckDB's extensions")?;
    Some(root.join("vendor/readers/bin/python"))
}

/// The same query as in `tables.py`, for Clickweir.
fn expected(place: &Place, table: &str) -> Value {
    let worth = match table {
        "clicks" => "sum(round(coalesce(price * quantity, 0) * 100)::BIGINT)",
        _ => "0",
    };
    let sql = format!(
        "SELECT to_json([count(*), {worth}, sum(\"offset\"), count(DISTINCT event_id)]::BIGINT[])::VARCHAR
         FROM {table}"
    );
    let told = place.ask(&sql).unwrap();
    serde_json::from_str(told.as_str().unwrap()).unwrap()
}

/// Sends clicks with prices and without, an order of two lines, and one that becomes a dead letter.
async fn send(up: &Up, n: u64) {
    let clicks = json!([
        {"id": format!("view-{n}"), "visitor_id": format!("v{}", n % 7), "action": "view"},
        {"id": format!("buy-{n}"), "action": "buy", "price": n as f64 / 4.0, "quantity": n % 4,
         "items": [{"product_id": "tea"}, {"product_id": "mug", "price": 2.5}]},
        {"id": format!("dear-{n}"), "price": "dear"},
    ]);
    let sent = reqwest::Client::new().post(format!("{}/v1/events", up.shop));
    let answer = sent.body(clicks.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_find_in_the_published_tables_what_clickweir_finds() {
    let Some(python) = python() else { return };
    let place = Place::new()
        .unwrap()
        .with("SINK__MAX_AGE", "500ms")
        .with("CATALOG__EVERY", "200ms")
        .with("CATALOG__PUBLISH_EVERY", "1s");
    let up = place.up(&[]).unwrap();
    let lake = place.path().join("data/lake");
    let readers = Readers {
        python,
        lake: lake.to_str().unwrap().to_owned(),
        catalog: format!("{}/iceberg", up.dashboard),
        environment: Vec::new(),
    };
    for n in 0..40 {
        send(&up, n).await;
        // While clicks come an answer is one state: the scripts compare it with itself.
        if n % 20 == 19 {
            place.must(&["publish"]).unwrap();
            readers.read("pyiceberg", &TABLES).unwrap();
        }
    }
    place.settled().await.unwrap();
    place.must(&["publish"]).unwrap();
    readers.check(&place, true);
    let missing = readers.read("pyiceberg", &["nothing"]).unwrap_err();
    assert!(missing.contains("NoSuchTableError"), "{missing}");
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_read_the_published_tables_of_a_bucket_with_the_keys_of_the_catalog() {
    let (Some(python), Some(s3)) = (python(), s3::shared().await) else {
        return;
    };
    let lake = s3.lake(&format!("tables-{}", std::process::id()));
    let (access_key, secret_key) = s3.keys();
    let place = Place::new()
        .unwrap()
        .with_lake(&lake)
        .with("CATALOG__ICEBERG_KEYS", "true");
    let up = place.up(&[]).unwrap();
    for n in 0..10 {
        send(&up, n).await;
    }
    place.settled().await.unwrap();
    place.must(&["publish"]).unwrap();
    let mut readers = Readers {
        python,
        lake: lake.url.clone(),
        catalog: format!("{}/iceberg", up.dashboard),
        environment: Vec::new(),
    };
    let clicks = json!([expected(&place, "clicks")]);
    assert_eq!(readers.read("pyiceberg", &["clicks"]), Ok(clicks));
    readers.environment = vec![
        ("CLICKWEIR_S3_ENDPOINT", lake.endpoint.as_str()),
        ("CLICKWEIR_S3_ACCESS_KEY", access_key),
        ("CLICKWEIR_S3_SECRET_KEY", secret_key),
    ];
    readers.check(&place, false);
    assert!(up.process.end().unwrap());
}
