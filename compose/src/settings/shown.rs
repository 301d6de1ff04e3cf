//! How a value of the configuration is shown, and where it comes from.

use figment::value::Value;
use figment::{Figment, Metadata};

/// Keys whose values are never shown.
pub(super) const SECRETS: [&str; 5] = [
    "topic.sasl_password",
    "lake.secret_key",
    "backup.secret_key",
    "enrich.hash_key",
    "dashboard.token",
];
/// The key of an external table that is never shown.
const EXTERNAL_SECRET: &str = "password";

/// A configuration as TOML, without its secrets.
pub(super) fn without_secrets(figment: &Figment) -> anyhow::Result<String> {
    let mut all: toml::Table = figment.extract()?;
    for (section, key) in SECRETS.iter().filter_map(|name| name.split_once('.')) {
        if let Some(keys) = all.get_mut(section).and_then(toml::Value::as_table_mut) {
            keys.remove(key);
        }
    }
    let externals = all.get_mut("external").and_then(toml::Value::as_array_mut);
    for external in externals.into_iter().flatten() {
        if let Some(keys) = external.as_table_mut() {
            keys.remove(EXTERNAL_SECRET);
        }
    }
    Ok(toml::to_string(&all)?)
}

/// Which layer of the configuration a value comes from.
pub(super) fn source(metadata: &Metadata) -> &'static str {
    match &*metadata.name {
        "TOML source string" => "default",
        name if name.starts_with("TOML") => "file",
        name if name.contains("environment") => "environment",
        _ => "flag",
    }
}

/// A value as the file writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(negative)) => negative.to_string(),
            (None, None) => number.to_f64().unwrap_or_default().to_string(),
        },
        Value::Array(_, items) => {
            format!(
                "[{}]",
                items.iter().map(shown).collect::<Vec<_>>().join(", ")
            )
        }
        other => format!("{other:?}"),
    }
}
