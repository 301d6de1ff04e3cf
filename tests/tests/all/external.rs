//! External data, joined with the clicks; damaged or missing files do no harm.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tests::clickweir::{self, Place, Process};
use tests::postgres::{self, Postgres};
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
    // One with a damaged end, and one whose damage only a read of all its pages finds.
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
    // Malformed values of others that this engine reads are shown if they fit the column.
    let shown = "SELECT sum(\"rows\")::BIGINT FROM external_objects WHERE reason IS NULL";
    let rows = place.ask("SELECT count(*) FROM strange").unwrap();
    assert_eq!(rows, place.ask(shown).unwrap());
    assert!(rows.as_u64().unwrap() > 0);
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn a_table_of_a_server_is_copied_and_its_password_stays_secret() {
    let Some(server) = Postgres::start().await else {
        return;
    };
    let make = "CREATE SCHEMA stock; CREATE TABLE stock.goods AS
        SELECT n, 'product ' || n AS name, (n / 4.0)::numeric(8, 2) AS price, ARRAY[n, n + 1] AS sizes,
            gen_random_uuid() AS id, now() AS listed, '{\"a\": 1}'::jsonb AS facts
        FROM generate_series(1, 5000) AS n";
    server.execute(make).unwrap();
    let place = Place::new().unwrap();
    let external = |name: &str, password: &str| {
        format!(
            "[[external]]\nname = \"{name}\"\npostgres = \"{}\"\npassword = \"{password}\"\n\
             table = \"stock.goods\"\nevery = \"300ms\"\n",
            server.words()
        )
    };
    let config = external("goods", postgres::PASSWORD) + &external("locked", "not-this-one");
    fs::write(place.path().join("clickweir.toml"), config).unwrap();
    let log = place.path().join("log");
    let mut command = place.command(&["up"]);
    command.stderr(fs::File::create(&log).unwrap());
    let mut up = Process::spawn(&mut command).unwrap();
    up.line_after("dashboard ").unwrap();
    let until = async |sql: &str, expect: serde_json::Value| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while place.ask(sql).ok() != Some(expect.clone()) {
            let runs = place.ask("SELECT string_agg(detail, ' ') FROM external_runs");
            assert!(
                Instant::now() < deadline,
                "{sql}: {:?}, {runs:?}",
                place.ask(sql)
            );
            sleep(Duration::from_millis(100)).await;
        }
    };
    let sum = "SELECT sum(n)::BIGINT FROM goods WHERE price = n / 4 AND sizes[2] = n + 1
        AND (facts->>'a') = '1' AND listed <= now() AND id IS NOT NULL";
    until(sum, json!(12_502_500)).await;
    // It is copied again if it has changed, and else not written.
    let copies = "SELECT count(*) FROM external_runs WHERE name = 'goods' AND \"found\" = 1";
    assert_eq!(place.ask(copies).unwrap(), json!(1));
    server
        .execute(
            "UPDATE stock.goods SET n = n + 1, price = (n + 1) / 4.0, sizes = ARRAY[n + 1, n + 2]",
        )
        .unwrap();
    until(sum, json!(12_507_500)).await;
    // People's SQL reaches no server, neither this one nor another.
    let words = server.words();
    for sql in [
        format!("FROM postgres_scan('{words}', 'stock', 'goods')"),
        format!("FROM postgres_query('{words}', 'SELECT 1')"),
        format!("FROM postgres_execute('{words}', 'DROP TABLE stock.goods')"),
        format!("ATTACH '{words}' AS other (TYPE postgres)"),
        "CALL postgres_attach('host=127.0.0.1')".to_owned(),
        "FROM source.stock.goods".to_owned(),
        "FROM duckdb_secrets()".to_owned(),
    ] {
        assert!(place.ask(&sql).is_err(), "{sql}");
    }
    // If the server is gone, the copy stays, and the runs say why it is old.
    let why = "SELECT count(*) > 0 FROM external_runs WHERE name = 'locked'
        AND contains(detail, 'password authentication failed')";
    until(why, json!(true)).await;
    drop(server);
    let gone = "SELECT count(*) > 0 FROM external_runs WHERE name = 'goods' AND adopted = 1
        AND contains(detail, 'was not copied') AND \"rows\" = 5000";
    until(gone, json!(true)).await;
    assert_eq!(place.ask(sum).unwrap(), json!(12_507_500));
    let refused = place.ask("FROM locked").unwrap_err().to_string();
    assert!(refused.contains("was not copied yet"), "{refused}");
    let said = "SELECT coalesce(string_agg(detail, ' '), '') FROM external_runs";
    let said = place.ask(said).unwrap().to_string();
    let views = "SELECT string_agg(sql, ' ') FROM duckdb_views()";
    let views = place.ask(views).unwrap().to_string();
    assert!(up.end().unwrap());
    let log = fs::read_to_string(&log).unwrap();
    for text in [said, views, log] {
        for secret in ["hush-hush", "not-this-one"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
