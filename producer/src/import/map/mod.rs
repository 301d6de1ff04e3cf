//! The mapping: which column of a file becomes which field of a click. A new data set
//! needs a new mapping file and no change of code.
//!
//! ```toml
//! # What becomes of the columns that no rule names: "properties" (the default) or "drop".
//! unmapped = "properties"
//!
//! [columns.order_id]            # the click's field
//! from = "InvoiceNo"            # the file's column, or several, joined by a space
//!
//! [columns.user_id]
//! from = "CustomerID"
//! strip_suffix = ".0"           # removed from the end of the text
//!
//! [columns.quantity]
//! from = "Quantity"
//! type = "integer"              # text (the default), number, integer, time
//!
//! [columns.occurred_at]
//! from = "InvoiceDate"
//! type = "time"
//! format = "%Y-%m-%d %H:%M:%S"  # chrono's format; with %z or %:z the text has its zone
//! zone = "UTC"                  # or an offset: "+09:00"
//!
//! [columns.action]
//! constant = "buy"              # a text, unless one of these conditions holds (the first counts)
//! when = [{ column = "InvoiceNo", starts_with = "C", then = "cancel" }]  # or equals = "…"
//! ```
//!
//! An empty text is an absent field. A text that is not of its type is sent as it is: the
//! transformer decides whether it can be a row, and its dead letter names the field.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A mapping, as its TOML file defines it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMap {
    columns: BTreeMap<String, ColumnRule>,
    #[serde(default)]
    unmapped: Unmapped,
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
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unmapped {
    #[default]
    Properties,
    Drop,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnRule {
    #[serde(default)]
    from: SourceColumns,
    constant: Option<String>,
    #[serde(default, rename = "type")]
    kind: ColumnType,
    format: Option<String>,
    #[serde(default)]
    zone: ZoneOffset,
    strip_suffix: Option<String>,
    #[serde(default)]
    when: Vec<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
enum SourceColumns {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ColumnType {
    #[default]
    Text,
    Number,
    Integer,
    Time,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct ZoneOffset(FixedOffset);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    column: String,
    equals: Option<String>,
    starts_with: Option<String>,
    then: String,
}

/// One record of the file.
pub(super) struct SourceRow<'r> {
    /// Each cell's column, text and, if the file is NDJSON, raw value.
    pub(super) cells: Vec<(&'r str, Cow<'r, str>, Option<&'r RawValue>)>,
}

impl SourceRow<'_> {
    fn text(&self, column: &str) -> &str {
        let cell = self.cells.iter().find(|(name, ..)| *name == column);
        cell.map_or("", |(_, text, _)| text)
    }
}

/// A click that was made from a row.
pub(super) struct MappedClick {
    pub(super) json: String,
    /// `None` if the row names no visitor.
    pub(super) visitor: Option<String>,
}

impl ColumnMap {
    /// Parses a mapping file.
    ///
    /// # Errors
    /// [`MapError`] with TOML's own message, or with what a rule lacks.
    pub fn parse(toml: &str) -> Result<Self, MapError> {
        let map: Self = toml::from_str(toml).map_err(|error| MapError(error.to_string()))?;
        for (field, rule) in &map.columns {
            let complaint = match rule {
                _ if field == "id" => {
                    "cannot be mapped: a line's id is made of the file and its number"
                }
                ColumnRule {
                    from: SourceColumns::None,
                    constant: None,
                    ..
                } => "needs `from` or `constant`",
                ColumnRule {
                    kind: ColumnType::Time,
                    format: None,
                    ..
                } => "is a time and needs a `format`",
                ColumnRule { when, .. }
                    if when
                        .iter()
                        .any(|when| when.equals.is_some() == when.starts_with.is_some()) =>
                {
                    "has a `when` that needs one of `equals` and `starts_with`"
                }
                _ => continue,
            };
            return Err(MapError(format!("the mapping of {field} {complaint}")));
        }
        Ok(map)
    }

    /// Checks that the file's header has every column that the mapping names.
    pub(super) fn check(&self, header: &[String]) -> Result<(), MapError> {
        let absent = self
            .named()
            .find(|column| !header.iter().any(|name| name == column));
        absent.map_or(Ok(()), |column| {
            let has = header.join(", ");
            let has: String = has.chars().take(300).collect();
            Err(MapError(format!(
                "the mapping names the column {column:?}; the file has {has}"
            )))
        })
    }

    /// Returns the columns that the mapping names.
    fn named(&self) -> impl Iterator<Item = &str> {
        self.columns.values().flat_map(|rule| {
            rule.from
                .names()
                .iter()
                .chain(rule.when.iter().map(|when| &when.column))
                .map(String::as_str)
        })
    }

    /// Makes the native click of a row.
    pub(super) fn click(&self, row: &SourceRow<'_>) -> MappedClick {
        let mut json = String::with_capacity(256);
        let mut visitor = None;
        json.push('{');
        for (field, rule) in &self.columns {
            let text = rule.text(row);
            if text.trim().is_empty() {
                continue;
            }
            if field == "visitor_id" {
                visitor = Some(text.clone().into_owned());
            }
            push_name(&mut json, field);
            rule.push_value(&mut json, &text);
        }
        if self.unmapped == Unmapped::Properties {
            self.push_properties(&mut json, row);
        }
        json.push('}');
        MappedClick { json, visitor }
    }

    fn push_properties(&self, json: &mut String, row: &SourceRow<'_>) {
        let mut rest = row.cells.iter().filter(|(name, text, _)| {
            !text.trim().is_empty() && !self.named().any(|named| named == *name)
        });
        let Some(first) = rest.next() else { return };
        push_name(json, "properties");
        json.push('{');
        for (name, text, raw) in std::iter::once(first).chain(rest) {
            push_name(json, name);
            match raw {
                Some(raw) => json.push_str(raw.get()),
                None => push_quoted(json, text),
            }
        }
        json.push('}');
    }
}

impl SourceColumns {
    fn names(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

impl ColumnRule {
    fn text<'r>(&'r self, row: &'r SourceRow<'_>) -> Cow<'r, str> {
        let holds = |when: &&Condition| {
            let text = row.text(&when.column);
            when.equals.as_deref().is_some_and(|wanted| text == wanted)
                || when
                    .starts_with
                    .as_deref()
                    .is_some_and(|start| text.starts_with(start))
        };
        if let Some(when) = self.when.iter().find(holds) {
            return Cow::Borrowed(&when.then);
        }
        let text = match self.from.names() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(row.text(one)),
            several => {
                let texts: Vec<_> = several.iter().map(|name| row.text(name)).collect();
                Cow::Owned(texts.join(" "))
            }
        };
        let text = match (&self.strip_suffix, text) {
            (Some(suffix), Cow::Borrowed(text)) => {
                Cow::Borrowed(text.strip_suffix(suffix.as_str()).unwrap_or(text))
            }
            (_, text) => text,
        };
        match &self.constant {
            Some(constant) if text.trim().is_empty() => Cow::Borrowed(constant),
            _ => text,
        }
    }

    fn push_value(&self, json: &mut String, text: &str) {
        let trimmed = text.trim();
        match self.kind {
            ColumnType::Number if is_number(trimmed) => json.push_str(trimmed),
            ColumnType::Integer if is_number(trimmed.strip_suffix(".0").unwrap_or(trimmed)) => {
                json.push_str(trimmed.strip_suffix(".0").unwrap_or(trimmed));
            }
            ColumnType::Time => match self.parse_time(trimmed) {
                Some(time) => push_quoted(json, &time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => push_quoted(json, text),
            },
            ColumnType::Text | ColumnType::Number | ColumnType::Integer => push_quoted(json, text),
        }
    }

    fn parse_time(&self, text: &str) -> Option<DateTime<Utc>> {
        let format = self.format.as_deref()?;
        if format.contains("%z") || format.contains("%:z") {
            return Some(DateTime::parse_from_str(text, format).ok()?.to_utc());
        }
        let local = NaiveDateTime::parse_from_str(text, format).ok()?;
        Some(self.zone.0.from_local_datetime(&local).single()?.to_utc())
    }
}

impl Default for ZoneOffset {
    fn default() -> Self {
        Self(FixedOffset::east_opt(0).expect("UTC is an offset"))
    }
}

impl TryFrom<String> for ZoneOffset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "UTC" {
            return Ok(Self::default());
        }
        let offset = text
            .parse()
            .map_err(|_| format!("the zone {text:?} is neither UTC nor like +09:00"))?;
        Ok(Self(offset))
    }
}

/// Returns true if the text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn push_name(json: &mut String, name: &str) {
    if !json.ends_with('{') {
        json.push(',');
    }
    push_quoted(json, name);
    json.push(':');
}

fn push_quoted(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).expect("text is always a JSON string"));
}

#[cfg(test)]
mod tests;
