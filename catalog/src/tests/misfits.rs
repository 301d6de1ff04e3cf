//! Types that the configuration says of a tree's columns, and types that meet in one.

use super::external::{external, one, parquet};
use super::trees::Tree;
use super::*;
use crate::Changes;

#[tokio::test]
async fn bytes_and_text_are_one_column_where_the_bytes_are_text() {
    let tree = Tree::new().await;
    parquet(&tree.at("a.parquet"), "SELECT 'Tee für zwei' AS note");
    parquet(&tree.at("b.parquet"), "SELECT encode('Kännchen') AS note");
    parquet(&tree.at("c.parquet"), "SELECT '\\xFF\\xFE'::BLOB AS note");
    let run = tree.shows(2, 2, 1).await;
    assert!(run.detail.contains("c.parquet"), "{run:?}");
    assert!(
        run.detail.contains("not all of the bytes are UTF-8"),
        "{run:?}"
    );
    assert_eq!(tree.columns().await, "note VARCHAR");
    let sql = "SELECT string_agg(note, '+' ORDER BY note) FROM t";
    assert_eq!(tree.one(sql).await, "Kännchen+Tee für zwei");
}

#[tokio::test]
async fn values_that_do_not_fit_a_tree_s_said_types_are_null_and_counted() {
    let shore = Shore::new().await;
    let root = shore.folder.path().join("tree");
    let mut config = shore.config();
    let mut said = external("t", &root, Changes::Add);
    said.types = [
        ("STOCK".to_owned(), "INTEGER".to_owned()),
        ("day".to_owned(), "DATE".to_owned()),
        ("note".to_owned(), "VARCHAR".to_owned()),
        ("nothing".to_owned(), "DATE".to_owned()),
    ]
    .into();
    config.externals = vec![said];
    let catalog = shore.open(config).await.unwrap();
    let at = |below: &str| root.join(below);
    parquet(
        &at("day=2026-11-26/a.parquet"),
        "SELECT * FROM (VALUES ('5', encode('é')), ('many', encode('b')), ('', NULL), (NULL, NULL)) t(stock, note)",
    );
    parquet(
        &at("day=later/b.parquet"),
        "SELECT '7' AS stock, '\\xFF'::BLOB AS note",
    );
    let table = catalog.config().externals[0].clone();
    let run = catalog.adopt(&table).await.unwrap();
    let sql = "SELECT sum(stock), count(*), count(day), max(note) FROM t";
    assert_eq!(one(&catalog, sql).await, "12,5,4,é");
    for part in [
        "column stock: 1 cells are NULL because they are no INTEGER, such as \"many\"",
        "column day: 1 cells are NULL because they are no DATE, such as \"later\"",
        "column note: 1 cells are NULL because they are no VARCHAR",
        "`types` names the column nothing, which no file has",
    ] {
        assert!(run.detail.contains(part), "{part} in {}", run.detail);
    }
    // Only new files are counted again.
    parquet(&at("day=2026-11-27/c.parquet"), "SELECT 'x' AS stock");
    let run = catalog.adopt(&table).await.unwrap();
    assert!(run.detail.contains("such as \"x\""), "{}", run.detail);
    assert!(!run.detail.contains("later"), "{}", run.detail);
}
