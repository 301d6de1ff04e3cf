//! How a value of the configuration is shown, and where it comes from.

use figment::Metadata;
use figment::value::Value;

/// Keys whose values are never shown.
pub(super) const SECRETS: [&str; 3] = ["topic.sasl_password", "lake.secret_key", "dashboard.token"];

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
