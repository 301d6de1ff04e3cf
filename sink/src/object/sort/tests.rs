use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use sha2::{Digest, Sha256};
use topic::{Identity, Offset, Partition, Timestamp};
use xxhash_rust::xxh3::xxh3_128;

use super::limits::SortLimits;
use super::merge::{MergeStep, RunMerge};
use super::object_file::{ObjectFile, SortedFile};
use super::object_run::SortedObject;
use super::order::RowKey;
use super::sorter::RowSorter;
use super::spill::SpillFolder;
use crate::object::footer::intact;
use crate::object::proven::ProvenHashes;
use crate::object::read::extent;
use crate::object::swapped::{RangeSums, SwappedFooter};
use crate::{COLUMNS, Lake, S3, Type};

const PARTITIONS: u32 = 3;

/// Rows with these times, partitions and offsets.
pub(super) fn rows(keys: impl IntoIterator<Item = (i64, u32, u64)>) -> RecordBatch {
    let keys: Vec<_> = keys.into_iter().collect();
    let columns = COLUMNS.iter().map(|column| -> ArrayRef {
        let keys = keys.iter();
        let text = |of: &dyn Fn(u32, u64) -> String| -> ArrayRef {
            let all = keys
                .clone()
                .map(|(_, partition, offset)| of(*partition, *offset));
            Arc::new(StringArray::from_iter_values(all))
        };
        match (column.name, column.kind) {
            ("partition", _) => Arc::new(Int32Array::from_iter_values(
                keys.map(|(_, partition, _)| partition.cast_signed()),
            )),
            ("offset", _) => Arc::new(Int64Array::from_iter_values(
                keys.map(|(.., offset)| offset.cast_signed()),
            )),
            ("event_id", _) => text(&|partition, offset| format!("{partition}-{offset}")),
            ("properties", _) => text(&|_, offset| {
                format!("{{\"a\":\"{:x}\"}}", Sha256::digest(offset.to_be_bytes()))
            }),
            (_, kind) if column.nullable => new_null_array(&kind.arrow(), keys.len()),
            (_, Type::Bool) => Arc::new(BooleanArray::from(vec![false; keys.len()])),
            (_, Type::Time) => {
                let times = TimestampMicrosecondArray::from_iter_values(keys.map(|key| key.0));
                Arc::new(times.with_timezone("UTC"))
            }
            _ => text(&|_, _| "view".to_owned()),
        }
    });
    RecordBatch::try_new(crate::schema(), columns.collect()).unwrap()
}

/// What the rows are sorted by.
pub(super) fn keys(rows: &RecordBatch) -> Vec<RowKey> {
    let column = |name: &str| rows.column_by_name(name).unwrap();
    let occurred = column("occurred_at").as_primitive::<TimestampMicrosecondType>();
    let partitions = column("partition").as_primitive::<Int32Type>();
    let offsets = column("offset").as_primitive::<Int64Type>();
    let all = occurred.values().iter().zip(partitions.values());
    let all = all.zip(offsets.values());
    all.map(|((occurred, partition), offset)| RowKey(*occurred, *partition, *offset))
        .collect()
}

pub(super) fn said() -> SwappedFooter {
    let topic = Identity {
        cluster: "c".into(),
        topic: "t".into(),
    };
    SwappedFooter::new(topic, Timestamp::from_micros(1))
}

/// The sums over offsets from 0 to `end` of each partition, before any row.
fn sums(end: u64) -> RangeSums {
    let ranges = (0..PARTITIONS).map(|partition| ((Partition(partition), Offset(0)), Offset(end)));
    RangeSums::of(ranges)
}

/// How a merge went.
#[derive(Default)]
pub(super) struct MergeCourse {
    /// Which objects were opened after how many rows.
    opened: Vec<(String, usize)>,
    /// How many row groups were copied.
    pub(super) copied: usize,
}

/// Writes all rows of a merge whose objects are these.
pub(super) fn written(
    mut merge: RunMerge,
    folder: &SpillFolder,
    limits: SortLimits,
    objects: &[(String, Bytes)],
) -> (Vec<Bytes>, MergeCourse) {
    let whole = |path: &str| {
        let found = objects.iter().find(|(name, _)| name == path);
        found.expect("an object of this test").1.clone()
    };
    let (mut files, mut file, mut course) = (Vec::new(), None, MergeCourse::default());
    let mut count = 0;
    let begin = || ObjectFile::begin(folder, &said(), limits).unwrap();
    loop {
        match merge.advance().unwrap() {
            MergeStep::Open(object) => {
                merge.open(metadata(&whole(&object.path))).unwrap();
                course.opened.push((object.path, count));
            }
            MergeStep::Read(object, Range { start, end }) => {
                let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
                merge.give(whole(&object.path).slice(range)).unwrap();
            }
            MergeStep::Rows(rows) => {
                count += rows.num_rows();
                let writing = file.get_or_insert_with(begin);
                writing.write(&rows).unwrap();
                if writing.is_full() {
                    files.extend(file.take().map(bytes));
                }
            }
            MergeStep::Group(group) => {
                course.copied += 1;
                count += usize::try_from(group.rows()).unwrap();
                file.get_or_insert_with(begin).copy(&group).unwrap();
            }
            MergeStep::End => break,
        }
    }
    files.extend(file.map(bytes));
    (files, course)
}

/// All that an object says of itself.
pub(super) fn metadata(object: &Bytes) -> Arc<ParquetMetaData> {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    Arc::new(reader.parse_and_finish(object).unwrap())
}

/// The bytes of an object, which are those that it says.
pub(super) fn bytes(file: ObjectFile) -> Bytes {
    let SortedFile {
        mut file,
        hash,
        bytes,
        rows,
        occurred,
    } = file.finish().unwrap();
    let mut whole = Vec::new();
    file.read_to_end(&mut whole).unwrap();
    assert_eq!(whole.len() as u64, bytes);
    assert_eq!(format!("{:x}", Sha256::digest(&whole)), hash);
    assert!(intact(&whole));
    let whole = Bytes::from(whole);
    let keys = all_keys(&whole);
    assert_eq!(keys.len() as u64, rows);
    let ends = keys.first().zip(keys.last());
    let ends = ends.map(|(first, last)| (first.0, last.0));
    assert_eq!(
        occurred.map(|(least, most)| (least.micros(), most.micros())),
        ends
    );
    whole
}

/// An object of a lake in this folder, with these bytes.
pub(super) fn object(folder: &Path, path: &str, least: i64, whole: &Bytes) -> SortedObject {
    let groups = metadata(whole);
    let ends = groups.row_groups().iter().map(|group| extent(group).end);
    let end = usize::try_from(ends.max().unwrap()).unwrap();
    SortedObject {
        lake: Lake::open(&S3::in_folder(folder)).unwrap(),
        path: path.to_owned(),
        least: Timestamp::from_micros(least),
        proven: ProvenHashes {
            columns: xxh3_128(&whole[4..end]),
            ending: xxh3_128(&whole[end..]),
        },
        columns: None,
        filter: None,
    }
}

fn all_keys(object: &Bytes) -> Vec<RowKey> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(object.clone()).unwrap();
    let reader = reader.build().unwrap();
    reader.flat_map(|rows| keys(&rows.unwrap())).collect()
}

#[test]
fn rows_that_memory_cannot_hold_are_sorted_and_equal_and_leave_no_file_with_a_name() {
    const ROWS: u64 = 40_000;
    let place = tempfile::tempdir().unwrap();
    let folder = SpillFolder::at(place.path().join("spill"));
    let limits = SortLimits {
        sort_bytes: 96 << 10,
        object_bytes: 512 << 10,
        group_bytes: 64 << 10,
        ..SortLimits::default()
    };
    let mut sorter = RowSorter::new(folder.clone(), limits);
    let (mut read, mut expected) = (sums(ROWS), Vec::new());
    // In batches of any size, of which each holds times of everywhere.
    let mut first = 0;
    for size in [1, 700, 30, 200, 90].into_iter().cycle() {
        let end = ROWS.min(first + size);
        let batch = rows((first..end).flat_map(|offset| {
            let moment = i64::try_from(offset * 7_919 % 5_003).unwrap();
            (0..PARTITIONS).map(move |partition| (moment, partition, offset))
        }));
        expected.extend(keys(&batch));
        read.add(&batch).unwrap();
        sorter.push(batch).unwrap();
        first = end;
        if first == ROWS {
            break;
        }
    }
    let names = || place.path().join("spill").read_dir().unwrap().count();
    assert_eq!(names(), 0, "what a killed process leaves is nothing");
    let (objects, _) = written(sorter.merge(), &folder, limits, &[]);
    assert_eq!(names(), 0);
    expected.sort_unstable();
    let found: Vec<RowKey> = objects.iter().flat_map(all_keys).collect();
    assert!(found == expected, "the same rows, in their order");
    assert!(objects.len() > 2, "{}", objects.len());
    for object in &objects[..objects.len() - 1] {
        let most = limits.object_bytes + 4 * limits.group_bytes as u64;
        let size = object.len() as u64;
        assert!(size < most && size > limits.object_bytes / 2, "{size}");
    }
    let mut back = sums(ROWS);
    for object in objects {
        back.add_object(object).unwrap();
    }
    assert_eq!(back, read);
}

#[test]
fn sorted_objects_are_opened_when_their_time_comes_and_few_at_once_hold_a_row_group() {
    const ROWS: u64 = 3_000;
    let place = tempfile::tempdir().unwrap();
    let folder = SpillFolder::at(place.path().to_owned());
    let limits = SortLimits {
        group_bytes: 32 << 10,
        ..SortLimits::default()
    };
    // Twenty objects, of which up to ten overlap at a time, and rows that are in no order.
    let (mut objects, mut sorter) = (Vec::new(), RowSorter::new(folder.clone(), limits));
    let mut expected = Vec::new();
    for number in 0..20_u32 {
        let begin = i64::from(number) * 300;
        let batch = rows((0..ROWS).map(|at| (begin + i64::try_from(at).unwrap(), number, at)));
        expected.extend(keys(&batch));
        let mut file = ObjectFile::begin(&folder, &said(), limits).unwrap();
        for from in (0..batch.num_rows()).step_by(500) {
            file.write(&batch.slice(from, 500)).unwrap();
        }
        let path = format!("swaps/{number}.parquet");
        let whole = bytes(file);
        sorter.take_object(object(place.path(), &path, begin, &whole));
        objects.push((path, whole));
    }
    let loose = rows((0..900).map(|at| (i64::try_from(at * 37 % 900).unwrap() * 10, 99, at)));
    expected.extend(keys(&loose));
    sorter.push(loose).unwrap();
    expected.sort_unstable();
    let (whole, MergeCourse { opened, .. }) = written(sorter.merge(), &folder, limits, &objects);
    let found: Vec<RowKey> = whole.iter().flat_map(all_keys).collect();
    assert!(found == expected, "the same rows, in their order");
    assert_eq!(opened.len(), 20);
    for (number, (path, after)) in (0_i64..).zip(&opened) {
        assert_eq!(*path, format!("swaps/{number}.parquet"));
        let before = expected.partition_point(|key| key.0 < number * 300);
        assert!(
            *after <= before,
            "{path} was opened after {after} rows, not {before}"
        );
        assert!(
            *after + 20_000 > before,
            "{path} was opened after {after} rows of {before}"
        );
    }
}

#[tokio::test]
async fn metadata_that_changed_after_the_proof_are_not_believed() {
    let place = tempfile::tempdir().unwrap();
    let folder = SpillFolder::at(place.path().to_owned());
    let mut file = ObjectFile::begin(&folder, &said(), SortLimits::default()).unwrap();
    file.write(&rows((0..99).map(|at| (7, 0, at)))).unwrap();
    let whole = bytes(file);
    let path = "swaps/x.parquet";
    let SortedObject { lake, proven, .. } = object(place.path(), path, 7, &whole);
    let write = |bytes: &[u8]| {
        std::fs::create_dir_all(place.path().join("swaps")).unwrap();
        std::fs::write(place.path().join(path), bytes).unwrap();
    };
    write(&whole);
    assert_eq!(lake.proven(path).await.unwrap(), Some(proven));
    assert!(lake.sorted_metadata(path, proven).await.is_ok());
    // What the page index says of the first page.
    let groups = metadata(&whole);
    let at = groups.row_group(0).column(0).column_index_offset().unwrap();
    let mut changed = whole.to_vec();
    changed[usize::try_from(at).unwrap() + 9] ^= 1;
    write(&changed);
    let said = lake
        .sorted_metadata(path, proven)
        .await
        .unwrap_err()
        .to_string();
    assert!(said.contains("changed after its hash was proved"), "{said}");
}

#[test]
fn a_damaged_object_is_told_from_a_full_disk() {
    let place = tempfile::tempdir().unwrap();
    let folder = SpillFolder::at(place.path().to_owned());
    let mut sorter = RowSorter::new(folder.clone(), SortLimits::default());
    let mut file = ObjectFile::begin(&folder, &said(), SortLimits::default()).unwrap();
    file.write(&rows([(1, 0, 0)])).unwrap();
    let whole = bytes(file);
    sorter.take_object(object(place.path(), "swaps/x.parquet", 0, &whole));
    let mut merge = sorter.merge();
    assert!(matches!(merge.advance(), Ok(MergeStep::Open(_))));
    merge.open(metadata(&whole)).unwrap();
    let Ok(MergeStep::Read(_, range)) = merge.advance() else {
        panic!("a row group is wanted");
    };
    let cut = merge.give(whole.slice(4..usize::try_from(range.end).unwrap() - 1));
    let said = cut.unwrap_err().to_string();
    assert!(said.contains("swaps/x.parquet is damaged"), "{said}");
    // A file where the folder should be.
    let taken = place.path().join("file");
    std::fs::write(&taken, "").unwrap();
    let limits = SortLimits {
        sort_bytes: 1,
        ..SortLimits::default()
    };
    let mut sorter = RowSorter::new(SpillFolder::at(taken), limits);
    let said = sorter.push(rows([(1, 0, 0)])).unwrap_err().to_string();
    assert!(said.contains("make room there"), "{said}");
}
