//! A sorted object of a swap as a run: it is read from the store one row group at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use topic::Timestamp;

use crate::object::decode::{completed, decoded_rows};
use crate::{Error, Lake};

/// What becomes of the rows of an object before they are merged.
pub(crate) type RowFilter = Arc<dyn Fn(RecordBatch) -> Result<RecordBatch, String> + Send + Sync>;

/// A sorted object of a swap, and what of it is merged.
#[derive(Clone)]
pub(crate) struct SortedObject {
    /// The lake that has it.
    pub(crate) lake: Lake,
    pub(crate) path: String,
    /// The least `occurred_at` of its rows.
    pub(crate) least: Timestamp,
    /// The only columns that are read; `None` if all are.
    pub(crate) columns: Option<&'static [&'static str]>,
    /// `None` if all rows are merged.
    pub(crate) filter: Option<RowFilter>,
}

/// A sorted object that is read.
pub(crate) struct ObjectRun {
    pub(crate) of: SortedObject,
    metadata: Option<ArrowReaderMetadata>,
    /// The row group that is read next.
    group: usize,
    reader: Option<ParquetRecordBatchReader>,
}

/// What comes next of a run.
pub(crate) enum Pulled {
    Rows(RecordBatch),
    /// These bytes of the object are wanted.
    Wants(Range<u64>),
    End,
}

impl ObjectRun {
    pub(crate) const fn new(of: SortedObject) -> Self {
        Self {
            of,
            metadata: None,
            group: 0,
            reader: None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.metadata.is_some()
    }

    /// Takes what the object's footer says.
    pub(crate) fn open(&mut self, metadata: Arc<ParquetMetaData>) -> Result<(), Error> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let read = ArrowReaderMetadata::try_new(metadata, options);
        self.metadata = Some(read.map_err(|error| self.damaged(&error.to_string()))?);
        Ok(())
    }

    pub(crate) fn pull(&mut self) -> Result<Pulled, Error> {
        if let Some(reader) = &mut self.reader {
            match reader.next().transpose() {
                Ok(Some(rows)) => {
                    let rows = self.of.taken(rows);
                    return rows.map(Pulled::Rows).map_err(|why| self.damaged(&why));
                }
                Ok(None) => self.reader = None,
                Err(error) => return Err(self.damaged(&error.to_string())),
            }
        }
        Ok(self
            .next_group()
            .map_or(Pulled::End, |group| Pulled::Wants(extent(group))))
    }

    /// The row group that is read next.
    fn next_group(&self) -> Option<&RowGroupMetaData> {
        let groups = self.metadata.as_ref()?.metadata().row_groups();
        groups.get(self.group)
    }

    /// Takes the bytes that it wanted.
    pub(crate) fn give(&mut self, bytes: Bytes) -> Result<(), Error> {
        let (Some(group), Some(metadata)) = (self.next_group(), self.metadata.clone()) else {
            return Ok(());
        };
        let wanted = extent(group);
        let step = decoded_rows(group.num_rows(), group.total_byte_size());
        if wanted.end - wanted.start != bytes.len() as u64 {
            return Err(self.damaged("it is shorter than its footer says"));
        }
        let window = ObjectWindow {
            first: wanted.start,
            bytes,
        };
        let mask = match self.of.columns {
            Some(names) => {
                ProjectionMask::columns(metadata.parquet_schema(), names.iter().copied())
            }
            None => ProjectionMask::all(),
        };
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(window, metadata)
            .with_row_groups(vec![self.group])
            .with_projection(mask)
            .with_batch_size(step)
            .build();
        self.reader = Some(reader.map_err(|error| self.damaged(&error.to_string()))?);
        self.group += 1;
        Ok(())
    }

    pub(crate) fn damaged(&self, detail: &str) -> Error {
        Error::Damaged {
            path: self.of.path.clone(),
            detail: detail.to_owned(),
        }
    }
}

impl SortedObject {
    /// The rows as they are merged.
    fn taken(&self, rows: RecordBatch) -> Result<RecordBatch, String> {
        let rows = match self.columns {
            Some(_) => rows,
            None => completed(&rows)?,
        };
        match &self.filter {
            Some(filter) => filter(rows),
            None => Ok(rows),
        }
    }
}

/// Where a row group's columns are in the object: one after another.
fn extent(group: &RowGroupMetaData) -> Range<u64> {
    let columns = group.columns().iter().map(|column| {
        let (first, length) = column.byte_range();
        first..first.saturating_add(length)
    });
    let whole = columns.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end));
    whole.unwrap_or(0..0)
}

/// Some bytes of an object, in their place.
struct ObjectWindow {
    first: u64,
    bytes: Bytes,
}

impl ObjectWindow {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let at = start
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        match at.filter(|at| *at <= self.bytes.len()) {
            Some(at) => Ok(self.bytes.slice(at..)),
            None => Err(ParquetError::EOF(
                "it points out of its row group".to_owned(),
            )),
        }
    }
}

impl Length for ObjectWindow {
    fn len(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }
}

impl ChunkReader for ObjectWindow {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        match length <= bytes.len() {
            true => Ok(bytes.slice(..length)),
            false => Err(ParquetError::EOF(
                "it points out of its row group".to_owned(),
            )),
        }
    }
}
