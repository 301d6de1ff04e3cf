//! The answer of a query, as JSON, CSV and cells of text.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Error;
use crate::query::csv::line;
use crate::query::moment::{endless, with_a_text};

/// The answer of a query: Arrow batches of one schema.
#[derive(Debug, Clone)]
pub struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// The same, without what has no text inside of lists and the like.
    shown: Vec<RecordBatch>,
    /// True if there were more rows than `catalog.query_rows`.
    pub truncated: bool,
    /// How long the query took.
    pub took: Duration,
    /// What a reader must know of rows that the lake does not have yet. `None` if there is
    /// nothing.
    pub note: Option<String>,
}

/// A value that has no text is an error, and never text that says so.
const FORMAT_OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

impl Rows {
    /// # Errors
    /// [`Error::Invalid`] for a column of a type that has no text form.
    pub(crate) fn new(
        schema: &Schema,
        batches: &[RecordBatch],
        truncated: bool,
        took: Duration,
    ) -> Result<Self, Error> {
        let unshown = |error: ArrowError| {
            Error::Invalid(format!(
                "a column cannot be shown, cast it to VARCHAR: {error}"
            ))
        };
        let fields = schema.fields().iter();
        let fields: Vec<Field> = fields
            .map(|field| {
                field
                    .as_ref()
                    .clone()
                    .with_data_type(at_offset_zero(field.data_type()))
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let (mut shifted, mut shown) = (Vec::with_capacity(batches.len()), Vec::new());
        for batch in batches {
            let columns: Result<Vec<_>, _> = batch
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(array, field)| cast(array, field.data_type()))
                .collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = columns.map_err(unshown)?;
            for decimals in columns
                .iter()
                .filter_map(|column| column.as_primitive_opt::<Decimal128Type>())
            {
                // DuckDB sends whole numbers of 39 digits as decimals of 38.
                decimals
                    .validate_decimal_precision(decimals.precision())
                    .map_err(unshown)?;
            }
            let texts = columns.iter().map(with_a_text).collect();
            let of = |columns| RecordBatch::try_new_with_options(schema.clone(), columns, &options);
            let texts = of(texts).map_err(unshown)?;
            formatters(&texts).map_err(unshown)?;
            shown.push(texts);
            shifted.push(of(columns).map_err(unshown)?);
        }
        Ok(Self {
            schema,
            batches: shifted,
            shown,
            truncated,
            took,
            note: None,
        })
    }

    /// The columns: names and Arrow types.
    #[must_use]
    pub fn columns(&self) -> Vec<(String, String)> {
        let fields = self.schema.fields().iter();
        fields
            .map(|field| (field.name().clone(), kind(field.data_type())))
            .collect()
    }

    pub(crate) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Returns true if there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, in batches.
    #[must_use]
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Each row's cells as text; `None` for NULL, and for a moment that no calendar reaches. UUIDs
    /// and moments have their usual notation.
    pub fn cells(&self) -> impl Iterator<Item = Vec<Option<String>>> + '_ {
        self.shown.iter().flat_map(|batch| {
            let columns =
                formatters(batch).expect("every column was found to be one that can be shown");
            (0..batch.num_rows()).map(move |row| {
                let cells = columns.iter().zip(batch.columns());
                cells.map(|(text, array)| cell(text, array, row)).collect()
            })
        })
    }

    /// `{"columns":[{"name","type"}],"rows":[[…]],"truncated","took_ms"}`, and `"note"` if there is
    /// one. Numbers are numbers, or null if they are not finite; nested values are text.
    #[must_use]
    pub fn json(&self) -> String {
        let columns: Vec<_> = self
            .columns()
            .into_iter()
            .map(|(name, kind)| serde_json::json!({ "name": name, "type": kind }))
            .collect();
        let numeric: Vec<bool> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.data_type().is_numeric() || *field.data_type() == DataType::Boolean)
            .collect();
        let mut rows = String::from("[");
        for (number, cells) in self.cells().enumerate() {
            rows.push_str(if number == 0 { "[" } else { ",[" });
            for (place, (cell, numeric)) in cells.into_iter().zip(&numeric).enumerate() {
                if place > 0 {
                    rows.push(',');
                }
                match cell {
                    None => rows.push_str("null"),
                    Some(text) if *numeric => rows.push_str(match text.as_str() {
                        "NaN" | "inf" | "-inf" => "null",
                        number => number,
                    }),
                    Some(text) => rows.push_str(&serde_json::Value::from(text).to_string()),
                }
            }
            rows.push(']');
        }
        rows.push(']');
        let note = self.note.as_ref().map_or_else(String::new, |note| {
            format!(r#","note":{}"#, serde_json::Value::from(note.as_str()))
        });
        format!(
            r#"{{"columns":{},"rows":{rows},"truncated":{},"took_ms":{}{note}}}"#,
            serde_json::Value::from(columns),
            self.truncated,
            self.took.as_millis()
        )
    }

    /// CSV with a header, lines ending in CR LF. Text that a spreadsheet would take for a
    /// formula gets a leading apostrophe.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let fields = self.schema.fields();
        line(
            &mut out,
            fields.iter().map(|field| (field.name().as_str(), true)),
        );
        let text: Vec<bool> = fields
            .iter()
            .map(|field| !field.data_type().is_numeric() && !field.data_type().is_temporal())
            .collect();
        for cells in self.cells() {
            let cells = cells.iter().map(|cell| cell.as_deref().unwrap_or_default());
            line(&mut out, cells.zip(text.iter().copied()));
        }
        out
    }
}

fn formatters(batch: &RecordBatch) -> Result<Vec<ArrayFormatter<'_>>, ArrowError> {
    let columns = batch.columns().iter();
    columns
        .map(|array| ArrayFormatter::try_new(array.as_ref(), &FORMAT_OPTIONS))
        .collect()
}

/// A cell as text; `None` for NULL and for what has no text.
fn cell(text: &ArrayFormatter<'_>, array: &ArrayRef, row: usize) -> Option<String> {
    match endless(array, row) {
        _ if array.is_null(row) => None,
        Some(word) => Some(word.to_owned()),
        None => text.value(row).try_to_string().ok(),
    }
}

/// The type with UTC as an offset: DuckDB says "UTC", which arrow shows only with a table of time
/// zones.
fn at_offset_zero(kind: &DataType) -> DataType {
    let field = |field: &Field| {
        field
            .clone()
            .with_data_type(at_offset_zero(field.data_type()))
    };
    match kind {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => DataType::List(Arc::new(field(item))),
        DataType::FixedSizeList(item, n) => DataType::FixedSizeList(Arc::new(field(item)), *n),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(field(entries)), *sorted),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|inner| field(inner)).collect())
        }
        other => other.clone(),
    }
}

/// A type's short name.
fn kind(kind: &DataType) -> String {
    match kind {
        DataType::Timestamp(_, Some(_)) => "Timestamp (UTC)".into(),
        DataType::Timestamp(_, None) => "Timestamp".into(),
        other => other.to_string(),
    }
}
