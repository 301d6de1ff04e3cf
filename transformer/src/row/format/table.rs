//! The mappings as tables, for the page that explains them.

use super::actions::WORDS;
use super::epoch::EpochUnit;
use super::foreign::Mapping;
use super::mapped::MAPPED;

/// The tables of `docs/mapping.md`, in Markdown: the words for actions, and format by format where each
/// column's value comes from.
#[must_use]
pub fn mapping_tables() -> String {
    let mut text = "| action | what other trackers call it |\n|---|---|\n".to_owned();
    for (word, called) in WORDS {
        text.push_str(&format!("| `{word}` | {} |\n", listed(called)));
    }
    for (name, whose, mapping) in MAPPED {
        text.push_str(&format!(
            "\n### {whose}\n\nThe format `{name}`.\n\n| column | comes from |\n|---|---|\n"
        ));
        for (column, from) in columns(mapping) {
            text.push_str(&format!("| `{column}` | {from} |\n"));
        }
    }
    text
}

/// The columns that a mapping fills, in its order, and what each comes from.
fn columns(mapping: &Mapping) -> Vec<(String, String)> {
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut add = |column: &str, from: String| match columns.iter_mut().find(|(of, _)| of == column)
    {
        Some((_, all)) => all.push_str(&format!(", {from}")),
        None => columns.push((column.to_owned(), from)),
    };
    for (path, field) in mapping.fields {
        add(named(field), format!("`{path}`"));
    }
    for (path, unit) in mapping.moments {
        let unit = match unit {
            EpochUnit::Micros => "microseconds",
            EpochUnit::Seconds => "seconds",
        };
        add("occurred_at", format!("`{path}` ({unit} since 1970)"));
    }
    for (path, kind) in mapping.kinds {
        add("action", format!("`{kind}` if there is `{path}`"));
    }
    let (path, words) = mapping.words;
    for (theirs, word) in words {
        add("action", format!("`{word}` if `{path}` is `{theirs}`"));
    }
    for (key, field) in mapping.item_fields {
        add(named(field), format!("`{key}` of an item"));
    }
    if !mapping.items.is_empty() {
        add("item", format!("a row for each of `{}`", mapping.items));
    }
    columns
}

/// The column of a native field.
fn named(field: &str) -> &str {
    match field {
        "id" => "event_id",
        field => field,
    }
}

fn listed(texts: &[&str]) -> String {
    let texts = texts.iter().map(|text| format!("`{text}`"));
    texts.collect::<Vec<_>>().join(", ")
}
