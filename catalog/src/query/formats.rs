//! An answer as Arrow and Parquet, with its types.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::Error;
use crate::query::rows::Rows;

/// The key of a file's metadata that says whether rows were cut, as the header of an answer does.
const TRUNCATED: &str = "clickweir-truncated";

impl Rows {
    /// The answer as a stream in Arrow's IPC format: the schema, then the batches. The schema's
    /// metadata say whether rows were cut.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column whose type the format does not have.
    pub fn arrow(&self) -> Result<Vec<u8>, Error> {
        let write = || {
            let schema = self.marked_schema();
            let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
            for batch in self.batches() {
                writer.write(&marked(batch, &schema)?)?;
            }
            writer.into_inner()
        };
        held("Arrow", |error: &ArrowError| error.to_string(), write)
    }

    /// The answer as a Parquet file. Its metadata say whether rows were cut.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column whose type the format does not have.
    pub fn parquet(&self) -> Result<Vec<u8>, Error> {
        let fields = self.schema().fields().iter();
        if let Some(field) = fields.clone().find(|field| has_union(field.data_type())) {
            let why = format!("{} is a union", field.name());
            return Err(refused("Parquet", &why));
        }
        let write = || {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(Default::default()))
                .build();
            let schema = self.marked_schema();
            let mut writer =
                ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
            for batch in self.batches() {
                writer.write(&marked(batch, &schema)?)?;
            }
            writer.append_key_value_metadata(parquet::file::metadata::KeyValue::new(
                TRUNCATED.to_owned(),
                self.truncated.to_string(),
            ));
            writer.into_inner()
        };
        held("Parquet", |error: &ParquetError| error.to_string(), write)
    }

    /// The schema, which says whether rows were cut.
    fn marked_schema(&self) -> SchemaRef {
        let schema = self.schema();
        let mark = (TRUNCATED.to_owned(), self.truncated.to_string());
        Arc::new(Schema::new_with_metadata(
            schema.fields().clone(),
            HashMap::from([mark]),
        ))
    }
}

fn marked(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    batch.clone().with_schema(Arc::clone(schema))
}

/// What a writer wrote. Some of them panic on types that they do not know.
fn held<E>(
    format: &str,
    sentence: impl Fn(&E) -> String,
    write: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, Error> {
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(written) => written.map_err(|error| refused(format, &sentence(&error))),
        Err(_) => Err(refused(format, &"the format does not have its type")),
    }
}

/// Returns true if a type is a union or has one inside.
fn has_union(kind: &DataType) -> bool {
    let inner = |field: &Arc<Field>| has_union(field.data_type());
    match kind {
        DataType::Union(..) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => inner(item),
        DataType::Struct(fields) => fields.iter().any(inner),
        _ => false,
    }
}

fn refused(format: &str, why: &dyn fmt::Display) -> Error {
    Error::Invalid(format!(
        "a column cannot be written as {format}, cast it to VARCHAR: {why}"
    ))
}
