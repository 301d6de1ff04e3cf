//! What free SQL may be: one statement that reads, over tables and a few table functions.
//!
//! The database itself is restricted to the lake (see `db::access`) and the transaction is
//! read-only. This check comes before those, and its errors say why a statement is refused.

use duckdb::Connection;
use serde_json::Value;

use crate::error::{Error, sentence};

/// Table functions that only compute, that read the lake's objects, or that list the catalog's own
/// tables and memory.
const ALLOWED_FUNCTIONS: [&str; 18] = [
    "range",
    "generate_series",
    "unnest",
    "repeat",
    "repeat_row",
    "json_each",
    "json_tree",
    "read_parquet",
    "parquet_scan",
    "parquet_schema",
    "parquet_metadata",
    "parquet_file_metadata",
    "parquet_kv_metadata",
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_memory",
    "duckdb_tables",
    "duckdb_views",
];

/// Checks the statement's syntax tree, as DuckDB's own parser makes it.
pub(crate) fn check(connection: &Connection, sql: &str) -> Result<(), Error> {
    let parsed: String = connection
        .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| {
            row.get(0)
        })
        .map_err(|error| Error::Invalid(sentence(&error)))?;
    let tree: Value = serde_json::from_str(&parsed)
        .map_err(|error| Error::Refused(format!("the statement cannot be inspected: {error}")))?;
    if tree["error"] == Value::Bool(true) {
        let text = tree["error_message"]
            .as_str()
            .unwrap_or("it cannot be parsed");
        return Err(match tree["error_type"].as_str() {
            Some("not implemented") => Error::Refused(format!(
                "only a statement that reads is allowed here (SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE), not {}",
                sql.split_whitespace()
                    .next()
                    .unwrap_or("this")
                    .to_uppercase()
            )),
            _ => Error::Invalid(match tree["position"].as_str() {
                Some(position) => format!("{text} (at byte {position})"),
                None => text.to_owned(),
            }),
        });
    }
    match tree["statements"].as_array().map(Vec::len) {
        Some(1) => check_functions(&tree),
        Some(0) | None => Err(Error::Invalid("there is no statement".into())),
        Some(n) => Err(Error::Refused(format!(
            "these are {n} statements: send one at a time"
        ))),
    }
}

/// Refuses table functions that are not on the list.
fn check_functions(node: &Value) -> Result<(), Error> {
    match node {
        Value::Object(fields) => {
            if fields.get("type").and_then(Value::as_str) == Some("TABLE_FUNCTION") {
                let name = fields
                    .get("function")
                    .and_then(|function| function["function_name"].as_str())
                    .unwrap_or("a table function without a name")
                    .to_lowercase();
                if !ALLOWED_FUNCTIONS.contains(&name.as_str()) {
                    return Err(Error::Refused(format!(
                        "{name} is not allowed here: read clicks, dead_letters, objects, rollup, crawls, or the lake's own objects by read_parquet"
                    )));
                }
            }
            fields.values().try_for_each(check_functions)
        }
        Value::Array(items) => items.iter().try_for_each(check_functions),
        _ => Ok(()),
    }
}
