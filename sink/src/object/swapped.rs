//! An object that a swap puts in the place of others: rows of several partitions, in the order of
//! `occurred_at`; and the sum over rows by which a swap is proved.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::reader::ChunkReader;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};
use xxhash_rust::xxh3::xxh3_128;

use super::contents::batches;
use super::footer::{FORMAT, hash_place};
use crate::RowDigest;

/// Parquet's metadata key of what such an object says of itself.
const SWAPPED_KEY: &str = "clickweir.swap";

/// What an object of a swap says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SwappedFooter {
    format: u32,
    topic: Identity,
    /// When its maker began. It tells the objects of two makers apart.
    made_at: Timestamp,
}

impl SwappedFooter {
    pub(crate) const fn new(topic: Identity, made_at: Timestamp) -> Self {
        Self {
            format: FORMAT,
            topic,
            made_at,
        }
    }

    /// Parquet's metadata for an object that is about to be written.
    pub(crate) fn metadata(&self) -> Vec<KeyValue> {
        let json = serde_json::to_string(self).expect("it is plain text and numbers");
        vec![KeyValue::new(SWAPPED_KEY.to_owned(), json), hash_place()]
    }
}

/// The columns that say which record a row or a dead letter is.
pub(crate) const PLACE_COLUMNS: [&str; 2] = ["partition", "offset"];

/// Which record each row or dead letter is.
pub(crate) fn places(batch: &RecordBatch) -> Result<Vec<(Partition, Offset)>, String> {
    let [partitions, offsets] = PLACE_COLUMNS.map(|name| batch.column_by_name(name));
    let partitions = partitions.and_then(|column| column.as_primitive_opt::<Int32Type>());
    let offsets = offsets.and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(partitions), Some(offsets)) = (partitions, offsets) else {
        return Err("its partitions and offsets are no numbers".to_owned());
    };
    let places = partitions.values().iter().zip(offsets.values());
    Ok(places
        .map(|(of, at)| (Partition(of.cast_unsigned()), Offset(at.cast_unsigned())))
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

    /// What the row adds to a sum: the XXH3 of 128 bits of its partition, offset, item and id, each
    /// number with its least byte first.
    fn term(&self, row: usize, text: &mut Vec<u8>) -> RowDigest {
        let (partition, offset) = self.place(row);
        let items = self.items.as_primitive::<Int64Type>();
        let item = items.is_valid(row).then(|| items.value(row));
        text.clear();
        text.extend(partition.0.to_le_bytes());
        text.extend(offset.0.to_le_bytes());
        text.push(u8::from(item.is_some()));
        text.extend(item.unwrap_or_default().to_le_bytes());
        text.extend_from_slice(self.id(row));
        RowDigest(xxh3_128(text))
    }
}

/// Sums over the rows of ranges, range by range, and how many rows each has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSums {
    /// By partition and first.
    ranges: Vec<RangeSum>,
    /// The first row that is in none of them.
    stray: Option<(Partition, Offset)>,
}

/// The sum over the rows of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RangeSum {
    partition: Partition,
    first: Offset,
    end: Offset,
    sum: RowDigest,
    rows: u64,
}

impl RangeSums {
    /// Of these ranges, before any row was taken.
    pub(crate) fn of(ranges: impl IntoIterator<Item = ((Partition, Offset), Offset)>) -> Self {
        let ranges = ranges
            .into_iter()
            .map(|((partition, first), end)| RangeSum {
                partition,
                first,
                end,
                sum: RowDigest::default(),
                rows: 0,
            });
        let mut ranges: Vec<RangeSum> = ranges.collect();
        ranges.sort_unstable_by_key(|range| (range.partition, range.first));
        Self {
            ranges,
            stray: None,
        }
    }

    /// Adds the rows of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let columns = KeyColumns::of(batch)?;
        let mut text = Vec::new();
        // Rows of one range often follow one another.
        let mut last = 0;
        for row in 0..batch.num_rows() {
            let (partition, offset) = columns.place(row);
            let holds = |range: &RangeSum| {
                range.partition == partition && range.first <= offset && offset < range.end
            };
            if !self.ranges.get(last).is_some_and(holds) {
                let place = |range: &RangeSum| (range.partition, range.first);
                let after = self
                    .ranges
                    .partition_point(|one| place(one) <= (partition, offset));
                last = after.saturating_sub(1);
            }
            match self.ranges.get_mut(last).filter(|range| holds(range)) {
                Some(range) => {
                    range.sum = range.sum.plus(columns.term(row, &mut text));
                    range.rows += 1;
                }
                None => self.stray = self.stray.or(Some((partition, offset))),
            }
        }
        Ok(())
    }

    /// Says what the range that begins there comes to.
    pub(crate) fn set(&mut self, at: (Partition, Offset), sum: RowDigest, rows: u64) {
        let place = |range: &RangeSum| (range.partition, range.first);
        if let Ok(found) = self.ranges.binary_search_by_key(&at, place) {
            (self.ranges[found].sum, self.ranges[found].rows) = (sum, rows);
        }
    }

    /// Adds the rows of an object.
    pub(crate) fn add_object<R: ChunkReader + 'static>(&mut self, object: R) -> Result<(), String> {
        let names = ["event_id", "item", "partition", "offset"];
        batches(object, &names, |batch| self.add(batch))
    }

    /// How many rows were added.
    pub(crate) fn rows(&self) -> u64 {
        self.ranges.iter().map(|range| range.rows).sum()
    }

    /// A row that is in no range. `None` if there was none.
    pub(crate) const fn stray(&self) -> Option<(Partition, Offset)> {
        self.stray
    }

    /// The sum and the rows of the range that begins there.
    pub(crate) fn sum(&self, partition: Partition, first: Offset) -> (RowDigest, u64) {
        let place = |range: &RangeSum| (range.partition, range.first);
        let found = self.ranges.binary_search_by_key(&(partition, first), place);
        found.map_or_else(
            |_| Default::default(),
            |at| (self.ranges[at].sum, self.ranges[at].rows),
        )
    }
}
