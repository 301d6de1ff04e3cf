//! Where free SQL runs: apart from crawls and panels, over one snapshot, with every type.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytesize::ByteSize;
use tokio::time::Instant;

use super::{ARRIVAL, Shore, VIEW, lines, moment};
use crate::{Catalog, Config, Dataset, Error, Filter};

fn dataset(name: &str, sql: &str) -> Dataset {
    Dataset {
        name: name.into(),
        sql: sql.into(),
        every: None,
    }
}

async fn check(catalog: &Catalog, sql: &str, expect: &[&str]) {
    let rows = catalog.query(sql).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(lines(&rows), expect, "{sql}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_wants_too_much_takes_nothing_from_crawls_and_panels() {
    let shore = Shore::new().await;
    let config = Config {
        query_memory: ByteSize::mib(48),
        memory: ByteSize::mib(128),
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let greedy = {
        let (catalog, done) = (catalog.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut refused = 0;
            while !done.load(Ordering::Relaxed) {
                let sql = "SELECT list(range) FROM range(50000000)";
                let error = catalog.query(sql).await.unwrap_err();
                assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
                assert!(
                    error.to_string().contains("catalog.query_memory"),
                    "{error}"
                );
                refused += 1;
            }
            refused
        })
    };
    let hour = Filter {
        from: moment(ARRIVAL),
        to: moment("2026-11-22T22:00:00Z"),
        only: [].into(),
    };
    for round in 0..10 {
        shore.commit(0, round * 2, &[VIEW; 2]).await;
        catalog.crawl(false).await.unwrap();
        let totals = catalog.totals(&hour).await.unwrap();
        assert_eq!(totals.clicks, (round + 1) * 2);
    }
    done.store(true, Ordering::Relaxed);
    assert!(greedy.await.unwrap() > 0);
    check(&catalog, "SELECT count(*) FROM clicks", &["20"]).await;
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_spilled_beside_the_file() {
    let shore = Shore::new().await;
    let config = Config {
        query_memory: ByteSize::mib(48),
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    // 64 MB in all, to be sorted before the first of it is known.
    let sql = "SELECT count(*), max(n) FROM (
        SELECT range AS n, hash(range) AS h FROM range(4000000) ORDER BY h LIMIT 3999999)";
    let rows = catalog.query(sql).await.unwrap();
    assert!(
        lines(&rows)[0].starts_with("3999999 39999"),
        "{:?}",
        lines(&rows)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_catalog_and_objects_of_the_lake_are_of_one_snapshot() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (catalog, done) = (catalog.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut seen = std::collections::BTreeSet::new();
            loop {
                let ends = done.load(Ordering::Relaxed);
                let sql = "SELECT (SELECT count(*) FROM clicks),
                    (SELECT coalesce(sum(\"rows\"), 0) FROM objects),
                    (SELECT coalesce(sum(clicks), 0) FROM rollup
                        WHERE dimension = 'action' AND grain = 'day'),
                    (SELECT coalesce(sum(\"rows\"), 0) FROM shown),
                    (SELECT count(*) FROM clicks_live)";
                let line = lines(&catalog.query(sql).await.unwrap()).remove(0);
                let counts: Vec<&str> = line.split(' ').collect();
                assert!(counts.iter().all(|count| *count == counts[0]), "{line}");
                seen.insert(line);
                if ends {
                    return seen.len();
                }
            }
        })
    };
    for round in 0..30 {
        shore.commit(0, round * 5, &[VIEW; 5]).await;
        catalog.crawl(false).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let seen = reader.await.unwrap();
    assert!(seen > 3, "{seen} answers differ: the crawls went on beside");
}

#[tokio::test]
async fn who_goes_away_leaves_no_work_behind() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit(0, 0, &[VIEW; 3]).await;
    catalog.crawl(false).await.unwrap();
    // More of them than run side by side, and each would run for hours.
    let endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b, crawls
        WHERE a.range + b.range = number";
    for _ in 0..14 {
        let asked = tokio::time::timeout(Duration::from_millis(50), catalog.query(endless));
        assert!(asked.await.is_err(), "it is still running");
    }
    let began = Instant::now();
    check(&catalog, "SELECT count(*) FROM clicks", &["3"]).await;
    let limit = shore.config().query_timeout;
    assert!(began.elapsed() < limit / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_large_table_is_lent_whole_in_order_and_to_many_at_once() {
    let shore = Shore::new().await;
    let mut config = shore.config();
    config.datasets = vec![
        dataset(
            "numbers",
            "SELECT range AS n, 'number ' || range AS word, repeat('x', 10) AS wide
             FROM range(300000) ORDER BY n DESC -- all of them",
        ),
        dataset("odd", "SELECT n FROM numbers WHERE n % 2 = 1"),
        dataset("none", "SELECT n FROM numbers WHERE n < 0"),
    ];
    let catalog = shore.open(config).await.unwrap();
    for (name, rows) in [("numbers", 300_000), ("odd", 150_000), ("none", 0)] {
        let run = catalog.refresh(name).await.unwrap();
        assert_eq!((run.error, run.rows), (None, Some(rows)), "{name}");
    }
    for (sql, expect) in [
        ("SELECT count(*) FROM numbers", "300000"),
        ("SELECT count(*), sum(n) FROM numbers", "300000 44999850000"),
        (
            "SELECT n, word FROM numbers LIMIT 1",
            "299999 number 299999",
        ),
        ("SELECT word FROM numbers WHERE n = 7", "number 7"),
        (
            "SELECT count(*) FROM numbers a JOIN numbers b ON a.n = b.n + 1 JOIN odd ON odd.n = a.n",
            "150000",
        ),
        (
            "SELECT count(*), count(DISTINCT word) FROM (FROM numbers UNION ALL FROM numbers)",
            "600000 300000",
        ),
        ("SELECT count(*) FROM none", "0"),
    ] {
        check(&catalog, sql, &[expect]).await;
    }
    // The same table with other columns, met by connections that knew it before.
    drop(catalog);
    let mut config = shore.config();
    config.datasets = vec![dataset("numbers", "SELECT 1.5 AS price")];
    let catalog = shore.open(config).await.unwrap();
    check(&catalog, "SELECT max(n) FROM numbers", &["299999"]).await;
    catalog.refresh("numbers").await.unwrap();
    check(&catalog, "FROM numbers", &["1.5"]).await;
}

#[tokio::test]
async fn a_data_set_keeps_the_types_of_its_sql() {
    let shore = Shore::new().await;
    let sql = "SELECT uuid() AS id, 170141183460469231731687303715884105727::HUGEINT AS huge,
        INTERVAL 3 DAY AS days, 'a'::ENUM('a', 'b') AS kind, '101'::BIT AS bits,
        '12:00:00'::TIME AS at, '2026-11-22 21:00:00.123456789'::TIMESTAMP_NS AS exact,
        {'a': 1, 'b': ['x, \"y\"', NULL]} AS nested, MAP {'k': 1.5} AS named, [1, 2] AS list,
        '{\"a\":1}'::JSON AS json, 'x'::BLOB AS raw, 1.50::DECIMAL(4, 2) AS price,
        '2026-11-22'::DATE AS day, now() AS now, true AS yes, NULL AS nothing, 1 AS \"the \"\"one\"\"\",
        2 AS twice, 3 AS twice";
    let mut config = shore.config();
    config.datasets = vec![dataset("types", sql)];
    let catalog = shore.open(config).await.unwrap();
    let run = catalog.refresh("types").await.unwrap();
    assert_eq!((run.error, run.rows), (None, Some(1)));
    let types = "SELECT string_agg(column_type, '; ') FROM (DESCRIBE types)";
    check(
        &catalog,
        types,
        &["UUID; HUGEINT; INTERVAL; ENUM('a', 'b'); BIT; TIME; TIMESTAMP_NS; \
           STRUCT(a INTEGER, b VARCHAR[]); MAP(VARCHAR, DECIMAL(2,1)); INTEGER[]; JSON; BLOB; \
           DECIMAL(4,2); DATE; TIMESTAMP WITH TIME ZONE; BOOLEAN; INTEGER; INTEGER; INTEGER; INTEGER"],
    )
    .await;
    check(
        &catalog,
        "SELECT huge::VARCHAR, days, kind, bits::VARCHAR, nested.b, named['k'], json->'a', price, twice_1 FROM types",
        &["170141183460469231731687303715884105727 3 days a 101 [x, \"y\", ] 1.5 1 1.50 3"],
    )
    .await;
}

#[tokio::test]
async fn what_there_is_is_told() {
    let shore = Shore::new().await;
    let file = shore.folder.path().join("stock.csv");
    std::fs::write(&file, "product_id,stock\np1,3\n").unwrap();
    let mut config = shore.config();
    let external = |name: &str, path: &std::path::Path| crate::External {
        name: name.into(),
        path: path.to_str().unwrap().into(),
        ..crate::External::default()
    };
    config.externals = vec![
        external("stock", &file),
        external("lost", &shore.folder.path().join("lost.csv")),
    ];
    config.datasets = vec![dataset("views", "SELECT count(*) AS n FROM clicks")];
    let catalog = shore.open(config).await.unwrap();
    catalog.refresh("views").await.unwrap();
    let listed = lines(&catalog.query("SHOW TABLES").await.unwrap());
    for name in [
        "clicks",
        "clicks_live",
        "clicks_per_minute",
        "dead_letters",
        "objects",
        "rollup",
        "crawls",
        "shown",
        "stock",
        "tail",
        "views",
    ] {
        assert!(
            listed.iter().any(|line| line == name),
            "{name} in {listed:?}"
        );
    }
    assert!(!listed.iter().any(|line| line == "lost"), "{listed:?}");
    check(&catalog, "DESCRIBE views", &["n BIGINT YES - - -"]).await;
    let columns = "SELECT string_agg(column_name, ' ' ORDER BY column_index)
        FROM duckdb_columns() WHERE table_name = 'stock'";
    check(&catalog, columns, &["product_id stock"]).await;
    let summed = "SELECT column_name, max FROM (SUMMARIZE views)";
    check(&catalog, summed, &["n 0"]).await;
}
