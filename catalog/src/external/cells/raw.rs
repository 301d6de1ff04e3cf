//! A table of texts, and the typed table that it becomes.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use duckdb::Connection;
use serde_json::Value;

use crate::config::External;
use crate::db::table_function::{ExportGuard, MemoryTable, exported};
use crate::error::Error;
use crate::external::cells::guess::{CellCounts, CellPlan, TypeGuess, typed};
use crate::external::fit::is_same;
use crate::external::misfit::MisfitCount;
use crate::sql::{Ident, Literal, joined};

/// The table of texts, until its file is read.
const RAW: &str = "external_cells";
/// The name under which rows are handed to the database.
const ROWS: &str = "cells";
/// How many bytes of cells are handed over at once.
const WRITE_BYTES: usize = 8 << 20;

/// A table of texts that is being filled. It is gone when its transaction ends.
pub(super) struct RawTable<'c> {
    connection: &'c Connection,
    schema: SchemaRef,
    cells: Vec<StringBuilder>,
    bytes: usize,
}

/// What a file becomes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TypedFile {
    /// SQL of its rows, each column in its type.
    pub(crate) select: String,
    /// What people must know of its columns, one line each.
    pub(crate) notes: Vec<String>,
}

impl<'c> RawTable<'c> {
    /// Makes it with columns of these names.
    pub(super) fn new(connection: &'c Connection, names: &[String]) -> Result<Self, Error> {
        let columns = names.iter().map(|name| format!("{} VARCHAR", Ident(name)));
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE {RAW} ({})",
            joined(columns, ", ")
        ))?;
        let fields: Vec<Field> = names
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        Ok(Self {
            connection,
            schema: Arc::new(Schema::new(fields)),
            cells: names.iter().map(|_| StringBuilder::new()).collect(),
            bytes: 0,
        })
    }

    /// Adds a row. Cells that it lacks are NULL.
    pub(super) fn push<'t>(
        &mut self,
        row: impl IntoIterator<Item = Option<&'t str>>,
    ) -> Result<(), Error> {
        let mut row = row.into_iter();
        for cell in &mut self.cells {
            let text = row.next().flatten();
            self.bytes += text.map_or(0, str::len) + size_of::<u64>();
            cell.append_option(text);
        }
        match self.bytes > WRITE_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let arrays = self.cells.iter_mut();
        let arrays: Vec<ArrayRef> = arrays
            .map(|cell| Arc::new(cell.finish()) as ArrayRef)
            .collect();
        self.bytes = 0;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .expect("each column has a cell for each row");
        let rows = MemoryTable::new(Arc::clone(&self.schema), vec![batch]);
        let _exports = ExportGuard::one(ROWS, rows);
        let insert = format!("INSERT INTO {RAW} SELECT * FROM {}", exported(ROWS));
        Ok(self.connection.execute_batch(&insert)?)
    }

    /// Gives each column the type that its plan says, unless the configuration says another.
    pub(super) fn finish(
        mut self,
        external: &External,
        plans: &[CellPlan],
    ) -> Result<TypedFile, Error> {
        self.flush()?;
        let mut notes = Vec::new();
        let fields = Arc::clone(&self.schema);
        let names: Vec<&str> = fields
            .fields()
            .iter()
            .map(|one| one.name().as_str())
            .collect();
        for name in external.types.keys() {
            if !names.iter().any(|known| is_same(known, name)) {
                return Err(Error::Invalid(format!(
                    "`types` has a column {name}: the file has {}",
                    names.join(", ")
                )));
            }
        }
        self.blank(external)?;
        let mut selected = Vec::new();
        for (name, plan) in names.iter().zip(plans) {
            let said = external
                .types
                .iter()
                .find(|(known, _)| is_same(known, name));
            let said = said.map(|(_, kind)| typed(kind).map_err(Error::Invalid));
            let plan = match said.transpose()? {
                Some(kind) => &CellPlan::Typed(kind),
                None => plan,
            };
            let value = self.value(external, name, plan, &mut notes)?;
            selected.push(format!("{value} AS {}", Ident(name)));
        }
        let select = format!("SELECT {} FROM {RAW}", joined(selected, ", "));
        Ok(TypedFile { select, notes })
    }

    /// Makes the words NULL that the configuration lists.
    fn blank(&self, external: &External) -> Result<(), Error> {
        if external.null.is_empty() {
            return Ok(());
        }
        let words = joined(external.null.iter().map(Literal), ", ");
        for field in self.schema.fields() {
            let name = Ident(field.name());
            self.connection.execute_batch(&format!(
                "UPDATE {RAW} SET {name} = NULL WHERE trim({name}) IN ({words})"
            ))?;
        }
        Ok(())
    }

    /// SQL of a column's values.
    fn value(
        &self,
        external: &External,
        name: &str,
        plan: &CellPlan,
        notes: &mut Vec<String>,
    ) -> Result<String, Error> {
        let guess = TypeGuess {
            column: name,
            comma: external.decimal == ",",
        };
        let (kind, value) = match plan {
            CellPlan::Typed(kind) => (kind.clone(), guess.value(kind)),
            CellPlan::Hex => ("BLOB".to_owned(), format!("unhex({})", Ident(name))),
            CellPlan::Nested => return self.nested(name),
            CellPlan::Guessed { numbers } => {
                let sql = format!("SELECT {} FROM {RAW}", guess.select());
                let counts: Vec<u64> = self.connection.query_row(&sql, [], |row| {
                    (0..CellCounts::NUMBERS)
                        .map(|place| row.get(place))
                        .collect()
                })?;
                let (kind, why) = CellCounts::new(&counts).kind(name, *numbers);
                notes.extend(why.map(|why| {
                    format!("column {name} is text, {why}: `types` can say that it is a DOUBLE")
                }));
                let value = guess.value(&kind);
                (kind, value)
            }
        };
        let text = Ident(name).to_string();
        let count = MisfitCount::new(name, &kind, (&text, &value), RAW);
        notes.extend(count.told(self.connection)?);
        Ok(value)
    }

    /// SQL of the nested values of a column of JSON.
    fn nested(&self, name: &str) -> Result<String, Error> {
        let column = Ident(name);
        let sql =
            format!("SELECT coalesce(json_group_structure({column}::JSON), '\"JSON\"') FROM {RAW}");
        let structure: String = self.connection.query_row(&sql, [], |row| row.get(0))?;
        let mut structure: Value = serde_json::from_str(&structure)
            .map_err(|error| Error::Unavailable(format!("{name} has no structure: {error}")))?;
        without_nulls(&mut structure);
        Ok(format!(
            "json_transform({column}::JSON, {})",
            Literal(structure.to_string())
        ))
    }
}

/// A table has no column of type NULL.
fn without_nulls(structure: &mut Value) {
    match structure {
        Value::String(kind) if kind == "NULL" => *kind = "VARCHAR".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Object(fields) => fields.values_mut().for_each(without_nulls),
        _ => {}
    }
}
