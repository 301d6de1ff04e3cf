//! What an object holds, read back by the audits: which record each row and each
//! dead letter is.

use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use topic::{Offset, Partition, Timestamp, id_key};

use super::identity::row_identity;
use super::thrift::check_parquet;
use crate::Footer;

/// How many rows are decoded at once.
const DECODE_ROWS: usize = 64 << 10;

/// An object and its letters, whole.
#[derive(Debug, Clone)]
pub struct Contents {
    /// What the object says of itself.
    pub footer: Footer,
    /// Its rows.
    pub rows: RowRecords,
    /// Its dead letters, in the order of their offsets.
    pub letters: Vec<LetterRecord>,
}

/// Which records the rows of an object are, in the order of the file: column by column, since
/// there are many.
#[derive(Debug, Clone, Default)]
pub struct RowRecords {
    /// Each row's identity; see [`row_identity`].
    pub ids: Vec<[u8; 16]>,
    /// Each row's offset.
    pub offsets: Vec<Offset>,
    /// Each row's append time.
    pub appended: Vec<Timestamp>,
}

/// Which record a dead letter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterRecord {
    /// The partition that it names.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// The key of its event's id; `None` if that could not be read.
    pub event_id: Option<[u8; 16]>,
    /// The record's value.
    pub raw: Option<Bytes>,
}

impl RowRecords {
    /// Reads four columns of a click object.
    pub(crate) fn read(object: Bytes) -> Result<Self, String> {
        let mut rows = Self::default();
        let names = ["event_id", "item", "offset", "appended_at"];
        batches(object, &names, |batch| {
            let ids = texts(batch, 0)?;
            let items = batch
                .column(1)
                .as_primitive_opt::<Int64Type>()
                .ok_or("its items are no numbers")?;
            let ids = ids.iter().map(|id| id_key(id.unwrap_or_default()));
            let identities = ids.zip(items).map(|(id, item)| row_identity(id, item));
            rows.ids.extend(identities);
            rows.offsets.extend(offsets(batch, 2)?);
            let appended = batch
                .column(3)
                .as_primitive_opt::<TimestampMicrosecondType>()
                .ok_or("its append times are no microseconds")?;
            let moments = appended.values().iter();
            rows.appended
                .extend(moments.map(|micros| Timestamp::from_micros(*micros)));
            Ok(())
        })?;
        Ok(rows)
    }
}

impl LetterRecord {
    /// Reads an object of dead letters.
    pub(crate) fn read_all<R: ChunkReader + 'static>(object: R) -> Result<Vec<Self>, String> {
        let mut letters = Vec::new();
        let names = ["partition", "offset", "event_id", "raw"];
        batches(object, &names, |batch| {
            let partitions = batch
                .column(0)
                .as_primitive_opt::<Int32Type>()
                .ok_or("its partitions are no numbers")?;
            let ids = texts(batch, 2)?;
            let raws = batch
                .column(3)
                .as_binary_opt::<i32>()
                .ok_or("its raw values are no bytes")?;
            for (place, offset) in offsets(batch, 1)?.enumerate() {
                let raw = raws.is_valid(place).then(|| raws.value(place));
                letters.push(Self {
                    partition: Partition(partitions.value(place).cast_unsigned()),
                    offset,
                    event_id: ids.is_valid(place).then(|| id_key(ids.value(place))),
                    raw: raw.map(Bytes::copy_from_slice),
                });
            }
            Ok(())
        })?;
        Ok(letters)
    }
}

fn offsets(batch: &RecordBatch, column: usize) -> Result<impl Iterator<Item = Offset>, String> {
    let offsets = batch
        .column(column)
        .as_primitive_opt::<Int64Type>()
        .ok_or("its offsets are no numbers")?;
    let offsets = offsets.values().iter();
    Ok(offsets.map(|offset| Offset(offset.cast_unsigned())))
}

fn texts(batch: &RecordBatch, column: usize) -> Result<&StringArray, String> {
    let texts = batch.column(column).as_string_opt::<i32>();
    Ok(texts.ok_or("its ids are no text")?)
}

/// Takes the columns of these names, in this order, batch by batch.
pub(crate) fn batches<R: ChunkReader + 'static>(
    object: R,
    names: &[&str],
    mut take: impl FnMut(&RecordBatch) -> Result<(), String>,
) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let read = |range: Range<u64>| {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let read = object.get_bytes(range.start, length);
        read.map_err(|error| error.to_string())
    };
    check_parquet(object.len(), read).map_err(|unfit| said(&unfit))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(object).map_err(|error| said(&error))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(DECODE_ROWS);
    for batch in reader.build().map_err(|error| said(&error))? {
        let batch = batch.map_err(|error| said(&error))?;
        let schema = batch.schema();
        let place = |name: &&str| Some(schema.column_with_name(name)?.0);
        let places: Option<Vec<usize>> = names.iter().map(place).collect();
        let places = places.ok_or_else(|| format!("it lacks one of {names:?}"))?;
        take(&batch.project(&places).map_err(|error| said(&error))?)?;
    }
    Ok(())
}
