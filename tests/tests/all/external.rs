//! Data that others keep: joined with the clicks, and no harm where it is damaged.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tests::clickweir::{self, Place};
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn the_demo_joins_a_table_that_is_not_in_the_clicks() {
    let place = Place::new().unwrap().with_demo().unwrap();
    fs::copy(
        place.path().join("compose/demo/demo.toml"),
        place.path().join("clickweir.toml"),
    )
    .unwrap();
    let mut up = place.up(&["--visitors", "40"]).unwrap();
    up.process.line_after("serving").unwrap();
    place.settled().await.unwrap();
    let joined = "SELECT count(*) FROM clicks JOIN stock USING (product_id) WHERE action = 'buy'";
    let buys = place.ask(joined).unwrap();
    assert_ne!(buys, json!(0));
    // All goods of the shop are in stock.
    assert_eq!(
        place
            .ask("SELECT count(*) FROM clicks WHERE action = 'buy'")
            .unwrap(),
        buys
    );
    let kept = "SELECT sum(buys)::BIGINT FROM margin_by_supplier";
    let deadline = Instant::now() + Duration::from_secs(20);
    while place.ask(kept).ok() != Some(buys.clone()) {
        assert!(Instant::now() < deadline, "{:?}", place.ask(kept));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn fault_47_corrupt_objects_of_a_foreign_tree_are_quarantined() {
    let Some(data) = clickweir::data() else {
        return;
    };
    let bad = data.join("badinput/bad_parquet");
    let place = Place::new().unwrap();
    let config = format!("[[external]]\nname = \"strange\"\npath = {bad:?}\n");
    fs::write(place.path().join("clickweir.toml"), config).unwrap();
    let up = place.up(&[]).unwrap();
    // One whose end is damaged, and one that only a look at all its pages finds out.
    let found = "SELECT count(*) FROM external_objects WHERE reason <> '' AND
        (path LIKE '%/PARQUET-1481.parquet' OR path LIKE '%/ARROW-GH-47662.parquet')";
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.ask(found).unwrap() != json!(2) {
        let runs = place.ask("FROM external_runs").ok();
        assert!(Instant::now() < deadline, "{runs:?}");
        sleep(Duration::from_millis(100)).await;
    }
    let said = place.ask("SELECT detail FROM external_runs").unwrap();
    let said = said.as_str().unwrap();
    assert!(
        said.contains("quarantined") && said.contains("PARQUET-1481"),
        "{said}"
    );
    // What others wrote wrongly and this engine reads is shown where it fits.
    let shown = "SELECT sum(\"rows\")::BIGINT FROM external_objects WHERE reason IS NULL";
    let rows = place.ask("SELECT count(*) FROM strange").unwrap();
    assert_eq!(rows, place.ask(shown).unwrap());
    assert!(rows.as_u64().unwrap() > 0);
    assert!(up.process.end().unwrap());
}
