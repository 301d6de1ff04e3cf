//! The rule of one field: which columns it comes from, and of which type it is.

use std::borrow::Cow;

use chrono::SecondsFormat;
use serde::Deserialize;

use super::json::push_quoted;
use super::number::{DecimalMark, NumberStyle};
use super::row::SourceRow;
use super::time::{self, TimeStyle};

/// The fields of a click that are not text.
const NUMBERS_AND_MOMENTS: [&str; 3] = ["quantity", "price", "occurred_at"];

/// A rule as its file writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRule {
    #[serde(default)]
    from: TextList,
    constant: Option<String>,
    #[serde(default, rename = "type")]
    kind: ColumnType,
    format: Option<String>,
    zone: Option<String>,
    decimal: Option<DecimalMark>,
    #[serde(default)]
    currency: TextList,
    strip_suffix: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    when: Vec<Condition>,
}

/// A rule that was checked.
#[derive(Debug, Clone)]
pub(super) struct ColumnRule {
    from: TextList,
    constant: Option<String>,
    style: ValueStyle,
    strip_suffix: Option<String>,
    /// True if a file may lack the columns.
    optional: bool,
    when: Vec<Condition>,
}

/// No text, one or several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
enum TextList {
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

/// A type and how it is written.
#[derive(Debug, Clone)]
enum ValueStyle {
    Text,
    Number(NumberStyle),
    Integer(NumberStyle),
    Time(TimeStyle),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    column: String,
    equals: Option<String>,
    starts_with: Option<String>,
    then: String,
}

impl TextList {
    fn names(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

impl ColumnRule {
    /// Checks a rule; `decimal` is the whole file's mark. The error is what the rule does wrong.
    pub(super) fn new(written: WrittenRule, decimal: Option<DecimalMark>) -> Result<Self, String> {
        written.check()?;
        let numbers = || {
            let currency = written.currency.names().to_vec();
            NumberStyle::new(written.decimal.or(decimal), currency)
        };
        let style = match (written.kind, &written.format) {
            (ColumnType::Text, _) => ValueStyle::Text,
            (ColumnType::Number, _) => ValueStyle::Number(numbers()),
            (ColumnType::Integer, _) => ValueStyle::Integer(numbers()),
            (ColumnType::Time, None) => return Err("is a time and needs a `format`".into()),
            (ColumnType::Time, Some(format)) => {
                ValueStyle::Time(TimeStyle::new(format, written.zone.as_deref())?)
            }
        };
        let rule = Self {
            from: written.from,
            constant: written.constant,
            style,
            strip_suffix: written.strip_suffix,
            optional: written.optional,
            when: written.when,
        };
        let then = rule.when.iter().map(|when| &when.then);
        for text in rule.constant.iter().chain(then) {
            if let Err(why) = rule.value(text) {
                return Err(format!("has the text {text:?}, which is {why}"));
            }
        }
        Ok(rule)
    }

    /// Returns the columns that the rule names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let when = self.when.iter().map(|when| &when.column);
        self.from.names().iter().chain(when).map(String::as_str)
    }

    /// Returns the columns that the file must have.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|_| !self.optional)
    }

    /// Returns true if the rule says something of this row that it does not say of its line.
    pub(super) fn concerns(&self, row: &SourceRow<'_>) -> bool {
        let is_own = |column: &str| row.own().iter().any(|(name, ..)| *name == column);
        row.is_line() || self.names().any(is_own)
    }

    /// Returns the field's text in a row; a blank one means that the field is absent.
    pub(super) fn text<'r>(&'r self, row: &'r SourceRow<'_>) -> Cow<'r, str> {
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
        let mut text = match self.from.names() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(row.text(one)),
            several => {
                let texts: Vec<_> = several.iter().map(|name| row.text(name)).collect();
                Cow::Owned(texts.join(" "))
            }
        };
        if let Some(suffix) = self
            .strip_suffix
            .as_deref()
            .filter(|suffix| text.ends_with(*suffix))
        {
            let kept = text.len() - suffix.len();
            text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..kept]),
                Cow::Owned(text) => Cow::Owned(text[..kept].to_owned()),
            };
        }
        match &self.constant {
            Some(constant) if text.trim().is_empty() => Cow::Borrowed(constant),
            _ => text,
        }
    }

    /// Writes the value of a field. A text that is not of the rule's type is written as it is, and
    /// what it is not is returned; where the transformer could read a number or a moment in it that
    /// the rule does not mean, the text is written behind that.
    pub(super) fn push(&self, json: &mut String, field: &str, text: &str) -> Option<String> {
        match self.value(text) {
            Ok(JsonValue::Bare(value)) => json.push_str(&value),
            Ok(JsonValue::Quoted(value)) => push_quoted(json, &value),
            Err(why) => {
                match NUMBERS_AND_MOMENTS.contains(&field) {
                    true => push_quoted(json, &format!("{why}: {text}")),
                    false => push_quoted(json, text),
                }
                return Some(why);
            }
        }
        None
    }

    fn value<'t>(&self, text: &'t str) -> Result<JsonValue<'t>, String> {
        match &self.style {
            ValueStyle::Text => Ok(JsonValue::Quoted(Cow::Borrowed(text))),
            ValueStyle::Number(style) => Ok(JsonValue::Bare(style.number(text)?)),
            ValueStyle::Integer(style) => Ok(JsonValue::Bare(style.integer(text)?)),
            ValueStyle::Time(style) => {
                let moment = style.moment(text)?;
                let written = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                Ok(JsonValue::Quoted(Cow::Owned(written)))
            }
        }
    }
}

/// What a field holds, before it is JSON.
enum JsonValue<'t> {
    Bare(Cow<'t, str>),
    Quoted(Cow<'t, str>),
}

impl WrittenRule {
    /// Checks the keys that a rule of its type may have.
    fn check(&self) -> Result<(), String> {
        self.zone.as_deref().map_or(Ok(()), time::check_zone)?;
        let is_time = self.kind == ColumnType::Time;
        let is_number = matches!(self.kind, ColumnType::Number | ColumnType::Integer);
        let is_odd = |when: &Condition| when.equals.is_some() == when.starts_with.is_some();
        let complaint = match self {
            Self {
                from: TextList::None,
                constant: None,
                ..
            } => "needs `from` or `constant`",
            Self {
                format: Some(_), ..
            } if !is_time => "has a `format` and needs type = \"time\"",
            Self { zone: Some(_), .. } if !is_time => "has a `zone` and needs type = \"time\"",
            Self {
                decimal: Some(_), ..
            } if !is_number => "has a `decimal` and needs type = \"number\" or \"integer\"",
            _ if !self.currency.names().is_empty() && !is_number => {
                "has a `currency` and needs type = \"number\" or \"integer\""
            }
            Self { when, .. } if when.iter().any(is_odd) => {
                "has a `when` that needs one of `equals` and `starts_with`"
            }
            _ => return Ok(()),
        };
        Err(complaint.into())
    }
}
