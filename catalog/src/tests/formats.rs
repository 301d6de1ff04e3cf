//! Answers in formats for programs.

use arrow::ipc::reader::StreamReader;
use duckdb::Connection;

use super::{Shore, VIEW};

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
