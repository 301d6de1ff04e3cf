//! The published tables: PyIceberg, DuckDB, Spark and Flink find in the Iceberg tables, by the
//! dashboard's REST catalog and by the files, in the DuckLake and in the views what
//! `clickweir query` finds, on a folder and on S3. The large engines are asked by
//! `make test-engines` only.

mod page;
pub(crate) mod reader;
pub(crate) mod scene;
mod swapped;
mod watch;

use serde_json::Value;
use tests::clickweir::{Place, Up};
use tests::s3;
use tokio::time::Instant;

use reader::{Engine, Found, Published, Reader, bucket_keys, engines, expected};
use scene::aged;

const TABLES: [&str; 4] = [
    "clicks",
    "dead_letters",
    "clicks_again",
    "dead_letters_again",
];
/// Hours before now in which clicks came.
const HOURS: [i64; 4] = [75, 74, 26, 2];
const TOKEN: &str = "a-token-of-the-dashboard";

/// Checks that each engine finds in each table what the lake holds.
fn check(place: &Place, engines: &[Engine], at: &Published) {
    let found = find(place, engines, at, &TABLES);
    assert_eq!(found[0], found[2], "the replay is of all");
    let hours = found[0].as_array().unwrap();
    let hours = hours.iter().filter(|row| !row[1].is_null());
    assert!(hours.count() > HOURS.len(), "those and this one");
}

/// What the lake holds in each table, which is what each engine finds there.
pub(crate) fn find(
    place: &Place,
    engines: &[Engine],
    at: &Published,
    tables: &[&str],
) -> Vec<Value> {
    let expect: Vec<Value> = tables.iter().map(|table| expected(place, table)).collect();
    for engine in at.read_by(engines) {
        let begun = Instant::now();
        let found = Reader::start(engine, at).find(tables);
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", engine.name));
        let found: Vec<_> = found.into_iter().map(|Found { rows, .. }| rows).collect();
        assert_eq!(found, expect, "{}", engine.name);
        let took = begun.elapsed().as_secs_f64();
        println!("{}: {took:.1} s", engine.name);
    }
    expect
}

/// A place whose lake has clicks of some days, and a replay of them.
async fn published(place: &Place) -> Up {
    let up = place.up(&[]).unwrap();
    for n in 0..4 {
        scene::send(&up.shop, n).await;
    }
    place.settled().await.unwrap();
    scene::replay(place, "again", 0);
    place.must(&["publish"]).unwrap();
    up
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_find_in_the_published_tables_what_clickweir_finds() {
    let Some(engines) = engines() else { return };
    let place = Place::new().unwrap().with("DASHBOARD__TOKEN", TOKEN);
    let lake = aged(&place, &HOURS, None).await;
    let up = published(&place).await;
    let at = Published {
        lake,
        catalog: format!("{}/iceberg", up.dashboard),
        environment: vec![("CLICKWEIR_TOKEN", TOKEN.to_owned())],
    };
    check(&place, &engines, &at);
    let pyiceberg = engines[0];
    let missing = Reader::start(pyiceberg, &at).find(&["nothing"]);
    let missing = missing.unwrap_err();
    assert!(missing.contains("NoSuchTableError"), "{missing}");
    assert!(up.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_read_the_published_tables_of_a_bucket_with_the_keys_of_the_catalog() {
    let (Some(engines), Some(s3)) = (engines(), s3::shared().await) else {
        return;
    };
    let bucket = s3.lake(&format!("tables-{}", std::process::id()));
    let place = Place::new()
        .unwrap()
        .with_lake(&bucket)
        .with("CATALOG__ICEBERG_KEYS", "true");
    let lake = aged(&place, &HOURS, Some(&bucket)).await;
    let up = published(&place).await;
    let mut at = Published {
        lake,
        catalog: format!("{}/iceberg", up.dashboard),
        ..Published::default()
    };
    // Those that ask the catalog alone take the keys of it.
    let keyless = |engine: &&Engine| ["pyiceberg", "spark", "flink"].contains(&engine.name);
    let keyless: Vec<_> = engines.iter().filter(keyless).copied().collect();
    check(&place, &keyless, &at);
    at.environment = bucket_keys(&bucket, s3.keys());
    check(&place, &engines, &at);
    assert!(up.process.end().unwrap());
}
