//! The product's own defaults, for a stage that is started without the binary.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// A section of the defaults, with some of its keys changed.
///
/// # Errors
/// If there is no such section, or its crate cannot read it.
pub fn section<T: DeserializeOwned>(name: &str, keys: &[(&str, &str)]) -> Result<T> {
    let defaults = include_str!("../../compose/default.toml").parse::<toml::Table>()?;
    let section = defaults.get(name).context("a section of the defaults")?;
    let mut section = section.as_table().context("a section is a table")?.clone();
    for (key, value) in keys {
        let value = match section.get(*key).context("a key of the section")? {
            toml::Value::Integer(_) => toml::Value::Integer(value.parse()?),
            _ => toml::Value::String((*value).to_owned()),
        };
        section.insert((*key).to_owned(), value);
    }
    Ok(section.try_into()?)
}
