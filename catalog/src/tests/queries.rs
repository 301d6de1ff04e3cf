//! Free SQL: what it may, what it may not, and its limits.

use std::time::Duration;

use super::{Click, Shore, VIEW, lines};
use crate::{Config, Error};

#[tokio::test]
async fn free_sql_reads_views_and_tables() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let empty = catalog.query("FROM clicks").await.unwrap();
    assert_eq!(
        (empty.len(), empty.columns().len()),
        (0, sink::COLUMNS.len()),
        "typed when empty"
    );
    shore
        .commit(
            0,
            0,
            &[
                VIEW,
                Click {
                    action: "buy",
                    ..VIEW
                },
            ],
        )
        .await;
    catalog.crawl(false).await.unwrap();
    let check = async |sql: &str, expect: &[&str]| {
        let rows = catalog
            .query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(lines(&rows), expect, "{sql}");
    };
    check(
        "FROM clicks SELECT action ORDER BY action LIMIT 5",
        &["buy", "view"],
    )
    .await;
    check(
        "SELECT event_id, occurred_at, price FROM clicks WHERE \"offset\" = 1;",
        &["00000000-0000-0000-0000-000000000001 2026-11-22T21:00:00Z 10.0"],
    )
    .await;
    check(
        "WITH a AS (SELECT 1 AS x) SELECT sum(x) FROM a -- all",
        &["1"],
    )
    .await;
    check(
        "SELECT sum(clicks) FROM rollup WHERE dimension = 'action' AND grain = 'month'",
        &["2"],
    )
    .await;
    check("SELECT registered FROM crawls ORDER BY number", &["1"]).await;
    check("SELECT count(*) FROM range(3)", &["3"]).await;
    check("SELECT {'a': [now()::TIMESTAMPTZ]} IS NULL", &["false"]).await;
    check(
        "SELECT count(*) FROM (SHOW TABLES) WHERE name = 'clicks'",
        &["1"],
    )
    .await;
    check(
        "SELECT string_agg(DISTINCT column_type, ', ' ORDER BY column_type) FROM (DESCRIBE clicks)",
        &["BIGINT, BOOLEAN, DOUBLE, INTEGER, TIMESTAMP WITH TIME ZONE, VARCHAR"],
    )
    .await;
    // What arrives later is seen by the same connections.
    shore.commit(0, 2, &[VIEW]).await;
    catalog.crawl(false).await.unwrap();
    check("SELECT count(*) FROM clicks", &["3"]).await;
}

#[tokio::test]
async fn input_34_sql_that_does_more_than_read_is_refused() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit(0, 0, &[VIEW]).await;
    catalog.crawl(false).await.unwrap();
    let outside = shore.folder.path().join("outside.parquet");
    let name = shore.commit(0, 1, &[VIEW]).await;
    std::fs::copy(shore.path(&name), &outside).unwrap();
    let outside = outside.display();
    let lake = shore.path("").display().to_string();
    for sql in [
        "COPY clicks TO '/tmp/x.csv'",
        &format!("COPY (SELECT 1) TO '{lake}x.parquet'"),
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "RESET threads",
        "PRAGMA database_list",
        "CALL enable_logging()",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE objects",
        "DROP TABLE objects",
        "DELETE FROM objects",
        "INSERT INTO objects SELECT * FROM objects",
        "CREATE TABLE x (y INTEGER)",
        "EXPORT DATABASE '/tmp/x'",
        "BEGIN",
        "COMMIT",
        "CHECKPOINT",
        "FROM read_csv('/etc/passwd')",
        "SELECT (SELECT count(*) FROM read_text('/etc/passwd'))",
        "WITH x AS (FROM read_blob('/etc/passwd')) FROM x",
        "FROM glob('/etc/*')",
        "FROM sniff_csv('/etc/passwd')",
        "FROM enable_logging(storage = 'file', storage_config = {'path': '/tmp/x'})",
        "FROM duckdb_secrets()",
        "FROM query('SELECT 1')",
        "FROM query_table('objects')",
        "FROM force_checkpoint()",
        &format!("FROM read_parquet('{outside}')"),
        &format!("FROM '{outside}'"),
        "FROM read_parquet('s3://elsewhere/x.parquet')",
        "FROM read_parquet('https://example.com/x.parquet')",
    ] {
        match catalog.query(sql).await {
            // A table that is named like a file and is none is an unknown table.
            Err(Error::Refused(why) | Error::Invalid(why)) => assert!(!why.is_empty(), "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    let within = format!("SELECT count(*) FROM read_parquet('{lake}{name}')");
    assert_eq!(
        lines(&catalog.query(&within).await.unwrap()),
        ["1"],
        "the lake's own object"
    );
    for sql in [
        "",
        "-- nothing",
        "selec 1",
        "SELECT nothing FROM clicks",
        "SELECT 'a'::INTEGER",
    ] {
        let error = catalog.query(sql).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{sql}: {error:?}");
    }
    // Whatever was tried, the next query is served.
    assert_eq!(
        lines(&catalog.query("SELECT count(*) FROM objects").await.unwrap()),
        ["1"]
    );
}

#[tokio::test]
async fn input_35_limits_hold_and_the_next_query_is_served() {
    let shore = Shore::new().await;
    let config = Config {
        query_timeout: Duration::from_millis(300),
        query_rows: 10,
        query_memory: bytesize::ByteSize::mib(64),
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    let endless =
        "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 7";
    let error = catalog.query(endless).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
    let rows = catalog.query("FROM range(1000000000000)").await.unwrap();
    assert_eq!((rows.len(), rows.truncated), (10, true));
    let rows = catalog.query("FROM range(10)").await.unwrap();
    assert_eq!((rows.len(), rows.truncated), (10, false));
    // A caller that goes away ends its query.
    let abandoned = tokio::time::timeout(Duration::from_millis(50), catalog.query(endless)).await;
    assert!(abandoned.is_err());
    assert_eq!(lines(&catalog.query("SELECT 1").await.unwrap()), ["1"]);
}

#[tokio::test]
async fn input_35_an_answer_or_a_query_that_eats_memory_ends() {
    let shore = Shore::new().await;
    let config = Config {
        query_memory: bytesize::ByteSize::mib(64),
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    for sql in [
        "SELECT list(range) FROM range(100000000)",
        "SELECT repeat('x', 1000000) FROM range(200)",
    ] {
        let error = catalog.query(sql).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{sql}: {error:?}");
        assert_eq!(
            lines(&catalog.query("SELECT 1").await.unwrap()),
            ["1"],
            "after {sql}"
        );
    }
}

#[tokio::test]
async fn input_29_formulas_are_neutralised_in_csv() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let check = async |sql: &str, csv: &str, json: &str| {
        let rows = catalog.query(sql).await.unwrap();
        assert_eq!(rows.csv(), csv, "{sql}");
        let value: serde_json::Value = serde_json::from_str(&rows.json()).unwrap();
        assert_eq!(value["rows"].to_string(), json, "{sql}");
    };
    check(
        "SELECT '=1+1' AS a, -5 AS b",
        "a,b\r\n\"'=1+1\",-5\r\n",
        r#"[["=1+1",-5]]"#,
    )
    .await;
    check(
        "SELECT '@x' AS a, '-1' AS b",
        "a,b\r\n\"'@x\",\"'-1\"\r\n",
        r#"[["@x","-1"]]"#,
    )
    .await;
    check(
        "SELECT 'a,\"b\"' AS \"=c\"",
        "\"'=c\"\r\n\"a,\"\"b\"\"\"\r\n",
        r#"[["a,\"b\""]]"#,
    )
    .await;
    check(
        "SELECT NULL AS a, 'NaN'::DOUBLE AS b",
        "a,b\r\n,NaN\r\n",
        "[[null,null]]",
    )
    .await;
    check(
        "SELECT sum(range) AS a, true AS b FROM range(4)",
        "a,b\r\n6,true\r\n",
        "[[6,true]]",
    )
    .await;
    let huge = catalog.query("SELECT -170141183460469231731687303715884105727::HUGEINT AS a");
    let error = huge.await.unwrap_err().to_string();
    assert!(error.contains("cast it to VARCHAR"), "{error}");
    check(
        "SELECT [1, 2] AS a, 1.50 AS b",
        "a,b\r\n\"[1, 2]\",1.50\r\n",
        r#"[["[1, 2]",1.5]]"#,
    )
    .await;
}

#[tokio::test]
async fn every_type_is_shown_or_refused_and_the_next_query_is_served() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    for value in [
        "'101'::BIT",
        "'12:00:00+01'::TIMETZ",
        "'12:00:00'::TIME",
        "INTERVAL 3 DAY",
        "'a'::ENUM('a', 'b')",
        "union_value(num := 2)",
        "'2026-11-22 21:00:00.123456789'::TIMESTAMP_NS",
        "'2026-11-22'::DATE",
        "170141183460469231731687303715884105727::HUGEINT",
        "340282366920938463463374607431768211455::UHUGEINT",
        "12345678901234567890123456789012345678901234567890::BIGNUM",
        "MAP {'a': now()}",
        "[['a'], NULL]",
        "{'a': 1, 'b': uuid()}",
        "'x'::BLOB",
        "'{}'::JSON",
        "NULL",
        "1.5::DECIMAL(4, 2)",
        "array_value(1, 2)",
        "now()",
        "'infinity'::TIMESTAMP",
    ] {
        match catalog.query(&format!("SELECT {value} AS x")).await {
            Ok(rows) => {
                assert_eq!(rows.len(), 1, "{value}");
                let json: serde_json::Value = serde_json::from_str(&rows.json())
                    .unwrap_or_else(|error| panic!("{value}: {error}: {}", rows.json()));
                assert_eq!(json["rows"].as_array().unwrap().len(), 1, "{value}");
                assert!(rows.csv().starts_with("x\r\n"), "{value}");
            }
            Err(Error::Invalid(_)) => {}
            Err(other) => panic!("{value}: {other:?}"),
        }
        assert_eq!(
            lines(&catalog.query("SELECT 1").await.unwrap()),
            ["1"],
            "after {value}"
        );
    }
}
