//! Where the value of one field comes from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::Regex;
use serde_json::value::RawValue;

use crate::row::format::{Entries, EpochUnit, find, fitting, moment};
use crate::row::moment::parse as parsed;
use crate::row::native::Scalar;
use crate::row::value::{number, whole};

/// The beginning of a path within an item of a click.
const ITEM: &str = "item.";

/// The objects in which a path is looked for.
pub(super) struct FieldSources<'r> {
    pub(super) own: Entries<'r>,
    pub(super) item: Option<Entries<'r>>,
    pub(super) shared: Option<Entries<'r>>,
}

impl<'r> FieldSources<'r> {
    /// The values at a path that are not null: of the item, or of the click and then of what its body says
    /// of all its clicks.
    fn all(&self, path: &str) -> impl Iterator<Item = &'r RawValue> {
        let found = match path.strip_prefix(ITEM) {
            Some(path) => [self.item.as_ref().and_then(|item| find(item, path)), None],
            None => [
                find(&self.own, path),
                self.shared.as_ref().and_then(|shared| find(shared, path)),
            ],
        };
        let found = found.into_iter().flatten();
        found.filter(|found| found.get() != "null")
    }
}

/// A test of a field, and the value if it holds.
#[derive(Debug)]
pub(super) struct FieldTest {
    pub(super) path: String,
    pub(super) pattern: Regex,
    pub(super) then: String,
}

/// Where a field's value comes from: the first test that holds, else the first path that has a value that
/// fits, else what the format says, else the constant.
#[derive(Debug)]
pub(super) struct FieldRule {
    pub(super) field: &'static str,
    pub(super) when: Vec<FieldTest>,
    pub(super) from: Vec<String>,
    /// What of the text at a path is taken: the first group, or all that matches.
    pub(super) pattern: Option<Regex>,
    /// Texts, and what they become.
    pub(super) words: BTreeMap<String, String>,
    /// A number is divided by it: cents by 100.
    pub(super) divide: Option<f64>,
    /// What a number counts since 1970.
    pub(super) unit: Option<EpochUnit>,
    pub(super) constant: Option<String>,
}

/// What a rule makes of a click.
pub(super) struct RuledValue<'r> {
    pub(super) value: Scalar<'r>,
    /// The value that it was taken from as it is.
    pub(super) taken: Option<&'r RawValue>,
}

impl<'r> RuledValue<'r> {
    fn made(text: &str) -> Self {
        Self {
            value: Scalar::Text(Cow::Owned(text.to_owned())),
            taken: None,
        }
    }
}

impl FieldRule {
    /// The value by a test or a path.
    pub(super) fn value<'r>(&self, fields: &FieldSources<'r>) -> Option<RuledValue<'r>> {
        let holds = |test: &&FieldTest| {
            let mut found = fields.all(&test.path);
            found.any(|found| test.pattern.is_match(&plain(found)))
        };
        if let Some(test) = self.when.iter().find(holds) {
            return Some(RuledValue::made(&test.then));
        }
        let mut found = self.from.iter().flat_map(|path| fields.all(path));
        found.find_map(|found| self.taken(found))
    }

    /// The value of a click that has none.
    pub(super) fn default<'r>(&self) -> Option<Scalar<'r>> {
        let text = self.constant.clone()?;
        Some(Scalar::Text(Cow::Owned(text)))
    }

    /// What becomes of a value; `None` if there is none, or the field's column takes no such value.
    fn taken<'r>(&self, found: &'r RawValue) -> Option<RuledValue<'r>> {
        if let Some(unit) = self.unit {
            return Some(RuledValue::made(&moment(found, unit)?)).filter(|made| self.holds(made));
        }
        let whole = plain(found);
        let text = match &self.pattern {
            None => whole.as_ref(),
            Some(pattern) => {
                let found = pattern.captures(&whole)?;
                found.get(1).or_else(|| found.get(0))?.as_str()
            }
        };
        let mut made = match self.words.get(text) {
            Some(word) => RuledValue::made(word),
            None if self.pattern.is_some() => RuledValue::made(text),
            None => RuledValue {
                value: fitting(self.field, found).ok()??,
                taken: Some(found),
            },
        };
        if let Some(by) = self.divide {
            let number = number(self.field, &made.value).ok()??;
            (made.value, made.taken) = (Scalar::Float(number / by), None);
        }
        Some(made).filter(|made| self.holds(made))
    }

    fn holds(&self, made: &RuledValue<'_>) -> bool {
        !made.value.is_blank() && is_fitting(self.field, &made.value)
    }
}

/// Returns true if a field's column takes a value.
pub(super) fn is_fitting(field: &str, value: &Scalar<'_>) -> bool {
    match (field, value) {
        ("quantity", value) => whole(field, value).is_ok(),
        ("price", value) => number(field, value).is_ok(),
        ("occurred_at", Scalar::Text(text)) => parsed(text.trim()).is_some(),
        ("occurred_at", Scalar::Signed(_) | Scalar::Float(_)) => true,
        ("occurred_at", _) | (_, Scalar::Nested | Scalar::Bool(_)) => false,
        _ => true,
    }
}

/// A value as a text: a JSON text without its quotes, or any other value as it was written.
fn plain(value: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<Scalar<'_>>(value.get()) {
        Ok(Scalar::Text(text)) => text,
        _ => Cow::Borrowed(value.get()),
    }
}
