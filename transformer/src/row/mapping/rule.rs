//! Where the value of one field comes from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::Regex;

use crate::row::format::{Entries, EpochUnit, find, fitting, moment};
use crate::row::native::Scalar;
use crate::row::value::number;

/// The beginning of a path within an item of a click.
pub(super) const ITEM: &str = "item.";

/// The objects in which a path is looked for.
pub(super) struct FieldSources<'r> {
    pub(super) own: Entries<'r>,
    pub(super) item: Option<Entries<'r>>,
    pub(super) shared: Option<Entries<'r>>,
}

impl<'r> FieldSources<'r> {
    /// The value at a path, if it is not null: of the item, of the click, or of what its body says of all
    /// its clicks.
    fn find(&self, path: &str) -> Option<&'r serde_json::value::RawValue> {
        let found = match path.strip_prefix(ITEM) {
            Some(path) => find(self.item.as_ref()?, path),
            None => find(&self.own, path).or_else(|| find(self.shared.as_ref()?, path)),
        };
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

/// Where a field's value comes from: the first test that holds, else the first path that has a value, else
/// the constant. Without any of them what the format says stays.
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

impl FieldRule {
    /// The name of the native field.
    pub(super) const fn field(&self) -> &'static str {
        self.field
    }

    /// The value, and the path that has it if it is taken from one.
    pub(super) fn value<'r>(
        &self,
        fields: &FieldSources<'r>,
    ) -> Option<(Scalar<'r>, Option<&str>)> {
        let holds = |test: &&FieldTest| {
            let found = fields.find(&test.path);
            found.is_some_and(|found| test.pattern.is_match(&plain(found.get())))
        };
        if let Some(test) = self.when.iter().find(holds) {
            return Some((text(&test.then), None));
        }
        let taken = self.from.iter().find_map(|path| {
            let value = self.taken(fields.find(path)?)?;
            Some((value, Some(path.as_str())))
        });
        taken.or_else(|| Some((text(self.constant.as_ref()?), None)))
    }

    /// What becomes of a value; `None` if the field's column takes no such value.
    fn taken<'r>(&self, found: &'r serde_json::value::RawValue) -> Option<Scalar<'r>> {
        if let Some(unit) = self.unit {
            return moment(found, unit).map(|moment| Scalar::Text(moment.into()));
        }
        let value = match &self.pattern {
            None => fitting(self.field, found).ok()??,
            Some(pattern) => {
                let whole = plain(found.get());
                let found = pattern.captures(&whole)?;
                text(found.get(1).or_else(|| found.get(0))?.as_str())
            }
        };
        let value = match &value {
            Scalar::Text(known) => self.words.get(known.as_ref()).map(|word| text(word)),
            _ => None,
        }
        .unwrap_or(value);
        if value.is_blank() {
            return None;
        }
        match self.divide {
            None => Some(value),
            Some(by) => number(self.field, &value)
                .ok()?
                .map(|number| Scalar::Float(number / by)),
        }
    }
}

/// A value as a text: a JSON text without its quotes, or any other value as it was written.
fn plain(json: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Scalar<'_>>(json) {
        Ok(Scalar::Text(text)) => text,
        _ => Cow::Borrowed(json),
    }
}

/// A value of ours.
fn text<'r>(text: &str) -> Scalar<'r> {
    Scalar::Text(Cow::Owned(text.to_owned()))
}
