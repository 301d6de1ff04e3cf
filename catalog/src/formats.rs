//! An answer's forms for programs that compute: Arrow and Parquet, types and all.

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::{Error, Rows};

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
