//! An answer's forms for programs that compute: Arrow and Parquet, types and all.

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::Error;
use crate::query::rows::Rows;

impl Rows {
    /// A stream of Arrow's IPC format: the schema, then the batches.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column that the format cannot carry.
    pub fn arrow(&self) -> Result<Vec<u8>, Error> {
        let write = || {
            let mut writer = StreamWriter::try_new(Vec::new(), self.schema())?;
            for batch in self.batches() {
                writer.write(batch)?;
            }
            writer.into_inner()
        };
        write().map_err(|error: ArrowError| refused("Arrow", &error))
    }

    /// A Parquet file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column that the format cannot carry.
    pub fn parquet(&self) -> Result<Vec<u8>, Error> {
        let write = || {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(Default::default()))
                .build();
            let schema = self.schema().clone();
            let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
            for batch in self.batches() {
                writer.write(batch)?;
            }
            writer.into_inner()
        };
        write().map_err(|error: ParquetError| refused("Parquet", &error))
    }
}

fn refused(format: &str, error: &dyn std::error::Error) -> Error {
    Error::Invalid(format!(
        "a column cannot be written as {format}, cast it to VARCHAR: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use arrow::ipc::reader::StreamReader;
    use duckdb::Connection;

    use crate::tests::{Shore, VIEW};

    #[tokio::test]
    async fn what_is_written_is_read_again_by_others() {
        let shore = Shore::new().await;
        shore.commit(0, 0, &[VIEW; 3]).await;
        let catalog = shore.catalog().await;
        catalog.crawl(false).await.unwrap();
        let sql =
            "SELECT event_id, occurred_at, action, price, quantity, [1, 2] AS list FROM clicks";
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
}
