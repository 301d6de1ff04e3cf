//! Every function that people may call, with absurd arguments.

use std::fmt::Write as _;

use reqwest::Client;
use serde_json::Value;

use crate::asking::ask;

const ABSURD: [&str; 9] = [
    "NULL",
    "repeat('[', 200000)",
    "(repeat('{\"a\":', 100000) || '1' || repeat('}', 100000))",
    "-9223372036854775808",
    "2147483647",
    "range(100000000)",
    "'infinity'::TIMESTAMP",
    "[[NULL, 'x']]",
    "'\\x00%s{}(?'",
];

/// The names of all functions, in an order without meaning.
pub(crate) async fn functions(client: &Client, dashboard: &str) -> Vec<String> {
    let sql = "SELECT DISTINCT function_name FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'aggregate', 'macro')
            AND regexp_full_match(function_name, '[a-z_0-9]+') ORDER BY hash(function_name)";
    let (status, text) = ask(client, dashboard, sql).await;
    assert_eq!(status, 200, "{text}");
    let names: Value = serde_json::from_str(&text).unwrap();
    let names = names["rows"].as_array().unwrap().iter();
    let names: Vec<String> = names
        .map(|name| name[0].as_str().unwrap().to_owned())
        .collect();
    assert!(names.len() > 500, "{} functions", names.len());
    names
}

/// Three calls of each.
pub(crate) fn absurd_calls(names: &[String]) -> Vec<String> {
    let mut calls = Vec::new();
    for (number, name) in names.iter().enumerate() {
        for arity in 1..=3 {
            let mut call = format!("SELECT {name}(");
            for place in 0..arity {
                let argument = ABSURD[(number + place * 3 + arity) % ABSURD.len()];
                let comma = if place > 0 { ", " } else { "" };
                write!(call, "{comma}{argument}").unwrap();
            }
            calls.push(format!("{call}) IS NULL"));
        }
    }
    calls
}

/// A call of each variant of every function, with an absurd value of each of its types: most of
/// those of [`absurd_calls`] are refused for their types already.
pub(super) async fn typed_calls(client: &Client, dashboard: &str) -> Vec<String> {
    let sql = "SELECT DISTINCT function_name,
            array_to_string(list_transform(parameter_types, x -> coalesce(x, 'ANY')), ';')
        FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate')
            AND regexp_full_match(function_name, '[a-z_0-9]+') AND len(parameter_types) > 0
        ORDER BY hash(ROW(function_name, parameter_types))";
    let (status, text) = ask(client, dashboard, sql).await;
    assert_eq!(status, 200, "{text}");
    let variants: Value = serde_json::from_str(&text).unwrap();
    let variants = variants["rows"].as_array().unwrap().iter().enumerate();
    let calls = variants.map(|(number, variant)| {
        let kinds = variant[1].as_str().unwrap().split(';').enumerate();
        let values = kinds.map(|(place, kind)| absurd_value(kind, number + place));
        let values: Vec<String> = values.collect();
        let name = variant[0].as_str().unwrap();
        format!("SELECT {name}({}) IS NULL", values.join(", "))
    });
    calls.collect()
}

/// An absurd value of a type.
fn absurd_value(kind: &str, turn: usize) -> String {
    let one = |values: &[&str]| values[turn % values.len()].to_owned();
    match kind {
        _ if kind.ends_with("[]") => "range(20000000)".to_owned(),
        "VARCHAR" => one(&[
            "repeat('[', 200000)",
            "repeat('a', 100000000)",
            "(repeat('{\"a\":', 100000) || '1' || repeat('}', 100000))",
            "'\\x00%s{}(?'",
        ]),
        "JSON" => one(&[
            "(repeat('[', 200000) || repeat(']', 200000))::JSON",
            "('[' || repeat('1,', 10000000) || '1]')::JSON",
        ]),
        "BLOB" => "repeat('x', 100000000)::BLOB".to_owned(),
        "BIT" => "repeat('10', 50000000)::BIT".to_owned(),
        "TINYINT" => one(&["(-128)::TINYINT", "127::TINYINT"]),
        "SMALLINT" => one(&["(-32768)::SMALLINT", "32767::SMALLINT"]),
        "INTEGER" => one(&["(-2147483648)::INTEGER", "2147483647::INTEGER"]),
        "BIGINT" => one(&["-9223372036854775808", "9223372036854775807"]),
        "UTINYINT" | "USMALLINT" | "UINTEGER" => format!("255::{kind}"),
        "UBIGINT" => "18446744073709551615::UBIGINT".to_owned(),
        "HUGEINT" => "(-170141183460469231731687303715884105728)::HUGEINT".to_owned(),
        "DOUBLE" | "FLOAT" => one(&["'nan'::DOUBLE", "1e308::DOUBLE", "'-infinity'::DOUBLE"]),
        "DATE" | "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE" => {
            let moment = one(&["infinity", "-infinity", "294246-12-31", "4713-01-01 (BC)"]);
            format!("'{moment}'::{kind}")
        }
        "INTERVAL" => "INTERVAL '178000000 years'".to_owned(),
        "BOOLEAN" => "NULL::BOOLEAN".to_owned(),
        "LAMBDA" => "x -> repeat(x::VARCHAR, 1000)".to_owned(),
        _ => one(&[
            "range(20000000)",
            "repeat('[', 200000)",
            "NULL",
            "{'a': [[NULL]]}",
        ]),
    }
}
