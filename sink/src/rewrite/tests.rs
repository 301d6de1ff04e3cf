//! Objects of other versions of clickweir, whose columns are others.

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use topic::{Offset, Partition};

use crate::forget::tests::shore::Shore;
use crate::object::batch::parquet;
use crate::object::columns::schema_of;
use crate::object::footer;
use crate::{COLUMNS, Column, ColumnSet, ObjectName};

/// The same object with these columns; NULL is in those that it did not have.
fn with_columns(object: Vec<u8>, columns: &[Column]) -> Vec<u8> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(object)).unwrap();
    let said = builder.metadata().file_metadata().key_value_metadata();
    let mut said = said.unwrap().clone();
    said.retain(|pair| pair.key == "clickweir");
    said.push(footer::hash_place());
    let schema = builder.schema().clone();
    let rows: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let rows = concat_batches(&schema, &rows).unwrap();
    let column = |column: &Column| -> ArrayRef {
        let found = rows.column_by_name(column.name).cloned();
        found.unwrap_or_else(|| new_null_array(&column.kind.arrow(), rows.num_rows()))
    };
    let read = columns.iter().map(column).collect();
    let rows = RecordBatch::try_new(schema_of(columns), read).unwrap();
    let mut object = parquet(columns, [rows], said);
    footer::stamp(&mut object);
    object
}

/// A lake where another program wrote half of the commits, with these columns.
async fn shore(columns: &[Column]) -> Shore {
    let shore = Shore::new().await;
    let named = shore.lake.commit_names(|_| true).await.unwrap();
    for (name, _) in named
        .into_values()
        .flatten()
        .filter(|(name, _)| name.partition.0 == 0)
    {
        let path = name.to_string();
        let object = with_columns(shore.get(&path).await, columns);
        shore.put(&path, object).await;
    }
    shore
}

async fn columns_of_commits(shore: &Shore) -> Vec<ColumnSet> {
    let named = shore
        .lake
        .commit_names(|name: &ObjectName| name.partition.0 == 0);
    let mut found = Vec::new();
    for (name, _) in named.await.unwrap().into_values().flatten() {
        found.push(shore.lake.described(&name).await.unwrap().unwrap().1);
    }
    found
}

#[tokio::test]
async fn objects_of_fewer_columns_are_merged_and_their_rows_have_no_values_there() {
    let is_kept = |column: &&Column| !["city", "utm_term"].contains(&column.name);
    let fewer: Vec<Column> = COLUMNS.iter().filter(is_kept).copied().collect();
    let shore = shore(&fewer).await;
    assert_eq!(columns_of_commits(&shore).await, [ColumnSet::Older; 3]);
    let before = shore.audit().await;
    assert!(before.clean(), "{:?}", before.findings);
    assert!(shore.compact().await > 0);
    let after = shore.audit().await;
    assert!(after.clean(), "{:?}", after.findings);
    assert_eq!(
        (after.rows, after.dead_letters),
        (before.rows, before.dead_letters)
    );
    let ledger = shore.lake.ledger().await.unwrap().unwrap();
    assert!(ledger.coverage.objects().count() > 0);
    for object in ledger.coverage.objects() {
        let columns = shore.lake.columns_of(object.path().as_ref()).await.unwrap();
        assert_eq!(columns, Some(ColumnSet::Current), "{}", object.path());
    }
    // What is merged is those of both programs.
    let merged: u64 = ledger.coverage.objects().map(|object| object.rows).sum();
    assert!(merged > before.rows / 2, "{merged} of {}", before.rows);
}

#[tokio::test]
async fn objects_of_more_columns_or_of_other_types_are_left() {
    let city = COLUMNS
        .iter()
        .position(|column| column.name == "city")
        .unwrap();
    let mut more = COLUMNS.to_vec();
    more.push(Column {
        id: 999,
        name: "later",
        ..COLUMNS[city]
    });
    let mut renumbered = COLUMNS.to_vec();
    renumbered[city].id = 999;
    let without_place: Vec<Column> = COLUMNS
        .iter()
        .filter(|one| one.name != "offset")
        .copied()
        .collect();
    for columns in [more, renumbered, without_place] {
        let shore = shore(&columns).await;
        assert_eq!(columns_of_commits(&shore).await, [ColumnSet::Other; 3]);
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        let both = [0, 1].map(|of| (Partition(of), (Offset(0), Offset(60))));
        let mut left = Vec::new();
        let scope = shore.lake.scope_of(&ledger, &both.into(), &mut left).await;
        assert_eq!(
            (scope.unwrap().commits.len(), left.len()),
            (3, 3),
            "{left:?}"
        );
        let said = left
            .iter()
            .all(|why| why.contains("a newer clickweir wrote it"));
        assert!(said, "{left:?}");
    }
}
