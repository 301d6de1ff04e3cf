//! External tables and data sets.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::{Changes, Dataset, External};

pub(super) fn external(name: &str, path: &Path, changes: Changes) -> External {
    External {
        name: name.into(),
        path: path.to_str().unwrap().into(),
        changes,
        ..External::default()
    }
}

/// Writes the answer of `sql` as Parquet.
pub(super) fn parquet(path: &Path, sql: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let file = path.to_str().unwrap().replace('\'', "''");
    let copy = format!("COPY ({sql}) TO '{file}' (FORMAT parquet)");
    connection.execute_batch(&copy).unwrap();
}

pub(super) async fn one(catalog: &Catalog, sql: &str) -> String {
    let rows = catalog.query(sql).await.unwrap();
    rows.csv().lines().nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_foreign_tree_is_a_table_and_what_is_new_in_it_is_found() {
    let shore = Shore::new().await;
    let tree = shore.folder.path().join("spark [1]");
    parquet(
        &tree.join("year=2025/month=1/part-0.snappy.parquet"),
        "SELECT 1 AS id, 'a' AS what",
    );
    parquet(
        &tree.join("year=2025/month=2/part-0.parquet"),
        "SELECT 2 AS id, 'b' AS what",
    );
    parquet(&tree.join("_temporary/0.parquet"), "SELECT 9 AS id");
    let mut config = shore.config();
    config.externals = vec![external("orders", &tree, Changes::Add)];
    let catalog = shore.open(config.clone()).await.unwrap();
    let orders = &config.externals[0];
    let run = catalog.adopt(orders).await.unwrap();
    assert_eq!(
        (run.found, run.adopted, run.rows, run.quarantined),
        (2, 2, 2, 0),
        "{run:?}"
    );
    let sum = "SELECT sum(id), max(what), sum(month), min(year) FROM orders";
    assert_eq!(one(&catalog, sum).await, "3,b,3,2025");
    // The same crawl again changes nothing, and leaves no run.
    assert_eq!(catalog.adopt(orders).await.unwrap().found, 0);
    assert_eq!(catalog.adoptions(10).await.unwrap().len(), 1);
    // A new column, a wider type, an object that goes, one that is written anew.
    parquet(
        &tree.join("year=2025/month=3/x.parquet"),
        "SELECT 5000000000 AS id, 'c' AS what, 1.5 AS price",
    );
    fs::remove_file(tree.join("year=2025/month=2/part-0.parquet")).unwrap();
    parquet(
        &tree.join("year=2025/month=1/part-0.snappy.parquet"),
        "SELECT 10 + i AS id, 'a' AS what FROM range(3) t(i)",
    );
    let run = catalog.adopt(orders).await.unwrap();
    assert_eq!(
        (run.found, run.adopted, run.rows, run.gone),
        (2, 2, 4, 1),
        "{run:?}"
    );
    assert!(
        run.detail.contains("new column price") && run.detail.contains("id becomes BIGINT"),
        "{}",
        run.detail
    );
    assert_eq!(
        one(&catalog, "SELECT sum(id), sum(price) FROM orders").await,
        "5000000033,1.5"
    );
    // Joined with the lake's own, from a catalog that was opened again.
    drop(catalog);
    shore.commit(0, 0, &[VIEW]).await;
    let catalog = shore.open(config).await.unwrap();
    catalog.crawl(true).await.unwrap();
    let joined =
        "SELECT count(*) FROM clicks JOIN orders ON orders.what = 'c' AND product_id = 'p1'";
    assert_eq!(one(&catalog, joined).await, "1");
}

#[tokio::test]
async fn what_does_not_fit_is_quarantined_and_columns_follow_the_policy() {
    for (changes, columns, said) in [
        (Changes::Add, "id,more", "new column more"),
        (Changes::Log, "id", "column more INTEGER of"),
        (Changes::Ignore, "id", ""),
    ] {
        let shore = Shore::new().await;
        let tree = shore.folder.path().join("tree");
        parquet(&tree.join("a.parquet"), "SELECT 1 AS id");
        let mut config = shore.config();
        config.externals = vec![external("t", &tree, changes)];
        let catalog = shore.open(config.clone()).await.unwrap();
        catalog.adopt(&config.externals[0]).await.unwrap();
        parquet(&tree.join("b.parquet"), "SELECT 2 AS id, 3 AS more");
        parquet(&tree.join("c.parquet"), "SELECT 'text' AS id");
        fs::write(tree.join("d.parquet"), b"PAR1 this is none PAR1").unwrap();
        let run = catalog.adopt(&config.externals[0]).await.unwrap();
        assert_eq!((run.adopted, run.quarantined), (2, 2), "{run:?}");
        assert!(run.detail.contains(said), "{changes:?}: {}", run.detail);
        assert_eq!(
            run.detail.contains("more"),
            changes != Changes::Ignore,
            "{}",
            run.detail
        );
        let rows = catalog.query("FROM t ORDER BY id").await.unwrap();
        assert_eq!(rows.csv().lines().next(), Some(columns), "{changes:?}");
        let quarantined = catalog.quarantined(10).await.unwrap();
        assert!(
            quarantined[0].path.ends_with("c.parquet")
                && quarantined[1].path.ends_with("d.parquet")
        );
        assert!(
            quarantined[0].reason.contains("its column id is VARCHAR"),
            "{quarantined:?}"
        );
        // Mended, it is shown.
        parquet(&tree.join("d.parquet"), "SELECT 40 AS id");
        let run = catalog.adopt(&config.externals[0]).await.unwrap();
        assert_eq!((run.adopted, run.quarantined), (3, 1), "{run:?}");
        assert_eq!(one(&catalog, "SELECT sum(id) FROM t").await, "43");
    }
}

#[tokio::test]
async fn a_tree_that_is_not_there_says_so_and_queries_are_told() {
    let shore = Shore::new().await;
    let tree = shore.folder.path().join("nowhere");
    let mut config = shore.config();
    config.externals = vec![external("t", &tree, Changes::Add)];
    let catalog = shore.open(config.clone()).await.unwrap();
    let run = catalog.adopt(&config.externals[0]).await.unwrap();
    assert!(
        run.detail.contains("there are no Parquet files at"),
        "{run:?}"
    );
    catalog.adopt(&config.externals[0]).await.unwrap();
    assert_eq!(
        catalog.adoptions(10).await.unwrap().len(),
        1,
        "it is said once"
    );
    let error = catalog.query("FROM t").await.unwrap_err().to_string();
    assert!(error.contains("shows no object"), "{error}");
}

#[tokio::test]
async fn files_of_csv_and_json_are_tables_and_other_files_are_not_reached() {
    let shore = Shore::new().await;
    let file = |name: &str| shore.folder.path().join(name);
    fs::write(file("products.csv"), "product_id,margin\np1,0.25\np2,0.5\n").unwrap();
    fs::write(
        file("tags.ndjson"),
        "{\"product_id\":\"p1\",\"tags\":[\"a\",\"b\"]}\n",
    )
    .unwrap();
    fs::write(file("secret.csv"), "a\n1\n").unwrap();
    let mut config = shore.config();
    config.externals = vec![
        external("products_2", &file("products.csv"), Changes::Add),
        external("tags", &file("tags.ndjson"), Changes::Add),
    ];
    let catalog = shore.open(config).await.unwrap();
    shore.commit(0, 0, &[VIEW]).await;
    catalog.crawl(true).await.unwrap();
    let joined = "SELECT sum(price * margin), max(len(tags)) FROM clicks
        JOIN products_2 USING (product_id) JOIN tags USING (product_id)";
    assert_eq!(one(&catalog, joined).await, "2.5,2");
    let secret = file("secret.csv");
    for sql in [
        format!("FROM read_csv('{}')", secret.display()),
        format!("FROM '{}'", secret.display()),
    ] {
        assert!(catalog.query(&sql).await.is_err(), "{sql}");
    }
    fs::remove_file(file("tags.ndjson")).unwrap();
    let error = catalog.query("FROM tags").await.unwrap_err().to_string();
    assert!(error.contains("tags"), "{error}");
}

/// Two rows in a table `goods` of a SQLite file.
fn sqlite(file: &Path) {
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/extensions");
    let extension = vendor.join("sqlite_scanner.duckdb_extension");
    let make = format!(
        "LOAD '{}'; ATTACH '{}' AS shop (TYPE sqlite);
         CREATE TABLE shop.goods AS SELECT * FROM (VALUES ('p1', 3), ('p2', 4)) t(product_id, stock)",
        extension.display(),
        file.display()
    );
    connection.execute_batch(&make).unwrap();
}

#[tokio::test]
async fn a_table_of_a_sqlite_file_is_read_and_no_other_file() {
    let shore = Shore::new().await;
    let file = |name: &str| shore.folder.path().join(name);
    sqlite(&file("shop.db"));
    fs::copy(file("shop.db"), file("other.db")).unwrap();
    let mut config = shore.config();
    config.externals = vec![external("goods", &file("shop.db"), Changes::Add)];
    let error = shore.open(config.clone()).await.unwrap_err().to_string();
    assert!(error.contains("`table` names one"), "{error}");
    config.externals[0].table = "goods".into();
    let catalog = shore.open(config).await.unwrap();
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    catalog.crawl(true).await.unwrap();
    let joined = "SELECT sum(stock) FROM clicks JOIN goods USING (product_id)";
    assert_eq!(one(&catalog, joined).await, "6");
    for sql in [
        format!(
            "FROM sqlite_scan('{}', 'goods')",
            file("other.db").display()
        ),
        format!("FROM '{}'", file("other.db").display()),
        format!("ATTACH '{}' AS other", file("other.db").display()),
    ] {
        assert!(catalog.query(&sql).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn a_data_set_is_a_table_that_is_made_again() {
    let shore = Shore::new().await;
    let mut config = shore.config();
    config.path = shore.folder.path().join("sets/catalog.duckdb");
    let dataset = |name: &str, sql: &str, every| Dataset {
        name: name.into(),
        sql: sql.into(),
        every,
    };
    let hour = Some(Duration::from_secs(3_600));
    config.datasets = vec![
        dataset(
            "by_product",
            "SELECT product_id, count(*) AS n FROM clicks GROUP BY ALL;",
            None,
        ),
        dataset("total", "SELECT sum(n) AS n FROM by_product", hour),
        dataset("wrong", "SELECT nothing FROM clicks", None),
        dataset("worse", "DROP TABLE objects", None),
    ];
    let catalog = shore.open(config.clone()).await.unwrap();
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    catalog.crawl(true).await.unwrap();
    crate::schedule::refresh_due(&catalog, true).await.unwrap();
    assert_eq!(one(&catalog, "SELECT n FROM by_product").await, "2");
    let states = catalog.datasets().await.unwrap();
    assert_eq!([states[0].rows, states[2].rows], [Some(1), None]);
    let why = |at: usize| states[at].runs[0].error.clone().unwrap_or_default();
    assert!(
        why(2).contains("nothing") && why(3).contains("only a statement that reads"),
        "{states:?}"
    );
    // A crawl that brought something makes the first again; the second waits for its hour.
    shore.commit(0, 2, &[VIEW]).await;
    catalog.crawl(true).await.unwrap();
    crate::schedule::refresh_due(&catalog, false).await.unwrap();
    assert_eq!(one(&catalog, "SELECT n FROM by_product").await, "2");
    crate::schedule::refresh_due(&catalog, true).await.unwrap();
    assert_eq!(one(&catalog, "SELECT n FROM by_product").await, "3");
    assert_eq!(one(&catalog, "SELECT n FROM total").await, "2");
    assert_eq!(catalog.refresh("total").await.unwrap().rows, Some(1));
    assert_eq!(one(&catalog, "SELECT n FROM total").await, "3");
    let error = catalog.refresh("none").await.unwrap_err().to_string();
    assert!(error.contains("by_product, total"), "{error}");
    // What the configuration no longer has goes.
    drop(catalog);
    config.datasets.truncate(1);
    let catalog = shore.open(config).await.unwrap();
    assert_eq!(one(&catalog, "SELECT n FROM by_product").await, "3");
    assert!(catalog.query("FROM total").await.is_err());
}

#[tokio::test]
async fn names_that_are_taken_are_refused() {
    let shore = Shore::new().await;
    let file = PathBuf::from("/x.csv");
    let mut config = shore.config();
    config.externals = vec![external("objects", &file, Changes::Add)];
    let error = shore.open(config.clone()).await.unwrap_err().to_string();
    assert!(error.contains("take another"), "{error}");
    config.externals = vec![
        external("t", &file, Changes::Add),
        external("t", &file, Changes::Add),
    ];
    let error = shore.open(config).await.unwrap_err().to_string();
    assert!(error.contains("another has that name"), "{error}");
}
