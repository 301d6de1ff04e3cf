//! Answers in formats for programs.

use arrow::ipc::reader::StreamReader;
use duckdb::Connection;

use super::{Shore, VIEW};
use crate::{Config, Error};

#[tokio::test]
async fn what_is_written_is_read_again_by_others() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW; 3]).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let sql = "SELECT event_id, occurred_at, action, price, quantity, [1, 2] AS list FROM clicks";
    let rows = catalog.query(sql).await.unwrap();
    let stream = rows.arrow().unwrap();
    let reader = StreamReader::try_new(stream.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(2).name(), "action");
    let counts = reader.map(|batch| batch.unwrap().num_rows());
    assert_eq!(counts.sum::<usize>(), 3);
    let file = shore.folder.path().join("answer.parquet");
    std::fs::write(&file, rows.parquet().unwrap()).unwrap();
    let database = Connection::open_in_memory().unwrap();
    let sql = format!(
        "SELECT concat_ws(' ', count(*), any_value(action), sum(price), epoch_us(max(occurred_at)),
            any_value(list[2])) FROM read_parquet('{}')",
        file.display()
    );
    let read: String = database.query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(read, "3 view 30.0 1795381200000000 2");
    let empty = catalog.query("SELECT 1 AS one WHERE false").await.unwrap();
    assert!(empty.parquet().is_ok() && empty.arrow().is_ok());
}

#[tokio::test]
async fn b89_what_a_format_cannot_hold_is_a_sentence() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    for value in [
        "union_value(n := 1)",
        "[union_value(n := 1)]",
        "{'a': union_value(n := 1)}",
        "MAP {'a': [union_value(n := 'x')]}",
        "INTERVAL 3 DAY",
        "[INTERVAL 3 DAY]",
        "'a'::ENUM('a', 'b')",
        "{'a': 'a'::ENUM('a', 'b')}",
        "'101'::BIT",
        "'12:00:00+01'::TIMETZ",
        "'12:00:00'::TIME",
        "NULL",
        "[NULL]",
        "[]",
        "MAP {}",
        "170141183460469231731687303715884105727::HUGEINT",
        "340282366920938463463374607431768211455::UHUGEINT",
        "12345678901234567890123456789012345678901234567890::BIGNUM",
        "'infinity'::TIMESTAMP",
        "'infinity'::DATE",
        "array_value(1, 2)",
        "'{}'::JSON",
        "'x'::BLOB",
        "uuid()",
        "1::VARIANT",
        "'POINT(1 2)'::GEOMETRY",
    ] {
        // The database itself says what it cannot carry in the same way.
        let Ok(rows) = catalog.query(&format!("SELECT {value} AS x")).await else {
            continue;
        };
        for written in [rows.arrow(), rows.parquet()] {
            match written {
                Ok(bytes) => assert!(!bytes.is_empty(), "{value}"),
                Err(Error::Invalid(why)) => assert!(why.contains("VARCHAR"), "{value}: {why}"),
                Err(other) => panic!("{value}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn b90_moments_beyond_the_calendar_are_infinite_or_null() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let check = async |value: &str, expect: &str| {
        let rows = catalog
            .query(&format!("SELECT {value} AS x"))
            .await
            .unwrap();
        assert_eq!(rows.csv(), format!("x\r\n{expect}\r\n"), "{value}");
        assert!(!rows.json().contains("ERROR"), "{value}: {}", rows.json());
    };
    check("'infinity'::TIMESTAMP", "infinity").await;
    check("'-infinity'::TIMESTAMP", "-infinity").await;
    check("'infinity'::TIMESTAMPTZ", "infinity").await;
    check("'infinity'::TIMESTAMP_S", "infinity").await;
    check("'infinity'::TIMESTAMP_MS", "infinity").await;
    check("'infinity'::TIMESTAMP_NS", "infinity").await;
    check("DATE 'infinity'", "infinity").await;
    check("DATE '-infinity'", "-infinity").await;
    check("TIMESTAMP '290000-01-01'", "").await;
    check("DATE '5000000-01-01'", "").await;
    check("TIMESTAMP '290000-01-01 (BC)'", "").await;
    check("TIME '24:00:00'", "24:00:00").await;
    check(
        "['infinity'::TIMESTAMP, TIMESTAMP '2026-01-01']",
        "\"[, 2026-01-01T00:00:00]\"",
    )
    .await;
    check("{'a': DATE 'infinity', 'b': 1}", "\"{a: , b: 1}\"").await;
    check("[{'a': [DATE '5000000-01-01']}]", "[{a: []}]").await;
    check("MAP {DATE 'infinity': 1}", "").await;
}

#[tokio::test]
async fn what_is_cut_says_so_in_every_format() {
    let shore = Shore::new().await;
    let config = Config {
        query_rows: 2,
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    for (sql, cut) in [("FROM range(3)", "true"), ("FROM range(2)", "false")] {
        let rows = catalog.query(sql).await.unwrap();
        let stream = rows.arrow().unwrap();
        let reader = StreamReader::try_new(stream.as_slice(), None).unwrap();
        assert_eq!(reader.schema().metadata()["clickweir-truncated"], cut);
        let file = shore.folder.path().join("cut.parquet");
        std::fs::write(&file, rows.parquet().unwrap()).unwrap();
        let database = Connection::open_in_memory().unwrap();
        let sql = format!(
            "SELECT value::VARCHAR FROM parquet_kv_metadata('{}')
             WHERE key::VARCHAR = 'clickweir-truncated'",
            file.display()
        );
        let read: String = database.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(read, cut);
    }
}
