//! The simulation's own reader of stored objects, beside the product's.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use topic::{Offset, Partition};

/// An object's bytes. `None` if it is not there.
pub(super) async fn bytes(store: &dyn ObjectStore, path: &str) -> Option<Bytes> {
    match store.get(&Path::from(path)).await {
        Ok(object) => Some(object.bytes().await.expect("the store answers")),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The offsets of a Parquet object's rows, and their ids.
pub(super) fn ids(object: &Bytes) -> BTreeMap<u64, u128> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(object.clone()).expect("it is Parquet");
    let wanted = ProjectionMask::columns(reader.parquet_schema(), ["offset", "event_id"]);
    let mut found = BTreeMap::new();
    for batch in reader
        .with_projection(wanted)
        .build()
        .expect("it is Parquet")
    {
        let batch = batch.expect("it is Parquet");
        let column = |name| batch.column_by_name(name).expect("the column is there");
        let ids = column("event_id").as_string::<i32>();
        for (row, offset) in column("offset")
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .enumerate()
        {
            let again = found.insert(offset.cast_unsigned(), number(ids.value(row)));
            assert!(again.is_none(), "offset {offset} is in one object twice");
        }
    }
    found
}

/// The rows of an object: their places, and the text of a column.
pub(super) fn texts(object: Bytes, column: &str) -> Vec<(Partition, Offset, Option<String>)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(object).expect("it is Parquet");
    let mut found = Vec::new();
    for batch in reader.build().expect("it is Parquet") {
        let batch = batch.expect("it is Parquet");
        let named = |name| batch.column_by_name(name).expect("the column is there");
        let partitions = named("partition").as_primitive::<Int32Type>().values();
        let offsets = named("offset").as_primitive::<Int64Type>().values();
        let texts = named(column).as_string::<i32>();
        for ((text, of), at) in texts.iter().zip(partitions).zip(offsets) {
            let place = (Partition(of.cast_unsigned()), Offset(at.cast_unsigned()));
            found.push((place.0, place.1, text.map(str::to_owned)));
        }
    }
    found
}

/// The number that an id's text is.
pub(super) fn number(id: &str) -> u128 {
    let digits: String = id.chars().filter(|letter| *letter != '-').collect();
    u128::from_str_radix(&digits, 16).expect("the shop's ids are UUIDs")
}
