//! The query of a URL, as it was typed.

use std::collections::BTreeMap;

use catalog::Dimension;
use serde::Deserialize;

/// Keys that are no dimension's name.
const KEYS: [&str; 12] = [
    "range", "from", "to", "step", "metric", "within", "without", "where", "is", "by", "n",
    "format",
];

/// A URL's keys and values, each key once; only `then`, a funnel's step, comes as often as
/// there are steps. An empty value is one that was not given: forms send every field. An
/// unknown key is refused, since a misspelt filter would answer wrongly.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(try_from = "Vec<(String, String)>")]
pub(crate) struct Asked {
    given: BTreeMap<String, String>,
    /// The funnel's steps.
    pub(crate) then: Vec<String>,
}

impl Asked {
    /// A key's value.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str)
    }
}

/// The keys that there are, for whoever wrote another.
pub(crate) fn known() -> String {
    let dimensions = Dimension::ALL.map(Dimension::name).join(", ");
    format!(
        "known are {dimensions}, {}, each once, and then",
        KEYS.join(", ")
    )
}

impl TryFrom<Vec<(String, String)>> for Asked {
    type Error = String;

    fn try_from(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut asked = Self::default();
        for (key, value) in pairs {
            if key == "then" {
                asked
                    .then
                    .extend(Some(value).filter(|value| !value.is_empty()));
                continue;
            }
            if !KEYS.contains(&key.as_str()) && Dimension::named(&key).is_none() {
                return Err(format!("there is no key {key:?}"));
            }
            if value.is_empty() {
                continue;
            }
            if asked.given.contains_key(&key) {
                return Err(format!("{key} is given twice"));
            }
            asked.given.insert(key, value);
        }
        Ok(asked)
    }
}
