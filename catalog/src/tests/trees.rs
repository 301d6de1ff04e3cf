//! Trees of Parquet files that do not agree, and what becomes of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, NullArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::external::{external, one, parquet};
use super::*;
use crate::{Adoption, Changes, Quarantined};

/// Writes a Parquet file of these columns.
pub(super) fn write(path: &Path, columns: &[(&str, ArrayRef)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let columns = columns
        .iter()
        .map(|(name, array)| (*name, Arc::clone(array), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub(super) fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A tree, its catalog and its table `t`.
pub(super) struct Tree {
    _shore: Shore,
    root: PathBuf,
    catalog: Catalog,
}

impl Tree {
    pub(super) async fn new() -> Self {
        Self::with(Changes::Add).await
    }

    pub(super) async fn with(changes: Changes) -> Self {
        let shore = Shore::new().await;
        let root = shore.folder.path().join("tree");
        let mut config = shore.config();
        config.externals = vec![external("t", &root, changes)];
        let catalog = shore.open(config).await.unwrap();
        Self {
            _shore: shore,
            root,
            catalog,
        }
    }

    pub(super) fn at(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    pub(super) async fn crawl(&self) -> Adoption {
        let external = &self.catalog.config().externals[0];
        self.catalog.adopt(external).await.unwrap()
    }

    /// Crawls, and expects so many files and rows, and so many quarantined files.
    pub(super) async fn shows(&self, files: u64, rows: u64, quarantined: u64) -> Adoption {
        let run = self.crawl().await;
        assert_eq!(
            (run.adopted, run.rows, run.quarantined),
            (files, rows, quarantined),
            "{run:?} {:?}",
            self.quarantined().await
        );
        run
    }

    pub(super) async fn quarantined(&self) -> Vec<Quarantined> {
        self.catalog.quarantined(100).await.unwrap()
    }

    pub(super) async fn one(&self, sql: &str) -> String {
        one(&self.catalog, sql).await
    }

    /// The table's columns with their types.
    pub(super) async fn columns(&self) -> String {
        let sql = "SELECT string_agg(column_name || ' ' || column_type, '; ') FROM (DESCRIBE t)";
        self.one(sql).await.trim_matches('"').to_owned()
    }
}

#[tokio::test]
async fn b01_hours_with_a_zero_in_front_are_text() {
    let tree = Tree::new().await;
    for hour in 0..24 {
        let path = tree.at(&format!("hour={hour:02}/a.parquet"));
        parquet(&path, &format!("SELECT {hour} AS n"));
    }
    tree.shows(24, 24, 0).await;
    let sql = "SELECT count(DISTINCT hour), min(hour), max(hour), any_value(typeof(hour)),
        (SELECT n FROM t WHERE hour = '08') FROM t";
    assert_eq!(tree.one(sql).await, "24,00,23,VARCHAR,8");
}

#[tokio::test]
async fn b03_a_folder_value_that_is_no_number_makes_all_of_them_text() {
    let tree = Tree::new().await;
    parquet(
        &tree.at("store=123/a.parquet"),
        "SELECT 1 AS n FROM range(2)",
    );
    parquet(&tree.at("store=abc/a.parquet"), "SELECT 1 AS n");
    tree.shows(2, 3, 0).await;
    parquet(&tree.at("store=online/a.parquet"), "SELECT 1 AS n");
    tree.shows(3, 4, 0).await;
    assert_eq!(tree.columns().await, "n INTEGER; store VARCHAR");
    assert_eq!(
        tree.one("SELECT count(*) FROM t WHERE store = '123'").await,
        "2"
    );
    // Numbers alone are numbers, and a value that is missing is NULL.
    let tree = Tree::new().await;
    parquet(&tree.at("store=9/a.parquet"), "SELECT 1 AS n");
    parquet(&tree.at("store=10/a.parquet"), "SELECT 1 AS n");
    tree.shows(2, 2, 0).await;
    assert_eq!(tree.one("SELECT max(store) FROM t").await, "10");
    let nowhere = tree.at("store=__HIVE_DEFAULT_PARTITION__/a.parquet");
    parquet(&nowhere, "SELECT 1 AS n");
    let run = tree.shows(3, 3, 0).await;
    assert!(run.detail.contains("store becomes VARCHAR"), "{run:?}");
    assert_eq!(
        tree.one("SELECT count(*) FROM t WHERE store IS NULL").await,
        "1"
    );
    // What is no number is what it is.
    for odd in ["a=b", "null", "1%2F2", "caf%C3%A9 x", "it's"] {
        parquet(&tree.at(&format!("store={odd}/a.parquet")), "SELECT 1 AS n");
    }
    tree.shows(8, 8, 0).await;
    let sql = "SELECT string_agg(store, '|' ORDER BY store) FROM t";
    assert_eq!(tree.one(sql).await, "1/2|10|9|a=b|café x|it's|null");
}

#[tokio::test]
async fn b05_a_folder_with_a_line_below_is_a_column_and_hidden_files_are_counted() {
    let tree = Tree::new().await;
    parquet(&tree.at("_year=2019/a.parquet"), "SELECT 1 AS n");
    parquet(
        &tree.at("_year=2020/a.parquet"),
        "SELECT 1 AS n FROM range(2)",
    );
    tree.shows(2, 3, 0).await;
    assert_eq!(tree.one("SELECT sum(_year) FROM t").await, "6059");
    let tree = Tree::new().await;
    parquet(&tree.at("region=us/a.parquet"), "SELECT 1 AS n");
    parquet(&tree.at("region=eu/_batch=1/a.parquet"), "SELECT 1 AS n");
    parquet(&tree.at("_temporary/0/a.parquet"), "SELECT 1 AS n");
    fs::write(tree.at("_SUCCESS"), b"").unwrap();
    fs::write(tree.at("region=us/.a.parquet.crc"), b"crc").unwrap();
    let run = tree.shows(2, 2, 0).await;
    assert_eq!(run.left_out, 3, "{run:?}");
    assert!(
        run.detail
            .contains("left out 3 files whose names begin with _ or a dot"),
        "{run:?}"
    );
    // It is said once.
    let run = tree.crawl().await;
    assert_eq!((run.left_out, run.detail.as_str()), (3, ""));
    assert_eq!(tree.catalog.adoptions(10).await.unwrap().len(), 1);
    let sql = "SELECT region, _batch FROM t ORDER BY ALL";
    assert_eq!(tree.one(sql).await, "eu,1");
}

#[tokio::test]
async fn b08_a_column_without_values_fits_any_type() {
    let tree = Tree::new().await;
    let nothing: ArrayRef = Arc::new(NullArray::new(2));
    write(
        &tree.at("day=01.parquet"),
        &[("n", numbers(&[1, 2])), ("note", Arc::clone(&nothing))],
    );
    write(
        &tree.at("day=02.parquet"),
        &[("n", numbers(&[3])), ("note", texts(&["a"]))],
    );
    write(
        &tree.at("day=03.parquet"),
        &[("n", numbers(&[4])), ("note", texts(&["b"]))],
    );
    tree.shows(3, 4, 0).await;
    assert_eq!(tree.one("SELECT count(*), max(note) FROM t").await, "4,b");
    assert_eq!(tree.columns().await, "n BIGINT; note VARCHAR");
    // A type that a writer chose at random for a column of NULLs, too; and nested ones.
    parquet(
        &tree.at("day=04.parquet"),
        "SELECT 5::BIGINT AS n, NULL::DATE AS note, []::INTEGER[] AS tags, {'a': NULL::INTEGER} AS s",
    );
    parquet(
        &tree.at("day=05.parquet"),
        "SELECT 6::BIGINT AS n, 'c' AS note, ['x'] AS tags, {'a': 'y'} AS s",
    );
    tree.shows(5, 6, 0).await;
    let sql = "SELECT count(*), max(note), max(tags[1]), max(s.a) FROM t";
    assert_eq!(tree.one(sql).await, "6,c,x,y");
}

#[tokio::test]
async fn b10_whole_numbers_become_fractions_where_a_double_holds_them() {
    let tree = Tree::new().await;
    write(&tree.at("a.parquet"), &[("qty", numbers(&[1, 2]))]);
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.5)]));
    write(&tree.at("b.parquet"), &[("qty", floats)]);
    write(&tree.at("c.parquet"), &[("qty", numbers(&[7]))]);
    tree.shows(3, 6, 0).await;
    assert_eq!(tree.columns().await, "qty DOUBLE");
    assert_eq!(tree.one("SELECT sum(qty) FROM t").await, "13.5");
    write(
        &tree.at("d.parquet"),
        &[("qty", numbers(&[9_007_199_254_740_993]))],
    );
    let run = tree.shows(3, 6, 1).await;
    assert!(
        run.detail.contains("quarantined") && run.detail.contains("d.parquet"),
        "{run:?}"
    );
    let reason = &tree.quarantined().await[0].reason;
    assert!(
        reason.contains("would not be the same in a DOUBLE"),
        "{reason}"
    );
    // A float first, and decimals.
    let tree = Tree::new().await;
    parquet(
        &tree.at("a.parquet"),
        "SELECT 1.5::FLOAT AS x, 1.25::DECIMAL(9,2) AS d",
    );
    parquet(
        &tree.at("b.parquet"),
        "SELECT 2::BIGINT AS x, 3::INTEGER AS d",
    );
    parquet(
        &tree.at("c.parquet"),
        "SELECT 3::UINTEGER AS x, 1.125::DECIMAL(18,3) AS d",
    );
    tree.shows(3, 3, 0).await;
    assert_eq!(tree.columns().await, "x DOUBLE; d DECIMAL(18,3)");
    assert_eq!(tree.one("SELECT sum(x), sum(d) FROM t").await, "6.5,5.375");
}

#[tokio::test]
async fn b11_files_are_told_by_their_content_and_not_by_their_names() {
    let tree = Tree::new().await;
    let named = [
        "20261126_020000_00037_abcde_1ad6f92e",
        "b.PARQUET",
        "c.snappy",
        "d.gz",
        "e.parq",
    ];
    for name in named {
        parquet(&tree.at(name), "SELECT 1 AS n");
    }
    fs::write(tree.at("manifest.csv"), "a,b\n1,2\nand some more\n").unwrap();
    fs::write(tree.at("README"), "").unwrap();
    fs::write(tree.at("cut.parquet"), "PAR1 and not more than that").unwrap();
    let run = tree.shows(5, 5, 1).await;
    assert_eq!(run.left_out, 2, "{run:?}");
    assert!(
        run.detail
            .contains("left out 2 files that are no Parquet files"),
        "{run:?}"
    );
    assert_eq!(tree.one("SELECT count(*) FROM t").await, "5");
}

#[tokio::test]
async fn b14_columns_are_matched_without_case() {
    let tree = Tree::new().await;
    parquet(&tree.at("a.parquet"), "SELECT 'x' AS Sku, 1 AS n");
    parquet(&tree.at("b.parquet"), "SELECT 2 AS N, 'y' AS sku");
    tree.shows(2, 2, 0).await;
    assert_eq!(tree.columns().await, "sku VARCHAR; n INTEGER");
    let sql = "SELECT string_agg(sku, '' ORDER BY sku), sum(n) FROM t";
    assert_eq!(tree.one(sql).await, "xy,3");
    // A folder's name, too: its value replaces the file's own, as in Spark.
    let tree = Tree::new().await;
    parquet(
        &tree.at("Year=2025/a.parquet"),
        "SELECT 1 AS n, 1999 AS year",
    );
    parquet(&tree.at("year=2026/a.parquet"), "SELECT 2 AS n");
    tree.shows(2, 2, 0).await;
    assert_eq!(tree.one("SELECT sum(year) FROM t").await, "4051");
}

#[tokio::test]
async fn b17_a_struct_grows() {
    let tree = Tree::new().await;
    parquet(&tree.at("a.parquet"), "SELECT {'a': 1} AS u");
    parquet(
        &tree.at("b.parquet"),
        "SELECT {'b': 'x', 'A': 5000000000} AS u",
    );
    parquet(
        &tree.at("c.parquet"),
        "SELECT {'a': 3, 'c': [{'d': 1}]} AS u",
    );
    parquet(
        &tree.at("d.parquet"),
        "SELECT {'a': 4, 'c': [{'e': 2}]} AS u",
    );
    tree.shows(4, 4, 0).await;
    let sql = "SELECT sum(u.a), max(u.b), sum(u.c[1].d), sum(u.c[1].e), count(u.b) FROM t";
    assert_eq!(tree.one(sql).await, "5000000008,x,1,2,1");
}

#[tokio::test]
async fn the_odd_file_is_quarantined_wherever_it_comes() {
    let tree = Tree::new().await;
    parquet(
        &tree.at("0-odd.parquet"),
        "SELECT 'text' AS id, 1 AS only_here",
    );
    for number in 1..4 {
        parquet(&tree.at(&format!("{number}.parquet")), "SELECT 1 AS id");
    }
    tree.shows(3, 3, 1).await;
    assert_eq!(tree.columns().await, "id INTEGER");
    let quarantined = tree.quarantined().await;
    assert!(
        quarantined[0].path.ends_with("0-odd.parquet"),
        "{quarantined:?}"
    );
    assert!(
        quarantined[0]
            .reason
            .contains("its column id is VARCHAR, the table's is INTEGER"),
        "{quarantined:?}"
    );
    // When the others are gone, it is shown.
    for number in 1..4 {
        fs::remove_file(tree.at(&format!("{number}.parquet"))).unwrap();
    }
    let run = tree.shows(1, 1, 0).await;
    assert!(run.detail.contains("fits now"), "{run:?}");
    assert_eq!(tree.one("SELECT id FROM t").await, "text");
}

#[tokio::test]
async fn b27_tables_with_a_log_of_their_own_are_refused_by_name() {
    for (format, log) in [
        ("Delta", "_delta_log/00000000000000000001.json"),
        ("Iceberg", "metadata/v2.metadata.json"),
        ("Hudi", ".hoodie/hoodie.properties"),
    ] {
        let tree = Tree::new().await;
        parquet(&tree.at("data/part-0.parquet"), "SELECT 1 AS n");
        tree.shows(1, 1, 0).await;
        let log = tree.at(log);
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(&log, "{}").unwrap();
        let run = tree.shows(0, 0, 0).await;
        let said = format!("is a table of {format}");
        assert!(run.detail.contains(&said) && run.gone == 1, "{run:?}");
        let error = tree.catalog.query("FROM t").await.unwrap_err().to_string();
        assert!(error.contains(&said), "{error}");
        // Without it the folder is a plain one again.
        fs::remove_file(log).unwrap();
        tree.shows(1, 1, 0).await;
        assert_eq!(tree.one("SELECT count(*) FROM t").await, "1");
    }
    let tree = Tree::new().await;
    parquet(
        &tree.at("main/t/ducklake-0192b4c5.parquet"),
        "SELECT 1 AS n",
    );
    let run = tree.shows(0, 0, 0).await;
    assert!(run.detail.contains("is a table of DuckLake"), "{run:?}");
}

#[tokio::test]
async fn b25_a_tree_whose_files_go_away_has_no_rows_and_comes_back() {
    let tree = Tree::new().await;
    parquet(&tree.at("k=1/a.parquet"), "SELECT 1 AS n");
    tree.shows(1, 1, 0).await;
    fs::remove_dir_all(&tree.root).unwrap();
    let run = tree.shows(0, 0, 0).await;
    assert!(
        run.gone == 1 && run.detail.contains("there are no Parquet files"),
        "{run:?}"
    );
    assert_eq!(
        tree.one("SELECT count(*), sum(n), max(k) FROM t").await,
        "0,,"
    );
    fs::create_dir_all(&tree.root).unwrap();
    tree.shows(0, 0, 0).await;
    parquet(&tree.at("k=2/a.parquet"), "SELECT 5 AS n");
    tree.shows(1, 1, 0).await;
    assert_eq!(tree.one("SELECT sum(n), max(k) FROM t").await, "5,2");
}

#[tokio::test]
async fn attack_5_a_footer_that_declares_too_much_is_quarantined() {
    let tree = Tree::new().await;
    parquet(&tree.at("a.parquet"), "SELECT 1 AS n");
    // Lists of 100,000,000 in the schema, the row groups and the key-values.
    for (name, field) in [("b", 0x19), ("c", 0x39), ("d", 0x49)] {
        let mut bytes = b"PAR1".to_vec();
        bytes.extend([0x15, 0x02, field, 0xfc, 0x80, 0xc2, 0xd7, 0x2f]);
        bytes.resize(122, 0);
        bytes.extend(118_u32.to_le_bytes());
        bytes.extend(b"PAR1");
        fs::write(tree.at(&format!("{name}.parquet")), bytes).unwrap();
    }
    tree.shows(1, 1, 3).await;
    for file in tree.quarantined().await {
        assert!(
            file.reason.contains("declares more than it holds"),
            "{file:?}"
        );
    }
    assert_eq!(tree.one("SELECT sum(n) FROM t").await, "1");
}

#[tokio::test]
async fn left_out_columns_are_said() {
    let tree = Tree::with(Changes::Ignore).await;
    parquet(&tree.at("a.parquet"), "SELECT 1 AS n");
    tree.shows(1, 1, 0).await;
    // A type that contradicts nothing in the table does no harm.
    parquet(&tree.at("b.parquet"), "SELECT 2 AS n, 'x' AS more");
    parquet(&tree.at("c.parquet"), "SELECT 3::BIGINT AS n, 7 AS more");
    let run = tree.shows(3, 3, 0).await;
    assert!(run.detail.contains("1 column is left out"), "{run:?}");
    assert_eq!(tree.columns().await, "n BIGINT");
}
