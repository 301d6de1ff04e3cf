//! The published copy as a DuckLake: `ATTACH 'ducklake:…/clickweir.duckdb' AS shop (READ_ONLY)`.
//!
//! The tables are those of the DuckLake specification 1.0, with one snapshot. They are beside the
//! copy's views, in one file: who attaches it as a database sees the views, who attaches it as a
//! DuckLake the tables. Columns are found by their field ids.

use duckdb::{Connection, params};
use sink::{Location, Type};

use crate::error::Error;
use crate::tables::published::{ColumnBound, PublishedObject, PublishedTable};

/// The one snapshot.
const SNAPSHOT: i64 = 0;
/// The one schema.
const SCHEMA: i64 = 0;

const TABLES: &str = "
CREATE TABLE ducklake_metadata (
    key VARCHAR NOT NULL, value VARCHAR NOT NULL, scope VARCHAR, scope_id BIGINT);
CREATE TABLE ducklake_snapshot (
    snapshot_id BIGINT PRIMARY KEY, snapshot_time TIMESTAMP WITH TIME ZONE, schema_version BIGINT,
    next_catalog_id BIGINT, next_file_id BIGINT);
CREATE TABLE ducklake_snapshot_changes (
    snapshot_id BIGINT PRIMARY KEY, changes_made VARCHAR, author VARCHAR, commit_message VARCHAR,
    commit_extra_info VARCHAR);
CREATE TABLE ducklake_schema (
    schema_id BIGINT PRIMARY KEY, schema_uuid UUID, begin_snapshot BIGINT, end_snapshot BIGINT,
    schema_name VARCHAR, path VARCHAR, path_is_relative BOOLEAN);
CREATE TABLE ducklake_schema_versions (
    begin_snapshot BIGINT, schema_version BIGINT, table_id BIGINT);
CREATE TABLE ducklake_table (
    table_id BIGINT, table_uuid UUID, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT,
    table_name VARCHAR, path VARCHAR, path_is_relative BOOLEAN);
CREATE TABLE ducklake_column (
    column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, table_id BIGINT,
    column_order BIGINT, column_name VARCHAR, column_type VARCHAR, initial_default VARCHAR,
    default_value VARCHAR, nulls_allowed BOOLEAN, parent_column BIGINT, default_value_type VARCHAR,
    default_value_dialect VARCHAR);
CREATE TABLE ducklake_data_file (
    data_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT,
    file_order BIGINT, path VARCHAR, path_is_relative BOOLEAN, file_format VARCHAR,
    record_count BIGINT, file_size_bytes BIGINT, footer_size BIGINT, row_id_start BIGINT,
    partition_id BIGINT, encryption_key VARCHAR, mapping_id BIGINT, partial_max BIGINT);
CREATE TABLE ducklake_file_column_stats (
    data_file_id BIGINT, table_id BIGINT, column_id BIGINT, column_size_bytes BIGINT,
    value_count BIGINT, null_count BIGINT, min_value VARCHAR, max_value VARCHAR,
    contains_nan BOOLEAN, extra_stats VARCHAR);
CREATE TABLE ducklake_table_stats (
    table_id BIGINT, record_count BIGINT, next_row_id BIGINT, file_size_bytes BIGINT);
CREATE TABLE ducklake_table_column_stats (
    table_id BIGINT, column_id BIGINT, contains_null BOOLEAN, contains_nan BOOLEAN,
    min_value VARCHAR, max_value VARCHAR, extra_stats VARCHAR);
CREATE TABLE ducklake_view (
    view_id BIGINT, view_uuid UUID, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT,
    view_name VARCHAR, dialect VARCHAR, sql VARCHAR, column_aliases VARCHAR);
CREATE TABLE ducklake_delete_file (
    delete_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT,
    data_file_id BIGINT, path VARCHAR, path_is_relative BOOLEAN, format VARCHAR,
    delete_count BIGINT, file_size_bytes BIGINT, footer_size BIGINT, encryption_key VARCHAR,
    partial_max BIGINT);
CREATE TABLE ducklake_files_scheduled_for_deletion (
    data_file_id BIGINT, path VARCHAR, path_is_relative BOOLEAN,
    schedule_start TIMESTAMP WITH TIME ZONE);
CREATE TABLE ducklake_inlined_data_tables (
    table_id BIGINT, table_name VARCHAR, schema_version BIGINT);
CREATE TABLE ducklake_tag (
    object_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR);
CREATE TABLE ducklake_column_tag (
    table_id BIGINT, column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR,
    value VARCHAR);
CREATE TABLE ducklake_column_mapping (mapping_id BIGINT, table_id BIGINT, type VARCHAR);
CREATE TABLE ducklake_name_mapping (
    mapping_id BIGINT, column_id BIGINT, source_name VARCHAR, target_field_id BIGINT,
    parent_column BIGINT, is_partition BOOLEAN);
CREATE TABLE ducklake_partition_info (
    partition_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT);
CREATE TABLE ducklake_partition_column (
    partition_id BIGINT, table_id BIGINT, partition_key_index BIGINT, column_id BIGINT,
    transform VARCHAR);
CREATE TABLE ducklake_file_partition_value (
    data_file_id BIGINT, table_id BIGINT, partition_key_index BIGINT, partition_value VARCHAR);
CREATE TABLE ducklake_file_variant_stats (
    data_file_id BIGINT, table_id BIGINT, column_id BIGINT, variant_path VARCHAR,
    shredded_type VARCHAR, column_size_bytes BIGINT, value_count BIGINT, null_count BIGINT,
    min_value VARCHAR, max_value VARCHAR, contains_nan BOOLEAN, extra_stats VARCHAR);
CREATE TABLE ducklake_macro (
    schema_id BIGINT, macro_id BIGINT, macro_name VARCHAR, begin_snapshot BIGINT,
    end_snapshot BIGINT);
CREATE TABLE ducklake_macro_impl (
    macro_id BIGINT, impl_id BIGINT, dialect VARCHAR, sql VARCHAR, type VARCHAR);
CREATE TABLE ducklake_macro_parameters (
    macro_id BIGINT, impl_id BIGINT, column_id BIGINT, parameter_name VARCHAR,
    parameter_type VARCHAR, default_value VARCHAR, default_value_type VARCHAR);
CREATE TABLE ducklake_sort_info (
    sort_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT);
CREATE TABLE ducklake_sort_expression (
    sort_id BIGINT, table_id BIGINT, sort_key_index BIGINT, expression VARCHAR, dialect VARCHAR,
    sort_direction VARCHAR, null_order VARCHAR);
";

/// Writes the tables of a DuckLake into the copy. `base` is before every object's path.
pub(crate) fn write(
    connection: &Connection,
    tables: &[PublishedTable],
    base: &Location,
) -> Result<(), Error> {
    connection.execute_batch(TABLES)?;
    let metadata = [
        ("version", "1.0".to_owned()),
        (
            "created_by",
            format!("clickweir {}", env!("CARGO_PKG_VERSION")),
        ),
        ("data_path", base.absolute("")),
        ("encrypted", "false".to_owned()),
    ];
    for (key, value) in metadata {
        connection.execute(
            "INSERT INTO ducklake_metadata VALUES (?, ?, NULL, NULL)",
            params![key, value],
        )?;
    }
    let files = tables
        .iter()
        .map(|table| table.objects.len())
        .sum::<usize>();
    connection.execute(
        "INSERT INTO ducklake_snapshot VALUES (?, now(), 0, ?, ?)",
        params![SNAPSHOT, tables.len() + 1, files],
    )?;
    let changes = tables
        .iter()
        .map(|table| format!("created_table:\"main\".\"{}\"", table.name));
    let changes: Vec<String> = changes.collect();
    connection.execute(
        "INSERT INTO ducklake_snapshot_changes VALUES (?, ?, NULL, NULL, NULL)",
        params![SNAPSHOT, changes.join(",")],
    )?;
    connection.execute(
        "INSERT INTO ducklake_schema VALUES (?, uuid(), ?, NULL, 'main', 'main/', true)",
        params![SCHEMA, SNAPSHOT],
    )?;
    let mut next_file = 0;
    for (table, number) in tables.iter().zip(1..) {
        write_table(connection, table, number)?;
        write_files(connection, table, number, base, &mut next_file)?;
    }
    Ok(())
}

fn write_table(connection: &Connection, table: &PublishedTable, number: i64) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO ducklake_table VALUES (?, uuid(), ?, NULL, ?, ?, ?, true)",
        params![
            number,
            SNAPSHOT,
            SCHEMA,
            table.name,
            format!("{}/", table.name)
        ],
    )?;
    connection.execute(
        "INSERT INTO ducklake_schema_versions VALUES (?, 0, ?)",
        params![SNAPSHOT, number],
    )?;
    connection.execute(
        "INSERT INTO ducklake_table_stats VALUES (?, ?, ?, ?)",
        params![number, table.rows(), table.rows(), table.bytes()],
    )?;
    for (column, order) in table.columns.iter().zip(1_i64..) {
        connection.execute(
            "INSERT INTO ducklake_column VALUES
             (?, ?, NULL, ?, ?, ?, ?, NULL, 'NULL', ?, NULL, 'literal', 'duckdb')",
            params![
                column.id,
                SNAPSHOT,
                number,
                order,
                column.name,
                type_name(column.kind),
                column.nullable
            ],
        )?;
        connection.execute(
            "INSERT INTO ducklake_column_tag VALUES (?, ?, ?, NULL, 'comment', ?)",
            params![number, column.id, SNAPSHOT, column.meaning],
        )?;
    }
    Ok(())
}

fn write_files(
    connection: &Connection,
    table: &PublishedTable,
    number: i64,
    base: &Location,
    next_file: &mut i64,
) -> Result<(), Error> {
    let mut files = connection.appender("ducklake_data_file")?;
    let mut stats = connection.appender("ducklake_file_column_stats")?;
    let mut first_row = 0;
    for object in &table.objects {
        files.append_row(params![
            *next_file,
            number,
            SNAPSHOT,
            None::<i64>,
            None::<i64>,
            base.absolute(&object.path),
            false,
            "parquet",
            object.rows,
            object.bytes,
            None::<i64>,
            first_row,
            None::<i64>,
            None::<String>,
            None::<i64>,
            None::<i64>
        ])?;
        for (column, least, greatest) in bounds(object) {
            stats.append_row(params![
                *next_file,
                number,
                column,
                None::<i64>,
                object.rows,
                0_i64,
                text(least),
                text(greatest),
                None::<bool>,
                None::<String>
            ])?;
        }
        first_row += object.rows;
        *next_file += 1;
    }
    files.flush()?;
    stats.flush()?;
    Ok(())
}

/// The columns of which both bounds are known.
fn bounds(object: &PublishedObject) -> impl Iterator<Item = (u16, ColumnBound, ColumnBound)> {
    object.least.iter().filter_map(|(column, least)| {
        let (_, greatest) = object.greatest.iter().find(|(other, _)| other == column)?;
        Some((*column, *least, *greatest))
    })
}

/// A value as DuckDB casts it from text.
fn text(bound: ColumnBound) -> String {
    match bound {
        ColumnBound::Int(number) => number.to_string(),
        ColumnBound::Long(number) => number.to_string(),
        ColumnBound::Moment(moment) => moment.to_string(),
    }
}

/// The name of a type in the DuckLake specification.
const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Text => "varchar",
        Type::Bytes => "blob",
        Type::Bool => "boolean",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Float64 => "float64",
        Type::Time => "timestamptz",
    }
}
