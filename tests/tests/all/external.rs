//! External data, joined with the clicks; damaged or missing files do no harm.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use catalog::{Catalog, External};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::json;
use tests::clickweir::{self, Place, Process, Up};
use tests::postgres::{self, Postgres};
use tests::s3::{self, S3Server};
use tests::usage;
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

/// Waits until a worker of `up` that is not among `others` computes, and sends it a signal.
async fn end_reader(up: &Up, others: &[u32], signal: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "no worker reads the file");
        let children = usage::children(up.process.id()).unwrap();
        // It has been given its file once it computes.
        let reads = |pid: &&u32| {
            !others.contains(pid) && usage::cpu(**pid).is_ok_and(|seconds| seconds > 0.3)
        };
        if let Some(reader) = children.iter().find(reads) {
            let sent = Command::new("kill")
                .args([&format!("-{signal}"), &reader.to_string()])
                .status();
            assert!(sent.unwrap().success());
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn invariant_13_a_file_that_ends_its_reader_costs_its_table_and_nothing_else() {
    let place = Place::new().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    let external = |name: &str, file: &str| {
        let path = at(file);
        format!("[[external]]\nname = \"{name}\"\npath = {path:?}\nevery = \"1s\"\n")
    };
    let config = external("stock", "stock.csv") + &external("tree", "tree");
    fs::write(at("clickweir.toml"), config).unwrap();
    let up = place.up(&[]).unwrap();
    let until = async |sql: &str, expect: serde_json::Value| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while place.ask(sql).ok() != Some(expect.clone()) {
            let runs = place.ask("SELECT string_agg(detail, ' ') FROM external_runs");
            let found = place.ask(sql);
            assert!(Instant::now() < deadline, "{sql}: {found:?}, {runs:?}");
            sleep(Duration::from_millis(50)).await;
        }
    };
    until("SELECT 1", json!(1)).await;
    let warm = usage::children(up.process.id()).unwrap();
    // It takes its reader some seconds.
    let long: String = (0..3_000_000).map(|n| format!("p{n},{n}\n")).collect();
    let write = |text: &str| {
        fs::write(at("new"), text).unwrap();
        fs::rename(at("new"), at("stock.csv")).unwrap();
    };
    write(&format!("product_id,pieces\n{long}"));
    end_reader(&up, &warm, "ABRT").await;
    let why = "SELECT count(*) FROM external_objects WHERE name = 'stock'
        AND contains(reason, 'reading it ended the process that read it (signal 6)')";
    until(why, json!(1)).await;
    let refused = place.ask("FROM stock").unwrap_err().to_string();
    assert!(refused.contains("signal 6"), "{refused}");
    // Another table's crawls go on, and by them this one's turn has come twice.
    let runs = "SELECT count(*) FROM external_runs WHERE name = 'stock'";
    let before = place.ask(runs).unwrap();
    for number in 1..=2 {
        let rows = format!("SELECT {number} AS n");
        let file = at(&format!("tree/{number}.parquet"));
        let copy = format!("COPY ({rows}) TO '{}' (FORMAT parquet)", file.display());
        let writer = duckdb::Connection::open_in_memory().unwrap();
        writer.execute_batch(&copy).unwrap();
        until("SELECT count(*) FROM tree", json!(number)).await;
    }
    assert_eq!(place.ask(runs).unwrap(), before);
    assert_eq!(usage::children(up.process.id()).unwrap(), warm);
    // What the system ends may have been short of memory: it is read again.
    write(&format!("product_id,pieces\n{long}p,1\n"));
    end_reader(&up, &warm, "KILL").await;
    until("SELECT count(*) FROM stock", json!(3_000_001)).await;
    let said = place.ask("SELECT string_agg(detail, ' ') FROM external_runs");
    let said = said.unwrap().to_string();
    assert!(said.contains("(signal 9)"), "{said}");
    // A changed file is read at once.
    write("product_id,pieces\np1,2\np2,3\n");
    until("SELECT sum(pieces)::BIGINT FROM stock", json!(5)).await;
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
             table = \"stock.goods\"\nevery = \"1s\"\n",
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

/// A catalog on a server, with an external table `t` over a prefix of its bucket.
async fn over_bucket(server: &S3Server, lake: &str, prefix: &str) -> Catalog {
    let folder = tempfile::tempdir().unwrap().keep();
    let place = server.lake(lake);
    let opened = sink::Lake::open(&place).unwrap();
    let topic = topic::Identity {
        cluster: "c".into(),
        topic: "clicks".into(),
    };
    let id = sink::LakeId::new(7);
    opened.found(&topic, BTreeMap::new(), id).await.unwrap();
    let external = External {
        name: "t".into(),
        path: format!("s3://{}/{prefix}", s3::BUCKET),
        ..External::default()
    };
    let config = catalog::Config {
        path: folder.join("catalog.duckdb"),
        every: Duration::from_secs(1),
        full_every: Duration::from_secs(3_600),
        memory: "256MiB".parse().unwrap(),
        query_memory: "256MiB".parse().unwrap(),
        tail_memory: "16MiB".parse().unwrap(),
        fold_rows: 500_000,
        threads: 1,
        query_timeout: Duration::from_secs(30),
        query_rows: 1_000,
        publish_every: Duration::from_secs(60),
        iceberg_keys: false,
        extensions: concat!(env!("CARGO_MANIFEST_DIR"), "/../vendor/extensions").into(),
        externals: vec![external],
        datasets: Vec::new(),
        worker: None,
    };
    let clock = sink::clock::system();
    Catalog::open(config, opened, &place, clock).await.unwrap()
}

#[tokio::test]
async fn b20_an_odd_key_in_a_bucket_costs_its_object_and_not_the_tree() {
    for server in s3::all().await {
        let catalog = over_bucket(server, "odd-keys", "qm2").await;
        let rows = catalog.query("SELECT 1 AS n").await.unwrap();
        let parquet = bytes::Bytes::from(rows.parquet().unwrap());
        // 100,000,000 columns, in 130 bytes.
        let mut hostile = b"PAR1".to_vec();
        hostile.extend([0x15, 0x02, 0x19, 0xfc, 0x80, 0xc2, 0xd7, 0x2f]);
        hostile.resize(122, 0);
        hostile.extend(118_u32.to_le_bytes());
        hostile.extend(b"PAR1");
        let store = server.store("qm2").unwrap();
        for (key, bytes) in [
            ("good.parquet", parquet.clone()),
            ("who?.parquet", parquet.clone()),
            ("k=07/other", parquet.clone()),
            ("_temporary/x.parquet", parquet),
            ("hostile.parquet", hostile.into()),
        ] {
            let path = Path::parse(key).unwrap();
            store.put(&path, bytes.into()).await.unwrap();
        }
        let external = catalog.config().externals[0].clone();
        let run = catalog.adopt(&external).await.unwrap();
        assert!(run.adopted >= 2 && run.left_out == 1, "{run:?}");
        let quarantined = catalog.quarantined(10).await.unwrap();
        let said = format!("{quarantined:?}");
        assert!(said.contains("declares more than it holds"), "{said}");
        assert!(run.adopted == 3 || said.contains("who?.parquet"), "{said}");
        let rows = catalog.query("SELECT count(*), max(k) FROM t").await;
        let expect = format!("{},07", run.adopted);
        assert_eq!(rows.unwrap().csv().lines().nth(1), Some(expect.as_str()));
        // The same again finds nothing new.
        let run = catalog.adopt(&external).await.unwrap();
        assert_eq!(run.found, 0, "{run:?}");
    }
}

#[tokio::test]
async fn b49_odd_values_of_a_server_are_true_or_null() {
    let Some(server) = Postgres::start().await else {
        return;
    };
    let make = "CREATE TABLE p(k int, n numeric, f numeric(8,2), seen timestamptz, day date);
        INSERT INTO p VALUES (1, 1.25, 2.5, '2026-11-22 10:00Z', '2026-11-22'),
            (2, 'NaN', 'NaN', 'infinity', '-infinity'), (3, NULL, NULL, NULL, '0044-03-15 BC')";
    server.execute(make).unwrap();
    let place = Place::new().unwrap();
    let config = format!(
        "[[external]]\nname = \"odd\"\npostgres = \"{}\"\npassword = \"{}\"\ntable = \"p\"\nevery = \"1s\"\n",
        server.words(),
        postgres::PASSWORD
    );
    fs::write(place.path().join("clickweir.toml"), config).unwrap();
    let up = place.up(&[]).unwrap();
    let sql = "SELECT count(*) = 3 AND count(*) FILTER (n = 1.25) = 1
        AND count(*) FILTER (isnan(n)) <= 1 AND count(*) FILTER (n = 0) = 0
        AND sum(f) = 2.5 AND count(seen) = 1 AND count(day) = 1 FROM odd";
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.ask(sql).ok() != Some(json!(true)) {
        let runs = place.ask("SELECT string_agg(detail, ' ') FROM external_runs");
        assert!(
            Instant::now() < deadline,
            "{:?} {runs:?}",
            place.ask("FROM odd")
        );
        sleep(Duration::from_millis(100)).await;
    }
    let said = place.ask("SELECT max(detail) FROM external_runs").unwrap();
    assert!(said.to_string().contains("2 rows of p have NaN"), "{said}");
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn a_servers_numbers_keep_their_digits_and_types_are_obeyed() {
    let Some(server) = Postgres::start().await else {
        return;
    };
    let make =
        "CREATE TABLE q(k int, exact numeric, long numeric, plain float8, sku int, many text);
        INSERT INTO q VALUES (1, 12345678901234567890.25, 1e40, 0.1, 7, '12'),
            (2, -0.001, 1, 0.2, 8, 'some'), (3, NULL, NULL, NULL, NULL, NULL)";
    server.execute(make).unwrap();
    let place = Place::new().unwrap();
    let config = |types: &str| {
        let config = format!(
            "[[external]]\nname = \"digits\"\npostgres = \"{}\"\npassword = \"{}\"\ntable = \"q\"\nevery = \"1s\"\ntypes = {{ {types} }}\n",
            server.words(),
            postgres::PASSWORD
        );
        fs::write(place.path().join("clickweir.toml"), config).unwrap();
    };
    config("SKU = \"VARCHAR\", many = \"INTEGER\"");
    let up = place.up(&[]).unwrap();
    let sql = "SELECT max(exact)::VARCHAR || ' ' || min(exact)::VARCHAR || ' ' || max(long) || ' '
        || max(plain)::VARCHAR || ' ' || max(sku) || ' ' || sum(many)::VARCHAR || ' '
        || any_value(typeof(exact)) || ' ' || any_value(typeof(plain)) FROM digits";
    let expect = "12345678901234567890.250 -0.001 10000000000000000000000000000000000000000 0.2 8 12 DECIMAL(38,3) DOUBLE";
    let deadline = Instant::now() + Duration::from_secs(60);
    while place.ask(sql).ok() != Some(json!(expect)) {
        let runs = place.ask("SELECT string_agg(detail, ' ') FROM external_runs");
        assert!(
            Instant::now() < deadline,
            "{:?} {runs:?}",
            place.ask("FROM digits")
        );
        sleep(Duration::from_millis(100)).await;
    }
    let said = place.ask("SELECT max(detail) FROM external_runs").unwrap();
    for part in [
        "column long is text, since its numbers have up to 41 digits",
        "column many: 1 cells are NULL because they are no INTEGER",
    ] {
        assert!(said.to_string().contains(part), "{said}");
    }
    assert!(up.process.end().unwrap());
    config("nothing = \"DATE\"");
    let up = place.up(&[]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let sql = "SELECT count(*) FROM external_runs WHERE detail LIKE '%`types` names the column nothing%it has k, exact%'";
    while place.ask(sql).ok() != Some(json!(1)) {
        assert!(Instant::now() < deadline, "{:?}", place.ask(sql));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(up.process.end().unwrap());
}
