//! A sorted object of a swap as a run: it is read from the store one row group at a time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use topic::Timestamp;
use xxhash_rust::xxh3::Xxh3;

use super::limits::SortLimits;
use super::row_group::{RowGroupCopy, copied_times};
use super::window::ObjectWindow;
use crate::object::decode::{completed, decoded_rows};
use crate::object::proven::{CHANGED, ProvenHashes};
use crate::object::read::{ColumnSet, extent};
use crate::{Error, Lake};

/// What becomes of the rows of an object before they are merged.
#[derive(Clone)]
pub(crate) struct RowFilter {
    pub(crate) keep: Arc<dyn Fn(RecordBatch) -> Result<RecordBatch, String> + Send + Sync>,
    /// The row groups of which it takes rows; the others pass as they are.
    pub(crate) groups: Arc<BTreeSet<usize>>,
}

/// A sorted object of a swap, and what of it is merged.
#[derive(Clone)]
pub(crate) struct SortedObject {
    /// The lake that has it.
    pub(crate) lake: Lake,
    pub(crate) path: String,
    /// The least `occurred_at` of its rows.
    pub(crate) least: Timestamp,
    /// The hashes of its parts when its own was proved.
    pub(crate) proven: ProvenHashes,
    /// The only columns that are read; `None` if all are.
    pub(crate) columns: Option<Arc<[&'static str]>>,
    /// `None` if all rows are merged.
    pub(crate) filter: Option<RowFilter>,
}

/// A sorted object that is read.
pub(crate) struct ObjectRun {
    pub(crate) of: SortedObject,
    metadata: Option<ArrowReaderMetadata>,
    /// True if its row groups may be copied as they are, but for those that the filter changes.
    is_copied: bool,
    /// The row group that is read next.
    group: usize,
    /// Hashes what is read.
    read: Xxh3,
    /// The bytes of that row group, before they are decoded.
    bytes: Option<ObjectWindow>,
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
    pub(crate) fn new(of: SortedObject) -> Self {
        Self {
            of,
            metadata: None,
            is_copied: false,
            group: 0,
            read: Xxh3::new(),
            bytes: None,
            reader: None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.metadata.is_some()
    }

    /// Takes what the object's footer says.
    pub(crate) fn open(&mut self, metadata: Arc<ParquetMetaData>) -> Result<(), Error> {
        let is_current = ColumnSet::of(&metadata) == ColumnSet::Current;
        let has_all = is_current && self.of.columns.is_none();
        self.is_copied = has_all && metadata.offset_index().is_some();
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
        if let Some(bytes) = self.bytes.take() {
            self.decode(bytes)?;
            return self.pull();
        }
        match self.next_group() {
            Some(group) => Ok(Pulled::Wants(extent(group))),
            None if self.read.digest128() == self.of.proven.columns => Ok(Pulled::End),
            None => Err(self.damaged(CHANGED)),
        }
    }

    /// The number of the row group that the last rows are of.
    pub(crate) const fn last_group(&self) -> usize {
        self.group.saturating_sub(1)
    }

    /// The row group that is read next.
    fn next_group(&self) -> Option<&RowGroupMetaData> {
        let groups = self.metadata.as_ref()?.metadata().row_groups();
        groups.get(self.group)
    }

    /// Takes the bytes that it wanted.
    pub(crate) fn give(&mut self, bytes: Bytes) -> Result<(), Error> {
        let Some(wanted) = self.next_group().map(extent) else {
            return Ok(());
        };
        if wanted.end - wanted.start != bytes.len() as u64 {
            return Err(self.damaged("it is shorter than its footer says"));
        }
        self.read.update(&bytes);
        self.bytes = Some(ObjectWindow {
            first: wanted.start,
            bytes,
        });
        Ok(())
    }

    /// The least and the greatest time of the next row group, if its bytes are here and it may be
    /// copied as it is.
    pub(super) fn copied_times(&self, limits: SortLimits) -> Option<(i64, i64)> {
        let filter = self.of.filter.as_ref();
        let is_whole = !filter.is_some_and(|filter| filter.groups.contains(&self.group));
        let is_next = self.is_copied && is_whole && self.bytes.is_some();
        let group = self.next_group().filter(|_| is_next)?;
        copied_times(group, limits)
    }

    /// That row group, whose times these are.
    pub(super) fn take_group(&mut self, occurred: (i64, i64)) -> Option<RowGroupCopy> {
        let copy = RowGroupCopy {
            of: self.metadata.as_ref()?.metadata().clone(),
            number: self.group,
            bytes: self.bytes.take()?,
            occurred,
        };
        self.group += 1;
        Some(copy)
    }

    /// Begins to decode a row group.
    fn decode(&mut self, window: ObjectWindow) -> Result<(), Error> {
        let (Some(group), Some(metadata)) = (self.next_group(), self.metadata.clone()) else {
            return Ok(());
        };
        let step = decoded_rows(group.num_rows(), group.total_byte_size());
        let mask = match &self.of.columns {
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
            Some(filter) => (filter.keep)(rows),
            None => Ok(rows),
        }
    }
}
