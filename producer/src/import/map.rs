//! The mapping: which column of a file becomes which field of a click. A new data set
//! is a new mapping file and no change of code.
//!
//! ```toml
//! # What becomes of columns that no rule names: "properties" (the default) or "drop".
//! unmapped = "properties"
//!
//! [columns.order_id]            # the click's field
//! from = "InvoiceNo"            # the file's column, or several, joined by a blank
//!
//! [columns.user_id]
//! from = "CustomerID"
//! strip_suffix = ".0"           # taken off the end where it stands there
//!
//! [columns.quantity]
//! from = "Quantity"
//! type = "integer"              # text (the default), number, integer, time
//!
//! [columns.occurred_at]
//! from = "InvoiceDate"
//! type = "time"
//! format = "%Y-%m-%d %H:%M:%S"  # chrono's format; with %z or %:z the zone is the text's own
//! zone = "UTC"                  # or an offset: "+09:00"
//!
//! [columns.action]
//! constant = "buy"              # a text, unless one of these holds; the first that does
//! when = [{ column = "InvoiceNo", starts_with = "C", then = "cancel" }]  # or equals = "…"
//! ```
//!
//! An empty text is an absent field. A text that is not of its type goes on as it is:
//! whether it may be a row is for the transformer to say, and its dead letter names
//! the field.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A mapping, as its TOML file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    columns: BTreeMap<String, Rule>,
    #[serde(default)]
    unmapped: Unmapped,
}

/// A mapping that cannot be used; the sentence says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MapError(String);

impl MapError {
    /// The error of a format that means nothing without a mapping.
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
struct Rule {
    #[serde(default)]
    from: Columns,
    constant: Option<String>,
    #[serde(default, rename = "type")]
    kind: Kind,
    format: Option<String>,
    #[serde(default)]
    zone: Zone,
    strip_suffix: Option<String>,
    #[serde(default)]
    when: Vec<When>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
enum Columns {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Text,
    Number,
    Integer,
    Time,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Zone(FixedOffset);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    column: String,
    equals: Option<String>,
    starts_with: Option<String>,
    then: String,
}

/// One record's cells: a name, a text, and where it came as JSON, that.
pub(super) struct Row<'r> {
    pub(super) cells: Vec<(&'r str, Cow<'r, str>, Option<&'r RawValue>)>,
}

impl Row<'_> {
    fn text(&self, column: &str) -> &str {
        let cell = self.cells.iter().find(|(name, ..)| *name == column);
        cell.map_or("", |(_, text, _)| text)
    }
}

/// A click made of a row.
pub(super) struct Mapped {
    pub(super) json: String,
    pub(super) visitor: Option<String>,
}

impl Map {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`MapError`] with TOML's own sentence, or what a rule lacks.
    pub fn parse(toml: &str) -> Result<Self, MapError> {
        let map: Self = toml::from_str(toml).map_err(|error| MapError(error.to_string()))?;
        for (field, rule) in &map.columns {
            let complaint = match rule {
                _ if field == "id" => {
                    "cannot be mapped: a line's id is made of the file and its number"
                }
                Rule {
                    from: Columns::None,
                    constant: None,
                    ..
                } => "needs `from` or `constant`",
                Rule {
                    kind: Kind::Time,
                    format: None,
                    ..
                } => "is a time and needs a `format`",
                Rule { when, .. }
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

    /// Whether the file's header has every column that the mapping names.
    pub(super) fn fits(&self, header: &[String]) -> Result<(), MapError> {
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

    fn named(&self) -> impl Iterator<Item = &str> {
        self.columns.values().flat_map(|rule| {
            rule.from
                .names()
                .iter()
                .chain(rule.when.iter().map(|when| &when.column))
                .map(String::as_str)
        })
    }

    /// The native click of a row.
    pub(super) fn click(&self, row: &Row<'_>) -> Mapped {
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
            entry(&mut json, field);
            rule.value(&mut json, &text);
        }
        if self.unmapped == Unmapped::Properties {
            self.properties(&mut json, row);
        }
        json.push('}');
        Mapped { json, visitor }
    }

    fn properties(&self, json: &mut String, row: &Row<'_>) {
        let mut rest = row.cells.iter().filter(|(name, text, _)| {
            !text.trim().is_empty() && !self.named().any(|named| named == *name)
        });
        let Some(first) = rest.next() else { return };
        entry(json, "properties");
        json.push('{');
        for (name, text, raw) in std::iter::once(first).chain(rest) {
            entry(json, name);
            match raw {
                Some(raw) => json.push_str(raw.get()),
                None => quoted(json, text),
            }
        }
        json.push('}');
    }
}

impl Columns {
    fn names(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

impl Rule {
    fn text<'r>(&'r self, row: &'r Row<'_>) -> Cow<'r, str> {
        let holds = |when: &&When| {
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

    fn value(&self, json: &mut String, text: &str) {
        let trimmed = text.trim();
        match self.kind {
            Kind::Number if is_number(trimmed) => json.push_str(trimmed),
            Kind::Integer if is_number(trimmed.strip_suffix(".0").unwrap_or(trimmed)) => {
                json.push_str(trimmed.strip_suffix(".0").unwrap_or(trimmed));
            }
            Kind::Time => match self.moment(trimmed) {
                Some(moment) => quoted(json, &moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => quoted(json, text),
            },
            Kind::Text | Kind::Number | Kind::Integer => quoted(json, text),
        }
    }

    fn moment(&self, text: &str) -> Option<DateTime<Utc>> {
        let format = self.format.as_deref()?;
        if format.contains("%z") || format.contains("%:z") {
            return Some(DateTime::parse_from_str(text, format).ok()?.to_utc());
        }
        let local = NaiveDateTime::parse_from_str(text, format).ok()?;
        Some(self.zone.0.from_local_datetime(&local).single()?.to_utc())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(FixedOffset::east_opt(0).expect("UTC is an offset"))
    }
}

impl TryFrom<String> for Zone {
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

/// Whether the text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn entry(json: &mut String, name: &str) {
    if !json.ends_with('{') {
        json.push(',');
    }
    quoted(json, name);
    json.push(':');
}

fn quoted(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).expect("text is always a JSON string"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(map: &str, cells: &[(&str, &str)]) -> String {
        let cells = cells
            .iter()
            .map(|(name, text)| (*name, Cow::Borrowed(*text), None))
            .collect();
        Map::parse(map).unwrap().click(&Row { cells }).json
    }

    #[test]
    fn the_retail_mapping() {
        let map = include_str!("../../maps/online_retail.toml");
        let row = |invoice, customer, quantity, price| {
            [
                ("InvoiceNo", invoice),
                ("StockCode", "85123A"),
                ("Description", "A, \"B\""),
                ("Quantity", quantity),
                ("InvoiceDate", "2010-12-01 08:26:00"),
                ("UnitPrice", price),
                ("CustomerID", customer),
                ("Country", "United Kingdom"),
            ]
        };
        assert_eq!(
            mapped(map, &row("536365", "17850.0", "6", "2.55")),
            r#"{"action":"buy","country":"United Kingdom","currency":"GBP","occurred_at":"2010-12-01T08:26:00Z","order_id":"536365","price":2.55,"product_id":"85123A","product_name":"A, \"B\"","quantity":6,"user_id":"17850","visitor_id":"17850"}"#
        );
        let cancel = mapped(map, &row("C536365", "", "-6", "-11062.06"));
        assert!(cancel.contains(r#""action":"cancel""#) && cancel.contains(r#""quantity":-6"#));
        assert!(!cancel.contains("visitor_id") && cancel.contains(r#""price":-11062.06"#));
    }

    #[test]
    fn the_bandit_mapping() {
        let map = include_str!("../../maps/open_bandit.toml");
        let row = |click| {
            [
                ("column_1", "0"),
                ("timestamp", "2019-11-24 00:00:34.762830+00:00"),
                ("item_id", "14"),
                ("position", "3"),
                ("click", click),
            ]
        };
        assert_eq!(
            mapped(map, &row("0")),
            r#"{"action":"impression","occurred_at":"2019-11-24T00:00:34.762830Z","product_id":"14","properties":{"column_1":"0","position":"3"}}"#
        );
        assert!(mapped(map, &row("1")).contains(r#""action":"click""#));
    }

    #[test]
    fn rules_of_every_kind() {
        let check = |rule: &str, text: &str, expect: &str| {
            let map = format!("unmapped = \"drop\"\n[columns.x]\nfrom = \"c\"\n{rule}");
            assert_eq!(
                mapped(&map, &[("c", text), ("d", "e")]),
                expect,
                "{rule} {text}"
            );
        };
        check("", "a", r#"{"x":"a"}"#);
        check("", " ", "{}");
        check("constant = \"k\"", "", r#"{"x":"k"}"#);
        check("type = \"number\"", "1.50", r#"{"x":1.50}"#);
        check("type = \"number\"", "1,50", r#"{"x":"1,50"}"#);
        check("type = \"number\"", "nan", r#"{"x":"nan"}"#);
        check("type = \"integer\"", "7.0", r#"{"x":7}"#);
        let time = "type = \"time\"\nformat = \"%d.%m.%Y %H:%M\"\nzone = \"+09:00\"";
        check(time, "24.11.2019 09:30", r#"{"x":"2019-11-24T00:30:00Z"}"#);
        check(time, "yesterday", r#"{"x":"yesterday"}"#);
        let joined = "[columns.x]\nfrom = [\"a\", \"b\"]";
        assert_eq!(mapped(joined, &[("a", "1"), ("b", "2")]), r#"{"x":"1 2"}"#);
    }

    #[test]
    fn a_mapping_that_cannot_be_used_says_why() {
        let check = |map: &str, expect: &str| {
            let complaint = Map::parse(map).unwrap_err().to_string();
            assert!(complaint.contains(expect), "{complaint}");
        };
        check("[columns.x]\n", "needs `from` or `constant`");
        check("[columns.id]\nfrom = \"a\"", "cannot be mapped");
        check(
            "[columns.x]\nfrom = \"a\"\ntype = \"time\"",
            "needs a `format`",
        );
        check("[columns.x]\nfrom = \"a\"\nzone = \"Mars\"", "neither UTC");
        check("[columns.x]\nfrm = \"a\"", "unknown field");
        check(
            "[columns.x]\nconstant = \"a\"\nwhen = [{column = \"b\", then = \"c\"}]",
            "`equals`",
        );
        let map = Map::parse("[columns.x]\nfrom = \"a\"").unwrap();
        assert!(
            map.fits(&["b".into()])
                .unwrap_err()
                .to_string()
                .contains("\"a\"")
        );
    }
}
