//! Columns as Iceberg's schemas have them. A field's id is the column's own, the one in the
//! objects, so that no mapping by name is needed.

use serde::{Deserialize, Serialize};
use sink::{Column, Type};

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableSchema {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "schema-id")]
    pub(super) id: i32,
    pub(super) fields: Vec<SchemaField>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SchemaField {
    pub(super) id: u16,
    name: String,
    required: bool,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
}

impl TableSchema {
    pub(super) fn new(id: i32, columns: &[Column]) -> Self {
        let fields = columns.iter().map(|column| SchemaField {
            id: column.id,
            name: column.name.to_owned(),
            required: !column.nullable,
            kind: type_name(column.kind).to_owned(),
            doc: Some(column.meaning.to_owned()),
        });
        Self {
            kind: "struct".to_owned(),
            id,
            fields: fields.collect(),
        }
    }
}

/// The name of a type in the Iceberg specification.
const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Text => "string",
        Type::Bytes => "binary",
        Type::Bool => "boolean",
        Type::Int32 => "int",
        Type::Int64 => "long",
        Type::Float64 => "double",
        Type::Time => "timestamptz",
    }
}
