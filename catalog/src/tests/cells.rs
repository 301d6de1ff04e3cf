//! Files of cells of others: CSV, JSON and SQLite, as people and programs write them.

use std::fs;
use std::path::Path;

use super::external::{external, one};
use super::*;
use crate::{Adoption, Changes, External};

/// A catalog with one external file, `t`.
struct CellFile {
    shore: Shore,
    external: External,
}

impl CellFile {
    async fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let shore = Shore::new().await;
        let path = shore.folder.path().join(name);
        fs::write(&path, content).unwrap();
        let external = external("t", &path, Changes::Add);
        Self { shore, external }
    }

    fn with(mut self, change: impl FnOnce(&mut External)) -> Self {
        change(&mut self.external);
        self
    }

    async fn open(&self) -> Result<Catalog, crate::Error> {
        let mut config = self.shore.config();
        config.externals = vec![self.external.clone()];
        self.shore.open(config).await
    }

    /// The answer of `sql`, and the run that copied the file.
    async fn ask(&self, sql: &str) -> (String, Adoption) {
        let catalog = self.open().await.unwrap();
        let answer = one(&catalog, sql).await;
        let run = catalog.adoptions(1).await.unwrap().remove(0);
        (answer, run)
    }

    async fn check(&self, sql: &str, expect: &str) -> String {
        let (answer, run) = self.ask(sql).await;
        assert_eq!(answer, expect, "{sql}: {run:?}");
        run.detail
    }

    /// Why the table cannot be read.
    async fn refused(&self) -> String {
        let catalog = self.open().await.unwrap();
        catalog.query("FROM t").await.unwrap_err().to_string()
    }
}

const KINDS: &str = "SELECT string_agg(column_type, ' ') FROM (DESCRIBE t)";

#[tokio::test]
async fn b12_an_ending_in_capitals_is_known_and_an_unknown_one_is_refused() {
    for name in ["STOCK.CSV", "stock.txt", "Stock.Tsv"] {
        let content = "product_id\tsupplier\n1\ta\n2\tb\n";
        let file = CellFile::new(name, content).await;
        file.check("SELECT count(*) FROM t", "2").await;
    }
    let file = CellFile::new("stock.dat", "a,b\n1,2\n").await;
    let error = file.open().await.unwrap_err().to_string();
    assert!(
        error.contains("\"dat\"") && error.contains("`format`"),
        "{error}"
    );
    let file = file.with(|external| external.format = "csv".into());
    file.check("SELECT a + b FROM t", "3").await;
}

#[tokio::test]
async fn b31_neither_header_nor_rows_vanish() {
    let mut content = "sku,note\n".to_owned();
    for number in 0..50 {
        content.push_str(&format!("p{number},plain\n"));
    }
    for number in 50..300 {
        content.push_str(&format!("p{number},x,y\n"));
    }
    let file = CellFile::new("dialect2.csv", &content).await;
    let sql = "SELECT count(*), count(sku), count(note), count(column2) FROM t";
    let said = file.check(sql, "300,300,300,250").await;
    assert!(said.contains("250 rows have more cells"), "{said}");
    let file = CellFile::new("few.csv", "sku,note,more\na,b,c\nd\n").await;
    let said = file
        .check("SELECT count(*), count(note) FROM t", "2,1")
        .await;
    assert!(said.contains("1 rows have fewer cells"), "{said}");
    // Lines before the header, which nothing shows.
    let file = CellFile::new("report.csv", "Stock of today\n\nsku,n\na,1\nb,2\n").await;
    let why = file.refused().await;
    assert!(why.contains("`skip`"), "{why}");
    let file = file.with(|external| external.skip = 2);
    file.check("SELECT sum(n) FROM t", "3").await;
    let file = CellFile::new("open.csv", "sku,note\na,\"b\nc,d\ne,f\n").await;
    let why = file.refused().await;
    assert!(why.contains("never closed"), "{why}");
    let file = CellFile::new("bare.csv", "p1,5\np2,6\n").await;
    let said = file
        .check("SELECT count(*), sum(column1) FROM t", "2,11")
        .await;
    assert!(said.contains("`header = true`"), "{said}");
    let file = CellFile::new("empty.csv", "").await;
    let why = file.refused().await;
    assert!(why.contains("it is empty"), "{why}");
    let file = CellFile::new("header.csv", "a,b\n").await;
    file.check("SELECT count(*) FROM t", "0").await;
}

#[tokio::test]
async fn b33_a_column_that_joins_with_the_clicks_is_text() {
    let file = CellFile::new("digits.csv", "product_id,supplier\n1001,a\n1002,b\n").await;
    let mut config = file.shore.config();
    config.externals = vec![file.external.clone()];
    let catalog = file.shore.open(config).await.unwrap();
    let clicks = [
        VIEW,
        Click {
            product: "1001",
            ..VIEW
        },
    ];
    file.shore.commit(0, 0, &clicks).await;
    catalog.crawl(true).await.unwrap();
    let joined = "SELECT supplier, count(*) FROM clicks JOIN t USING (product_id) GROUP BY ALL";
    assert_eq!(one(&catalog, joined).await, "a,1");
    // Unless the configuration says otherwise.
    let file = file.with(|external| {
        external.types = [("product_id".to_owned(), "bigint".to_owned())].into();
    });
    drop(catalog);
    file.check(KINDS, "BIGINT VARCHAR").await;
    let file = CellFile::new("ids.ndjson", "{\"product_id\": 1001, \"n\": 7}\n").await;
    file.check(KINDS, "VARCHAR BIGINT").await;
}

#[tokio::test]
async fn b34_a_bad_cell_costs_that_cell() {
    let mut content = "sku,stock\n".to_owned();
    for number in 0..30_000 {
        content.push_str(&format!("p{number},{number}\n"));
    }
    content.push_str("p30000,N/A\n");
    let file = CellFile::new("late.csv", &content).await;
    let sql = "SELECT max(stock), count(*), count(stock) FROM t";
    let said = file.check(sql, "29999,30001,30000").await;
    assert!(
        said.contains("column stock: 1 cells are NULL") && said.contains("N/A"),
        "{said}"
    );
    // A type that the configuration says costs every other cell.
    let file = CellFile::new("said.csv", "sku,stock\na,5\nb,5.7\nc,many\n,\n").await;
    let file = file.with(|external| {
        external.types = [("STOCK".to_owned(), "INTEGER".to_owned())].into();
    });
    let said = file
        .check("SELECT sum(stock), count(*) FROM t", "5,4")
        .await;
    assert!(
        said.contains("2 cells are NULL because they are no INTEGER"),
        "{said}"
    );
    let file = file.with(|external| {
        external.types = [("nothing".to_owned(), "INTEGER".to_owned())].into();
    });
    let why = file.refused().await;
    assert!(
        why.contains("nothing") && why.contains("sku, stock"),
        "{why}"
    );
    let file = file.with(|external| {
        external.types = [("stock".to_owned(), "NUMBER".to_owned())].into();
    });
    let why = file.open().await.unwrap_err().to_string();
    assert!(
        why.contains("types.stock") && why.contains("BIGINT"),
        "{why}"
    );
}

#[tokio::test]
async fn b36_a_dialect_and_an_encoding_can_be_said() {
    // ISO 8859-2: "łódź" and a decimal comma.
    let mut bytes = b"sku;city;price\np1;".to_vec();
    bytes.extend([0xb3, 0xf3, 0x64, 0xbc]);
    bytes.extend(b";1.234,5\np2;brak;0,25\n");
    let file = CellFile::new("polish.csv", &bytes).await;
    let why = file.refused().await;
    assert!(why.contains("`encoding`"), "{why}");
    let file = file.with(|external| {
        external.encoding = "iso-8859-2".into();
        external.decimal = ",".into();
        external.null = vec!["brak".into()];
    });
    let sql = "SELECT max(city), sum(price), count(city) FROM t";
    file.check(sql, "łódź,1234.75,1").await;
    // UTF-16 with a mark, and without.
    let text = "sku,note\na,ünï\n";
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut marked = vec![0xff, 0xfe];
    marked.extend(&units);
    let file = CellFile::new("marked.csv", &marked).await;
    file.check("SELECT note FROM t", "ünï").await;
    let file = CellFile::new("unmarked.csv", &units).await;
    let why = file.refused().await;
    assert!(why.contains("utf-16le"), "{why}");
    let file = file.with(|external| external.encoding = "utf-16le".into());
    file.check("SELECT note FROM t", "ünï").await;
    // A mark of UTF-8 is no part of the first name.
    let file = CellFile::new("bom.csv", "\u{feff}sku,n\na,1\n").await;
    file.check("SELECT sku FROM t", "a").await;
    // Quotes of another kind, or none.
    let file = CellFile::new("quotes.csv", "a|b\n'x|y'|5\" disk\n").await;
    let file = file.with(|external| {
        external.quote = "'".into();
        external.delimiter = "|".into();
    });
    file.check("SELECT a FROM t", "x|y").await;
    let file = CellFile::new("none.csv", "a,b\n\"x,1\n").await;
    let file = file.with(|external| external.quote = "none".into());
    file.check("SELECT sum(b) FROM t", "1").await;
    for change in [
        |external: &mut External| external.encoding = "latin-99".into(),
        |external: &mut External| external.decimal = ";".into(),
        |external: &mut External| external.format = "xls".into(),
    ] {
        let file = CellFile::new("x.csv", "a\n1\n").await.with(change);
        assert!(file.open().await.is_err());
    }
    let file = CellFile::new("x.json", "{\"a\":1}").await;
    let file = file.with(|external| external.delimiter = ";".into());
    let why = file.open().await.unwrap_err().to_string();
    assert!(why.contains("keys of CSV files"), "{why}");
}

#[tokio::test]
async fn no_cell_of_a_csv_file_is_changed() {
    let content = "zip,country,code,version,n,ratio,seen,big\n\
        01234,NO,1E5,1.10,1,0.5,2026-11-22,9007199254740993\n\
        99999,SE,200,1.9,20,2,2026-01-01,3\n";
    let file = CellFile::new("cells.csv", content).await;
    let sql = "SELECT zip, country, code, version, n, ratio, seen, big FROM t ORDER BY n";
    let said = file
        .check(sql, "01234,NO,1E5,1.10,1,0.5,2026-11-22,9007199254740993")
        .await;
    assert!(said.contains("column version is text"), "{said}");
    let kinds = "VARCHAR VARCHAR VARCHAR VARCHAR BIGINT DOUBLE DATE BIGINT";
    file.check(KINDS, kinds).await;
}

#[tokio::test]
async fn b41_texts_of_json_stay_the_texts_that_they_are() {
    let rows = "{\"key\": \"B8ACD569-15C4-4E9C-8B6F-0123456789AB\", \"day\": \"2026-11-22\",
        \"n\": 5, \"tags\": [\"a\", \"b\"], \"of\": {\"x\": 1}}
        {\"key\": \"x\", \"n\": 2.5, \"tags\": [], \"more\": true, \"of\": {\"y\": \"z\"}}";
    let array = format!("[{}]", rows.replace("}}\n", "}},\n"));
    for (name, content) in [("a.ndjson", rows), ("b.json", array.as_str())] {
        let file = CellFile::new(name, content).await;
        let sql = "SELECT max(key), max(day), sum(n), max(len(tags)), max(of.x), max(of.y),
            count(more) FROM t";
        let expect = "x,2026-11-22,7.5,2,1,z,1";
        file.check(sql, expect).await;
        let sql = "SELECT key FROM t WHERE n = 5";
        file.check(sql, "B8ACD569-15C4-4E9C-8B6F-0123456789AB")
            .await;
        let file = file.with(|external| {
            external.types = [("day".to_owned(), "DATE".to_owned())].into();
        });
        file.check("SELECT typeof(day) FROM t", "DATE").await;
    }
    for deep in [
        "[".repeat(100_000) + &"]".repeat(100_000),
        "{\"a\":".repeat(50_000) + "1" + &"}".repeat(50_000),
    ] {
        let file = CellFile::new("deep.json", &deep).await;
        let why = file.refused().await;
        assert!(why.contains("deeper than 64 levels"), "{why}");
    }
}

/// Makes a SQLite file with this script.
fn sqlite(path: &Path, script: &[&str]) {
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/extensions");
    let extension = vendor.join("sqlite_scanner.duckdb_extension");
    let attach = format!(
        "LOAD '{}'; ATTACH '{}' AS shop (TYPE sqlite)",
        extension.display(),
        path.display()
    );
    connection.execute_batch(&attach).unwrap();
    for sql in script {
        connection.execute_batch(sql).unwrap();
    }
}

#[tokio::test]
async fn b44_b46_a_cell_of_sqlite_is_what_it_is_or_null() {
    let shore = Shore::new().await;
    let path = shore.folder.path().join("shop.sqlite");
    sqlite(
        &path,
        &[
            "CREATE TABLE shop.goods (sku VARCHAR, stock BIGINT, price DOUBLE, day VARCHAR)",
            "USE shop",
            "CREATE VIEW v AS SELECT sku, price * 2 AS twice FROM goods WHERE price < 3",
            "USE memory",
            "SET sqlite_all_varchar = true",
            "DETACH shop",
            &format!("ATTACH '{}' AS shop (TYPE sqlite)", path.display()),
            // SQLite takes any text into a column of numbers.
            "INSERT INTO shop.goods VALUES ('a', '5', '1.25', '2026-11-22'),
                ('b', '', '2', '0000-00-00'), ('c', 'n/a', 'oops', 'yesterday')",
        ],
    );
    let mut odd = external("t", &path, Changes::Add);
    odd.table = "goods".into();
    let mut config = shore.config();
    config.externals = vec![odd.clone()];
    let catalog = shore.open(config.clone()).await.unwrap();
    let sql = "SELECT count(*), sum(stock), count(stock), sum(price), max(day) FROM t";
    assert_eq!(one(&catalog, sql).await, "3,5,1,3.25,yesterday");
    let run = catalog.adoptions(1).await.unwrap().remove(0);
    assert!(
        run.detail.contains("column price: 1 cells are NULL"),
        "{run:?}"
    );
    drop(catalog);
    config.externals[0].types = [("day".to_owned(), "DATE".to_owned())].into();
    let catalog = shore.open(config.clone()).await.unwrap();
    let sql = "SELECT count(*), count(day), max(day) FROM t";
    assert_eq!(one(&catalog, sql).await, "3,1,2026-11-22");
    drop(catalog);
    config.externals[0] = odd.clone();
    config.externals[0].table = "v".into();
    let catalog = shore.open(config.clone()).await.unwrap();
    let sql = "SELECT string_agg(twice, ' ' ORDER BY sku), any_value(typeof(twice)) FROM t";
    assert_eq!(one(&catalog, sql).await, "2.5 4.0,DOUBLE");
    drop(catalog);
    config.externals[0].table = "nothing".into();
    let catalog = shore.open(config).await.unwrap();
    let why = catalog.query("FROM t").await.unwrap_err().to_string();
    assert!(why.contains("it has no table nothing"), "{why}");
}

#[tokio::test]
async fn a_file_is_read_as_it_is_then() {
    let file = CellFile::new("stock.csv", "sku,n\na,1\n").await;
    let catalog = file.open().await.unwrap();
    assert_eq!(one(&catalog, "SELECT sum(n) FROM t").await, "1");
    fs::write(&file.external.path, "sku,n\na,1\nb,20\n").unwrap();
    assert_eq!(one(&catalog, "SELECT sum(n) FROM t").await, "21");
    let columns = "sku,n,price\na,1,0.5\n";
    fs::write(&file.external.path, columns).unwrap();
    assert_eq!(one(&catalog, "SELECT price FROM t").await, "0.5");
    fs::remove_file(&file.external.path).unwrap();
    let why = catalog.query("FROM t").await.unwrap_err().to_string();
    assert!(why.contains("there is no file"), "{why}");
    fs::write(&file.external.path, columns).unwrap();
    assert_eq!(one(&catalog, "SELECT price FROM t").await, "0.5");
    // Opened again, the copy is there, and it is not made anew.
    drop(catalog);
    let catalog = file.open().await.unwrap();
    let run = catalog.adopt(&file.external).await.unwrap();
    assert_eq!((run.found, run.adopted, run.rows), (0, 1, 1), "{run:?}");
    assert_eq!(one(&catalog, "SELECT count(*) FROM t").await, "1");
    let tables = catalog.query("SHOW TABLES").await.unwrap();
    assert!(lines(&tables).contains(&"t".to_owned()), "{tables:?}");
}
