//! A row group of a sorted object that is copied as it is: its rows come before all others that are
//! merged, so that they are neither decoded nor encoded again.

use std::sync::Arc;

use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use super::limits::SortLimits;
use super::window::ObjectWindow;

/// A smaller row group is merged with others, as a part of what one may have.
const MIN_COPIED_SHARE: u64 = 2;

/// A row group, and its bytes in the object that it is copied from.
pub(crate) struct RowGroupCopy {
    pub(super) of: Arc<ParquetMetaData>,
    pub(super) number: usize,
    pub(super) bytes: ObjectWindow,
    /// The least and the greatest `occurred_at` of its rows, in microseconds.
    pub(super) occurred: (i64, i64),
}

impl RowGroupCopy {
    pub(super) fn rows(&self) -> u64 {
        self.of.row_group(self.number).num_rows().unsigned_abs()
    }

    /// What is known of each of its columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = ColumnCloseResult> {
        let places = self.of.offset_index().map(|all| &all[self.number]);
        let bounds = self.of.column_index().map(|all| &all[self.number]);
        let columns = self.of.row_group(self.number).columns().iter().enumerate();
        columns.map(move |(place, column)| {
            let bounds = bounds.map(|of| of[place].clone());
            ColumnCloseResult {
                bytes_written: column.compressed_size().unsigned_abs(),
                rows_written: self.rows(),
                metadata: column.clone(),
                bloom_filter: None,
                column_index: bounds.filter(|of| !matches!(of, ColumnIndexMetaData::NONE)),
                offset_index: places.map(|of| of[place].clone()),
            }
        })
    }
}

/// The least and the greatest `occurred_at` of a row group that is large enough to be copied; `None` of
/// another, and where that is not known.
pub(super) fn copied_times(group: &RowGroupMetaData, limits: SortLimits) -> Option<(i64, i64)> {
    let is_of = |has: i64, most: usize| has.unsigned_abs() * MIN_COPIED_SHARE >= most as u64;
    let is_large = is_of(group.num_rows(), limits.group_rows)
        || is_of(group.compressed_size(), limits.group_bytes);
    let mut columns = group.columns().iter().filter(|_| is_large);
    let times = columns.find(|column| column.column_path().string() == "occurred_at")?;
    match times.statistics()? {
        Statistics::Int64(known) => Some((*known.min_opt()?, *known.max_opt()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
    use arrow::compute::{cast, concat_batches};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::ColumnChunkMetaData;

    use super::*;
    use crate::COLUMNS;
    use crate::object::batch::writer_options;
    use crate::object::columns::schema_of;
    use crate::object::decode::completed;
    use crate::object::sort::merge::{MergeStep, RunMerge};
    use crate::object::sort::object_file::ObjectFile;
    use crate::object::sort::object_run::RowFilter;
    use crate::object::sort::sorter::RowSorter;
    use crate::object::sort::spill::SpillFolder;
    use crate::object::sort::tests::{bytes, metadata, object, rows, said, written};

    const LIMITS: SortLimits = SortLimits {
        sort_bytes: 24 << 20,
        object_bytes: 512 << 20,
        group_bytes: 8 << 20,
        group_rows: 1_000,
    };

    /// Rows of these moments, of one partition. Every column that may be NULL has values and NULLs.
    fn varied(moments: impl IntoIterator<Item = i64>, partition: u32) -> RecordBatch {
        let moments = moments.into_iter().zip(0..);
        let plain = rows(moments.map(|(moment, at)| (moment, partition, at)));
        let columns = COLUMNS.iter().zip(plain.columns()).zip(2..);
        let columns = columns.map(|((column, values), every)| -> ArrayRef {
            if !column.nullable {
                return values.clone();
            }
            let count = i64::try_from(plain.num_rows()).unwrap();
            let numbers = (0..count).map(|row| (row % every != 0).then_some(row * every % 97));
            let numbers = Int64Array::from_iter(numbers);
            cast(&numbers, &column.kind.arrow()).unwrap()
        });
        RecordBatch::try_new(crate::schema(), columns.collect()).unwrap()
    }

    /// An object of these rows.
    fn sorted(folder: &SpillFolder, rows: &RecordBatch) -> Bytes {
        let mut file = ObjectFile::begin(folder, &said(), LIMITS).unwrap();
        for from in (0..rows.num_rows()).step_by(100) {
            file.write(&rows.slice(from, 100.min(rows.num_rows() - from)))
                .unwrap();
        }
        bytes(file)
    }

    /// All rows of an object, with all columns.
    fn read(object: &Bytes) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(object.clone()).unwrap();
        let batches = reader.build().unwrap();
        let batches: Vec<RecordBatch> = batches
            .map(|batch| completed(&batch.unwrap()).unwrap())
            .collect();
        concat_batches(&crate::schema(), &batches).unwrap()
    }

    /// A merge of objects, given with their first moments.
    fn merge(
        place: &Path,
        objects: &[(String, Bytes, i64)],
        loose: Option<RecordBatch>,
    ) -> RunMerge {
        let mut sorter = RowSorter::new(SpillFolder::at(place.to_owned()), LIMITS);
        for (path, whole, least) in objects {
            sorter.take_object(object(place, path, *least, whole));
        }
        loose
            .into_iter()
            .for_each(|rows| sorter.push(rows).unwrap());
        sorter.merge()
    }

    fn check_chunk(copy: (&Bytes, &ColumnChunkMetaData), of: (&Bytes, &ColumnChunkMetaData)) {
        let chunk = |(object, column): (&Bytes, &ColumnChunkMetaData)| {
            let (first, length) = column.byte_range();
            let first = usize::try_from(first).unwrap();
            object.slice(first..first + usize::try_from(length).unwrap())
        };
        let path = of.1.column_path();
        assert!(chunk(copy) == chunk(of), "the bytes of {path}");
        let said = |column: &ColumnChunkMetaData| {
            let (first, _) = column.byte_range();
            let within = |at: i64| at.unsigned_abs() - first;
            let pages = (
                within(column.data_page_offset()),
                column.dictionary_page_offset().map(within),
            );
            format!(
                "{pages:?} {} {} {:?} {:?} {:?} {:?} {:?}",
                column.num_values(),
                column.uncompressed_size(),
                column.compression(),
                column.encodings().collect::<Vec<_>>(),
                column.page_encoding_stats(),
                column.statistics(),
                column.definition_level_histogram(),
            )
        };
        assert_eq!(said(copy.1), said(of.1), "{path}");
    }

    #[test]
    fn row_groups_that_others_do_not_reach_into_are_copied_as_they_are() {
        let place = tempfile::tempdir().unwrap();
        let folder = SpillFolder::at(place.path().to_owned());
        // Two of three row groups and a small rest each, and a small one within the second group of
        // the second. What is loose is within the first.
        let (mut all, mut objects) = (Vec::new(), Vec::new());
        for (number, begin, end) in [(0, 0, 3_100), (1, 3_100, 6_200), (2, 4_500, 4_600)] {
            let rows = varied(begin..end, number);
            objects.push((
                format!("swaps/{number}.parquet"),
                sorted(&folder, &rows),
                begin,
            ));
            all.push(rows);
        }
        all.push(varied((0..10).map(|at| at * 20), 9));
        let all = concat_batches(&crate::schema(), &all).unwrap();
        let mut expected = RowSorter::new(folder.clone(), LIMITS);
        expected.push(all.clone()).unwrap();
        let (expected, _) = written(expected.merge(), &folder, LIMITS, &[]);

        let loose = all.slice(all.num_rows() - 10, 10);
        let merge = merge(place.path(), &objects, Some(loose));
        let named: Vec<_> = objects
            .into_iter()
            .map(|(path, of, _)| (path, of))
            .collect();
        let (whole, course) = written(merge, &folder, LIMITS, &named);
        assert_eq!((whole.len(), course.copied), (1, 4));
        let (found, expected) = (read(&whole[0]), read(&expected[0]));
        for (column, (found, expected)) in COLUMNS
            .iter()
            .zip(found.columns().iter().zip(expected.columns()))
        {
            assert!(found == expected, "{}", column.name);
            let nulls = found.null_count();
            assert_eq!(
                nulls > 0 && nulls < found.len(),
                column.nullable,
                "{}",
                column.name
            );
        }
        // The first was decoded, that of the small one, and what was small.
        let (written, first) = (metadata(&whole[0]), metadata(&named[0].1));
        let counts = written.row_groups().iter().map(RowGroupMetaData::num_rows);
        let counts: Vec<i64> = counts.collect();
        assert_eq!(counts, [1_010, 1_000, 1_000, 100, 1_000, 1_100, 1_000, 100]);
        // What it says of its columns and pages is what the object said.
        for copied in [1, 2] {
            let columns = written.row_group(copied).columns().iter();
            for (column, source) in columns.zip(first.row_group(copied).columns()) {
                check_chunk((&whole[0], column), (&named[0].1, source));
            }
            let bounds = [&written, &first].map(|all| &all.column_index().unwrap()[copied]);
            assert_eq!(bounds[0], bounds[1]);
            let pages = [&written, &first].map(|all| {
                let columns = all.row_group(copied).columns().iter();
                let pages = all.offset_index().unwrap()[copied].iter();
                let pages = columns.zip(pages).flat_map(|(column, pages)| {
                    let first = i64::try_from(column.byte_range().0).unwrap();
                    let pages = pages.page_locations().iter();
                    pages.map(move |page| {
                        (
                            page.offset - first,
                            page.compressed_page_size,
                            page.first_row_index,
                        )
                    })
                });
                pages.collect::<Vec<_>>()
            });
            assert_eq!(pages[0], pages[1]);
        }
    }

    #[test]
    fn what_is_filtered_or_lacks_a_column_is_not_copied() {
        let place = tempfile::tempdir().unwrap();
        let folder = SpillFolder::at(place.path().to_owned());
        let all = varied(0..3_000, 1);
        let named = |whole| vec![("swaps/0.parquet".to_owned(), whole)];
        let whole = sorted(&folder, &all);
        let mut sorter = RowSorter::new(folder.clone(), LIMITS);
        let mut filtered = object(place.path(), "swaps/0.parquet", 0, &whole);
        filtered.filter = Some(RowFilter {
            keep: Arc::new(|rows: RecordBatch| Ok(rows.slice(0, 0))),
            groups: Arc::new([0, 2].into()),
        });
        sorter.take_object(filtered);
        let (files, course) = written(sorter.merge(), &folder, LIMITS, &named(whole));
        assert_eq!((files.len(), course.copied), (1, 1));
        assert!(read(&files[0]) == all.slice(1_000, 1_000));
        // One of an older version, before the newest column that may be NULL.
        let newest = COLUMNS.iter().rposition(|column| column.nullable).unwrap();
        let mut columns = COLUMNS.to_vec();
        columns.remove(newest);
        let options = writer_options(&columns, said().metadata());
        let schema = schema_of(&columns);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options).unwrap();
        let mut older = all.clone();
        older.remove_column(newest);
        writer.write(&older).unwrap();
        let older = Bytes::from(writer.into_inner().unwrap());
        let merge = merge(
            place.path(),
            &[("swaps/0.parquet".to_owned(), older.clone(), 0)],
            None,
        );
        let (files, course) = written(merge, &folder, LIMITS, &named(older));
        assert_eq!(course.copied, 0);
        let found = read(&files[0]);
        for (place, column) in found.columns().iter().enumerate() {
            match place == newest {
                true => assert_eq!(column.null_count(), 3_000),
                false => assert!(column == all.column(place), "{}", COLUMNS[place].name),
            }
        }
    }

    #[test]
    fn a_row_group_that_changed_after_its_hash_was_proved_is_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = SpillFolder::at(place.path().to_owned());
        let whole = sorted(&folder, &varied(0..1_000, 1));
        let column = COLUMNS
            .iter()
            .position(|column| column.name == "properties");
        let metadata = metadata(&whole);
        let (first, length) = metadata.row_group(0).column(column.unwrap()).byte_range();
        let mut changed = whole.to_vec();
        changed[usize::try_from(first + length / 2).unwrap()] ^= 1;
        let changed = Bytes::from(changed);
        let mut merge = merge(
            place.path(),
            &[("swaps/0.parquet".to_owned(), whole, 0)],
            None,
        );
        let told = loop {
            match merge.advance() {
                Ok(MergeStep::Open(_)) => merge.open(metadata.clone()).unwrap(),
                Ok(MergeStep::Read(_, range)) => {
                    let range =
                        usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                    merge.give(changed.slice(range)).unwrap();
                }
                Ok(MergeStep::Group(_)) => {}
                Ok(MergeStep::Rows(_) | MergeStep::End) => panic!("it is copied, and told"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            told.contains("swaps/0.parquet") && told.contains("changed after"),
            "{told}"
        );
    }
}
