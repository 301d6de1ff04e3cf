//! The mapping: which column of a file becomes which field of a click. A new data set
//! needs a new mapping file and no change of code.
//!
//! ```toml
//! # What becomes of the columns that no rule names: "properties" (the default) or "drop".
//! unmapped = "properties"
//! delimiter = ";"               # of a CSV file; a comma unless said otherwise
//! header = false                # a CSV file without one: its columns are column_1, column_2, …
//! encoding = "windows-1252"     # UTF-8 and, by its first bytes, UTF-16 need no word
//! decimal = ","                 # the mark of all numbers; a rule can have its own
//! explode = "events"            # a column with a list of objects, each of which becomes a record
//!
//! [columns.order_id]            # the click's field
//! from = "InvoiceNo"            # the file's column, or several, joined by a space
//!
//! [columns.user_id]
//! from = "CustomerID"
//! strip_suffix = ".0"           # removed from the end of the text
//! optional = true               # a file may lack the column
//!
//! [columns.price]
//! from = "Price"
//! type = "number"               # text (the default), number, integer, time
//! currency = "€"                # may be before or after it; or several: ["€", "EUR"]
//!
//! [columns.occurred_at]
//! from = "InvoiceDate"
//! type = "time"
//! format = "%Y-%m-%d %H:%M:%S"  # chrono's, or unix, unix_ms, unix_us
//! zone = "Europe/Berlin"        # or an offset: "+09:00"; UTC unless said otherwise
//!
//! [columns.action]
//! constant = "buy"              # a text, unless one of these conditions holds (the first counts)
//! when = [{ column = "InvoiceNo", starts_with = "C", then = "cancel" }]  # or equals = "…"
//!
//! [properties.colour]           # a property: it has the same keys
//! from = "Farbe"
//! ```
//!
//! An empty text is an absent field. A text that is not of its type is sent as it is: the
//! transformer decides whether it can be a row, and its dead letter names the field.
//!
//! Of a line whose list is exploded, a rule reads the item's column, or the line's where the item
//! has nothing of that name. A line whose column holds no such list is one record.

mod explode;
pub(super) mod json;
mod number;
mod row;
mod rule;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::csv::CsvLayout;
use explode::{ItemFields, items_of};
use json::push_name;
use number::DecimalMark;
pub(super) use row::{MappedClick, Misfit, SourceRow};
use rule::{ColumnRule, WrittenRule};

/// The most letters of a file's columns in an error.
const SHOWN_LETTERS: usize = 300;

/// A mapping as its file writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMap {
    columns: BTreeMap<String, WrittenRule>,
    #[serde(default)]
    properties: BTreeMap<String, WrittenRule>,
    #[serde(default)]
    unmapped: Unmapped,
    delimiter: Option<char>,
    #[serde(default = "has_header")]
    header: bool,
    encoding: Option<String>,
    decimal: Option<DecimalMark>,
    explode: Option<String>,
}

const fn has_header() -> bool {
    true
}

/// A mapping that was checked.
#[derive(Debug, Clone)]
pub struct ColumnMap {
    columns: BTreeMap<String, ColumnRule>,
    properties: BTreeMap<String, ColumnRule>,
    unmapped: Unmapped,
    dialect: CsvLayout,
    encoding: Option<&'static encoding_rs::Encoding>,
    explode: Option<String>,
    digest: [u8; 32],
}

/// Why a mapping cannot be used, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MapError(String);

impl MapError {
    /// Returns the error of a layout that needs a mapping.
    pub(super) fn needed() -> Self {
        Self("a CSV file needs a mapping: give one with --map".into())
    }

    /// Returns the error of a layout that cannot be followed.
    pub(super) fn unfollowed() -> Self {
        Self("a CSV file cannot be followed: import it".into())
    }

    /// Returns the error of a layout that has no columns to map.
    pub(super) fn unwanted() -> Self {
        Self("the fields of an access log are known and not mapped: leave --map out".into())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unmapped {
    #[default]
    Properties,
    Drop,
}

impl ColumnMap {
    /// Parses a mapping file.
    ///
    /// # Errors
    /// [`MapError`] with TOML's own message, or with what a rule does wrong.
    pub fn parse(toml: &str) -> Result<Self, MapError> {
        let invalid = |error: toml::de::Error| MapError(error.to_string());
        let written: WrittenMap = toml::from_str(toml).map_err(invalid)?;
        // What only a person reads, comments and order, makes no other mapping.
        let said: toml::Table = toml::from_str(toml).map_err(invalid)?;
        if written.columns.contains_key("id") {
            return Err(MapError(
                "the mapping of id cannot be mapped: a line's id is made of the file and its number"
                    .into(),
            ));
        }
        let rules = |written: BTreeMap<String, WrittenRule>, decimal| {
            let rules = written.into_iter().map(|(field, rule)| {
                let rule = ColumnRule::new(rule, decimal);
                let rule = rule.map_err(|why| MapError(format!("the mapping of {field} {why}")))?;
                Ok((field, rule))
            });
            rules.collect::<Result<_, MapError>>()
        };
        Ok(Self {
            columns: rules(written.columns, written.decimal)?,
            properties: rules(written.properties, written.decimal)?,
            unmapped: written.unmapped,
            dialect: CsvLayout {
                delimiter: written.delimiter.map(delimiter).transpose()?,
                header: written.header,
            },
            encoding: written.encoding.as_deref().map(encoding).transpose()?,
            explode: written.explode,
            digest: Sha256::digest(said.to_string()).into(),
        })
    }

    /// Checks that each field is one of a click's.
    ///
    /// # Errors
    /// [`MapError`] that names the first that is not.
    pub fn check_fields(&self, fields: &[&str]) -> Result<(), MapError> {
        let absent = |field: &&String| !fields.contains(&field.as_str());
        self.columns.keys().find(absent).map_or(Ok(()), |field| {
            let known: Vec<_> = fields
                .iter()
                .filter(|known| **known != "id")
                .copied()
                .collect();
            Err(MapError(format!(
                "the mapping names the field {field:?}, which a click does not have; to keep it as \
                 a property, write [properties.{field:?}]; the fields are {}",
                known.join(", ")
            )))
        })
    }

    /// Checks that each column that the mapping needs is among those that the file has, and there
    /// only once. `place` is where they were looked for.
    pub(super) fn check(&self, place: &str, has: &[String]) -> Result<(), MapError> {
        let count = |column: &str| has.iter().filter(|name| *name == column).count();
        let needed = self.rules().flat_map(ColumnRule::needs);
        for column in needed.chain(self.explode.as_deref()) {
            if count(column) == 0 {
                let shown: String = has.join(", ").chars().take(SHOWN_LETTERS).collect();
                let hint = match has {
                    _ if !self.dialect.header => {
                        "; header = false names the columns by their number, as column_1"
                    }
                    [one] if one.contains([';', '\t', '|']) => {
                        "; if another sign separates them, name it in the mapping, as delimiter = \";\""
                    }
                    _ => "; if a file may lack it, add optional = true to its rule",
                };
                return Err(MapError(format!(
                    "the mapping names the column {column:?}; {place} has {shown}{hint}"
                )));
            }
        }
        let mut named = self.rules().flat_map(ColumnRule::names);
        named.find(|column| count(column) > 1).map_or(Ok(()), |column| {
            Err(MapError(format!(
                "the mapping names the column {column:?}, and {place} has several of that name: \
                 rename all but one"
            )))
        })
    }

    /// What a CSV file is like.
    pub(super) fn dialect(&self) -> CsvLayout {
        self.dialect
    }

    /// The file's encoding; `None` if the mapping does not say.
    pub(super) fn encoding(&self) -> Option<&'static encoding_rs::Encoding> {
        self.encoding
    }

    /// The digest of what the mapping says.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn rules(&self) -> impl Iterator<Item = &ColumnRule> {
        self.columns.values().chain(self.properties.values())
    }

    /// True if a line can become several records.
    pub(super) fn explodes(&self) -> bool {
        self.explode.is_some()
    }

    /// The columns of a row, with those of its items.
    pub(super) fn columns_of(&self, row: &SourceRow<'_>) -> BTreeSet<String> {
        let own = row.cells.iter().map(|(name, ..)| (*name).to_owned());
        let items = self.items(row).unwrap_or_default().into_iter().flatten();
        own.chain(items.map(|(name, _)| name)).collect()
    }

    /// The items of a row, if the mapping explodes it and it has some.
    fn items<'r>(&self, row: &'r SourceRow<'_>) -> Option<Vec<ItemFields<'r>>> {
        items_of(row, self.explode.as_deref()?)
    }

    /// Makes the native click of a row, with its items if it is exploded.
    pub(super) fn click(&self, row: &SourceRow<'_>) -> MappedClick {
        let mut click = MappedClick {
            json: String::with_capacity(256),
            visitor: None,
            items: 0,
            misfits: Vec::new(),
        };
        let Some(items) = self.items(row) else {
            self.push_object(&mut click, row, None);
            return click;
        };
        let line = row.without(self.explode.as_deref().unwrap_or_default());
        self.push_object(&mut click, &line, None);
        // The items are the last field.
        click.json.pop();
        push_name(&mut click.json, "items");
        for (place, item) in (0..).zip(&items) {
            click.json.push(if place == 0 { '[' } else { ',' });
            self.push_object(&mut click, &line.below(item), Some(place));
        }
        click.json.push_str("]}");
        click.items = items.len();
        click
    }

    /// Writes a row as an object: all of it, or what an item has beside its line.
    fn push_object(&self, click: &mut MappedClick, row: &SourceRow<'_>, item: Option<u32>) {
        click.json.push('{');
        for (field, rule) in self.columns.iter().filter(|(_, rule)| rule.concerns(row)) {
            let text = rule.text(row);
            if text.trim().is_empty() {
                continue;
            }
            if field == "visitor_id" && item.is_none() {
                click.visitor = Some(text.clone().into_owned());
            }
            push_name(&mut click.json, field);
            let why = rule.push(&mut click.json, field, &text);
            click.add_misfit(item, field, why, &text);
        }
        self.push_properties(click, row, item);
        click.json.push('}');
    }

    fn push_properties(&self, click: &mut MappedClick, row: &SourceRow<'_>, item: Option<u32>) {
        let mut json = String::from("{");
        for (name, rule) in self
            .properties
            .iter()
            .filter(|(_, rule)| rule.concerns(row))
        {
            let text = rule.text(row);
            if !text.trim().is_empty() {
                push_name(&mut json, name);
                let field = format!("properties.{name}");
                let why = rule.push(&mut json, &field, &text);
                click.add_misfit(item, &field, why, &text);
            }
        }
        if self.unmapped == Unmapped::Properties {
            let is_named = |name: &str| {
                self.properties.contains_key(name)
                    || self
                        .rules()
                        .flat_map(ColumnRule::names)
                        .any(|named| named == name)
            };
            for (name, text, raw) in row.own() {
                if text.trim().is_empty() || is_named(name) {
                    continue;
                }
                push_name(&mut json, name);
                match raw {
                    Some(raw) => json.push_str(raw.get()),
                    None => json::push_quoted(&mut json, text),
                }
            }
        }
        if json.len() > 1 {
            json.push('}');
            push_name(&mut click.json, "properties");
            click.json.push_str(&json);
        }
    }
}

fn delimiter(sign: char) -> Result<u8, MapError> {
    let byte = u8::try_from(sign).ok();
    byte.filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n'))
        .ok_or_else(|| {
            MapError(format!(
                "the delimiter {sign:?} cannot be one: give one ASCII sign such as \";\" or \"\\t\""
            ))
        })
}

fn encoding(label: &str) -> Result<&'static encoding_rs::Encoding, MapError> {
    encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        MapError(format!(
            "the encoding {label:?} is unknown: give a name as the web uses it, such as utf-8, \
             windows-1252, iso-8859-2, utf-16le or shift_jis"
        ))
    })
}

#[cfg(test)]
mod tests;
