//! An object that a swap puts in the place of others: rows of several partitions, in the order of
//! `occurred_at`; and the sum over rows by which a swap is proved.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType, UInt64Type};
use bytes::Bytes;
use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use topic::{Identity, Offset, Partition, Timestamp};

use super::batch::parquet;
use super::contents::batches;
use super::footer::{self, FORMAT, hash_place};
use crate::{COLUMNS, RowDigest};

/// Parquet's metadata key of what such an object says of itself.
const SWAPPED_KEY: &str = "clickweir.swap";
/// Rows are written in pieces of this many.
const PIECE_ROWS: usize = 8_192;

/// What an object of a swap says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SwappedFooter {
    format: u32,
    topic: Identity,
    /// When its maker began. It tells the objects of two makers apart.
    made_at: Timestamp,
}

/// Rows in memory, with what they are sorted by: time, partition and offset, and their place.
#[derive(Debug, Default)]
pub(crate) struct SortBuffer {
    batches: Vec<RecordBatch>,
    keys: Vec<(i64, u32, u64, u32, u32)>,
    bytes: usize,
}

/// A sorted object, before it is written.
pub(crate) struct SortedObject {
    pub(crate) object: Bytes,
    pub(crate) rows: u64,
    pub(crate) occurred: Option<(Timestamp, Timestamp)>,
}

impl SortBuffer {
    /// How much memory its rows take.
    pub(crate) const fn size(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes rows.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), String> {
        let at = u32::try_from(self.batches.len()).map_err(|_| "too many batches")?;
        let columns = KeyColumns::of(&batch)?;
        let occurred = batch
            .column_by_name("occurred_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or("its times are no microseconds")?;
        for (row, moment) in (0_u32..).zip(occurred.values()) {
            let (partition, offset) = columns.place(row as usize);
            self.keys.push((*moment, partition.0, offset.0, at, row));
        }
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        Ok(())
    }

    /// Writes its rows as Parquet, in their order. Heavy: call it off the event loop.
    pub(crate) fn sorted(
        mut self,
        topic: &Identity,
        made_at: Timestamp,
    ) -> Result<SortedObject, String> {
        self.keys.sort_unstable();
        let moment = |key: &(i64, u32, u64, u32, u32)| Timestamp::from_micros(key.0);
        let ends = self.keys.first().zip(self.keys.last());
        let occurred = ends.map(|(least, greatest)| (moment(least), moment(greatest)));
        let said = SwappedFooter {
            format: FORMAT,
            topic: topic.clone(),
            made_at,
        };
        let json = serde_json::to_string(&said).expect("it is plain text and numbers");
        let metadata = vec![KeyValue::new(SWAPPED_KEY.to_owned(), json), hash_place()];
        let sources: Vec<&RecordBatch> = self.batches.iter().collect();
        let pieces = self.keys.chunks(PIECE_ROWS).map(|keys| {
            let places: Vec<(usize, usize)> = keys
                .iter()
                .map(|(.., batch, row)| (*batch as usize, *row as usize))
                .collect();
            interleave_record_batch(&sources, &places)
                .expect("the rows of all objects have the columns of this program")
        });
        let mut object = parquet(COLUMNS, pieces, metadata);
        footer::stamp(&mut object);
        Ok(SortedObject {
            object: object.into(),
            rows: self.keys.len() as u64,
            occurred,
        })
    }
}

/// Which record each row or dead letter is.
pub(crate) fn places(batch: &RecordBatch) -> Result<Vec<(Partition, Offset)>, String> {
    let columns = KeyColumns::of(batch)?;
    Ok((0..batch.num_rows())
        .map(|row| columns.place(row))
        .collect())
}

/// Which record each row is, and its id.
struct KeyColumns {
    partitions: arrow::array::ArrayRef,
    offsets: arrow::array::ArrayRef,
    items: arrow::array::ArrayRef,
    ids: arrow::array::ArrayRef,
}

impl KeyColumns {
    fn of(batch: &RecordBatch) -> Result<Self, String> {
        let column = |name: &str, kind: Option<&DataType>| {
            let column = batch
                .column_by_name(name)
                .ok_or_else(|| format!("it has no column {name}"))?;
            let cast = kind.map(|kind| cast(column, kind).map_err(|error| error.to_string()));
            cast.unwrap_or_else(|| Ok(column.clone()))
        };
        let columns = Self {
            partitions: column("partition", Some(&DataType::UInt64))?,
            offsets: column("offset", Some(&DataType::UInt64))?,
            items: column("item", Some(&DataType::Int64))?,
            ids: column("event_id", None)?,
        };
        let known = columns.ids.as_string_opt::<i32>().is_some();
        let whole = columns.partitions.null_count() + columns.offsets.null_count() == 0;
        match known && whole {
            true => Ok(columns),
            false => Err("its partitions, offsets or ids are not those of rows".to_owned()),
        }
    }

    fn place(&self, row: usize) -> (Partition, Offset) {
        let partition = self.partitions.as_primitive::<UInt64Type>().value(row);
        let partition = u32::try_from(partition).unwrap_or(u32::MAX);
        let offset = self.offsets.as_primitive::<UInt64Type>().value(row);
        (Partition(partition), Offset(offset))
    }

    fn id(&self, row: usize) -> &[u8] {
        self.ids.as_string::<i32>().value(row).as_bytes()
    }

    /// What the row adds to a sum.
    fn term(&self, row: usize) -> RowDigest {
        let (partition, offset) = self.place(row);
        let items = self.items.as_primitive::<Int64Type>();
        let item = items.is_valid(row).then(|| items.value(row));
        let mut hasher = Sha256::new();
        hasher.update(partition.0.to_le_bytes());
        hasher.update(offset.0.to_le_bytes());
        hasher.update([u8::from(item.is_some())]);
        hasher.update(item.unwrap_or_default().to_le_bytes());
        hasher.update(self.id(row));
        let (digest, _) =
            hasher
                .finalize()
                .into_iter()
                .fold((0_u128, 0), |(sum, at), byte| match at < 128 {
                    true => (sum | u128::from(byte) << at, at + 8),
                    false => (sum, at),
                });
        RowDigest(digest)
    }
}

/// Sums over the rows of ranges, range by range, and how many rows each has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSums {
    /// By partition and first: the end, the sum, and the rows.
    ranges: BTreeMap<(Partition, Offset), (Offset, RowDigest, u64)>,
    /// The first row that is in none of them.
    stray: Option<(Partition, Offset)>,
}

impl RangeSums {
    /// Of these ranges, before any row was taken.
    pub(crate) fn of(ranges: impl IntoIterator<Item = ((Partition, Offset), Offset)>) -> Self {
        let ranges = ranges.into_iter();
        let ranges = ranges.map(|(at, end)| (at, (end, RowDigest::default(), 0)));
        Self {
            ranges: ranges.collect(),
            stray: None,
        }
    }

    /// Adds the rows of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let columns = KeyColumns::of(batch)?;
        for row in 0..batch.num_rows() {
            let (partition, offset) = columns.place(row);
            let begun = self
                .ranges
                .range_mut((partition, Offset(0))..=(partition, offset));
            match begun.into_iter().next_back() {
                Some((_, (end, sum, rows))) if offset < *end => {
                    *sum = sum.plus(columns.term(row));
                    *rows += 1;
                }
                _ => self.stray = self.stray.or(Some((partition, offset))),
            }
        }
        Ok(())
    }

    /// Adds the rows of an object.
    pub(crate) fn add_object(&mut self, object: Bytes) -> Result<(), String> {
        let names = ["event_id", "item", "partition", "offset"];
        batches(object, &names, |batch| self.add(batch))
    }

    /// How many rows were added.
    pub(crate) fn rows(&self) -> u64 {
        self.ranges.values().map(|(_, _, rows)| rows).sum()
    }

    /// A row that is in no range. `None` if there was none.
    pub(crate) const fn stray(&self) -> Option<(Partition, Offset)> {
        self.stray
    }

    /// The sum and the rows of the range that begins there.
    pub(crate) fn sum(&self, partition: Partition, first: Offset) -> (RowDigest, u64) {
        let found = self.ranges.get(&(partition, first));
        found.map_or_else(Default::default, |(_, sum, rows)| (*sum, *rows))
    }
}
