//! Trees of Parquet files as other programs write them.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, LargeStringArray, StructArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type};

use super::external::parquet;
use super::trees::{Tree, numbers, write};

#[tokio::test]
async fn trees_of_spark_and_kafka_connect_are_tables() {
    let tree = Tree::new().await;
    for (month, part) in [("1", "00000"), ("11", "00001")] {
        let folder = format!("year=2026/month={month}");
        let name = format!("part-{part}-8c3e8d4e-c000.snappy.parquet");
        parquet(
            &tree.at(&format!("{folder}/{name}")),
            "SELECT 'a' AS action, {'id': 1, 'tags': ['x']} AS visitor, now() AS moment",
        );
        fs::write(tree.at(&format!("{folder}/.{name}.crc")), b"crc").unwrap();
    }
    // A part without rows, as Spark writes one, has columns without values.
    parquet(
        &tree.at("year=2026/month=11/part-00002.parquet"),
        "SELECT 'a' AS action, NULL::STRUCT(id INTEGER) AS visitor, now() AS moment WHERE false",
    );
    fs::write(tree.at("_SUCCESS"), b"").unwrap();
    tree.shows(3, 2, 0).await;
    let sql = "SELECT sum(visitor.id), max(visitor.tags[1]), sum(month), count(moment) FROM t";
    assert_eq!(tree.one(sql).await, "2,x,12,2");
    // A folder that is called like a file.
    let tree = Tree::new().await;
    let name = "topics/clicks/year=2026/month=11/day=02/hour=08/clicks+0+0000000000.snappy.parquet";
    parquet(&tree.at(name), "SELECT 1 AS n");
    let next = name
        .replace("hour=08", "hour=10")
        .replace("0000000000.", "0000000512.");
    parquet(&tree.at(&next), "SELECT 2 AS n, 'x' AS added");
    tree.shows(2, 3 - 1, 0).await;
    let sql = "SELECT sum(n), max(added), any_value(day), max(hour) FROM t WHERE year = 2026";
    assert_eq!(tree.one(sql).await, "3,x,02,10");
}

#[tokio::test]
async fn trees_of_firehose_and_athena_are_tables() {
    let tree = Tree::new().await;
    let hour = "2026/11/22/08";
    parquet(
        &tree.at(&format!("{hour}/orders-1-2026-11-22-08-15-30-9b2c.parquet")),
        "SELECT 'p1' AS product_id, 1 AS quantity",
    );
    // The same without an ending, and a wider number after a change of its schema.
    parquet(
        &tree.at(&format!("{hour}/orders-1-2026-11-22-08-20-30-77aa")),
        "SELECT 'p2' AS product_id, 5000000000 AS quantity, 'DE' AS country",
    );
    let failed = tree.at("format-conversion-failed/2026/11/22/08/orders-1");
    fs::create_dir_all(failed.parent().unwrap()).unwrap();
    fs::write(failed, "{\"attemptsMade\":1,\"errorCode\":\"x\"}\n").unwrap();
    let run = tree.shows(2, 2, 0).await;
    assert_eq!(run.left_out, 1, "{run:?}");
    let sql = "SELECT sum(quantity), max(country) FROM t";
    assert_eq!(tree.one(sql).await, "5000000001,DE");
    let tree = Tree::new().await;
    for bucket in 0..3 {
        let name = format!("dt=2026-11-22/20261126_020000_00037_abcde_bucket-{bucket:05}");
        parquet(&tree.at(&name), &format!("SELECT {bucket}::BIGINT AS n"));
    }
    parquet(
        &tree.at("dt=unknown/20261126_020000_00037_abcde_x"),
        "SELECT 9::BIGINT AS n",
    );
    tree.shows(4, 4, 0).await;
    let sql = "SELECT sum(n) FROM t WHERE dt = '2026-11-22'";
    assert_eq!(tree.one(sql).await, "3");
}

#[tokio::test]
async fn trees_of_pandas_and_polars_are_tables() {
    let tree = Tree::new().await;
    let nanoseconds: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_000, 2_000]));
    let microseconds: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![3, 4]));
    let category: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
    write(
        &tree.at("a.parquet"),
        &[
            ("moment", nanoseconds),
            ("what", Arc::new(category)),
            ("__index_level_0__", numbers(&[0, 1])),
        ],
    );
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["c", "d"]));
    let inner = Field::new("x", DataType::Int64, true);
    let nested = StructArray::from(vec![(Arc::new(inner), numbers(&[1, 2]))]);
    assert_eq!(nested.len(), 2);
    write(
        &tree.at("b.parquet"),
        &[
            ("moment", microseconds),
            ("what", large),
            ("nested", Arc::new(nested)),
        ],
    );
    tree.shows(2, 4, 0).await;
    let sql =
        "SELECT string_agg(what, '' ORDER BY what), sum(epoch_us(moment)), sum(nested.x) FROM t";
    assert_eq!(tree.one(sql).await, "abcd,10,3");
    // What microseconds do not hold contradicts them.
    let odd: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_001]));
    write(&tree.at("c.parquet"), &[("moment", odd)]);
    tree.shows(2, 4, 1).await;
}
