//! An answer as Arrow and Parquet, with its types.

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::Error;
use crate::query::rows::Rows;

impl Rows {
    /// The answer as a stream in Arrow's IPC format: the schema, then the batches.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column whose type the format does not have.
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

    /// The answer as a Parquet file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column whose type the format does not have.
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
