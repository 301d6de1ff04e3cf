//! The rows of an object in memory. A column that holds nothing but NULLs is not decoded: most
//! objects have many of them, and each costs as much to open as one with values.

use arrow::array::{RecordBatch, new_null_array};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::thrift::{check_footer, footer_in, footer_length};

/// How many rows are decoded at once, at most.
const DECODE_ROWS: usize = 8_192;
/// How large they are in the file, at most: in memory some five times that.
const DECODED_BYTES: usize = 512 << 10;

/// How many rows of a file, of which so many take so many bytes there, are decoded at once.
pub(crate) fn decoded_rows(rows: i64, bytes: i64) -> usize {
    let number = |count: i64| usize::try_from(count).unwrap_or(0);
    let row_bytes = number(bytes) / number(rows).max(1);
    (DECODED_BYTES / row_bytes.max(1)).clamp(1, DECODE_ROWS)
}

/// The rows of an object, with this program's columns.
pub(crate) struct ObjectRows {
    reader: Option<ParquetRecordBatchReader>,
}

impl ObjectRows {
    /// Of an object whose hash fits.
    pub(crate) fn of(object: &Bytes) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let length = footer_length(object.len() as u64, object).map_err(|unfit| said(&unfit))?;
        let footer = footer_in(object, length).unwrap_or_default();
        check_footer(footer).map_err(|unfit| said(&unfit))?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let read = ArrowReaderMetadata::load(object, options).map_err(|error| said(&error))?;
        let metadata = read.metadata();
        let rows = metadata.file_metadata().num_rows();
        if rows == 0 {
            return Ok(Self { reader: None });
        }
        let groups = metadata.row_groups().iter();
        let bytes = groups.map(RowGroupMetaData::total_byte_size).sum();
        let mask = ProjectionMask::leaves(read.parquet_schema(), filled(metadata));
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(object.clone(), read);
        let builder = builder.with_projection(mask);
        let reader = builder.with_batch_size(decoded_rows(rows, bytes)).build();
        Ok(Self {
            reader: Some(reader.map_err(|error| said(&error))?),
        })
    }
}

/// The columns that hold a value, by their places.
fn filled(metadata: &ParquetMetaData) -> Vec<usize> {
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let has_values = |column: &usize| {
        metadata.row_groups().iter().any(|group| {
            let chunk = group.column(*column);
            let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
            nulls.is_none_or(|nulls| i64::try_from(nulls) != Ok(chunk.num_values()))
        })
    };
    (0..columns).filter(has_values).collect()
}

impl Iterator for ObjectRows {
    type Item = Result<RecordBatch, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.reader.as_mut()?.next()?;
        Some(
            read.map_err(|error| error.to_string())
                .and_then(|rows| completed(&rows)),
        )
    }
}

/// The rows with all columns: NULLs for those that were not read and may be NULL.
pub(crate) fn completed(rows: &RecordBatch) -> Result<RecordBatch, String> {
    let (schema, read) = (crate::schema(), rows.schema());
    let mut read = read.fields().iter().zip(rows.columns()).peekable();
    let columns = schema.fields().iter().map(|field| {
        match read.next_if(|(there, _)| there.name() == field.name()) {
            Some((_, column)) => Ok(column.clone()),
            None => match rows.column_by_name(field.name()) {
                Some(column) => Ok(column.clone()),
                None if field.is_nullable() => {
                    Ok(new_null_array(field.data_type(), rows.num_rows()))
                }
                None => Err(format!("it has no column {}", field.name())),
            },
        }
    });
    let columns = columns.collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema, columns).map_err(|error| error.to_string())
}
