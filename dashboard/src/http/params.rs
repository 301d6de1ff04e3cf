//! The parameters in a URL's query.

use std::collections::BTreeMap;

use catalog::Dimension;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// The parameters that are not a dimension's name.
const PARAM_NAMES: [&str; 13] = [
    "range", "from", "to", "step", "metric", "within", "without", "where", "is", "by", "n",
    "format", "then",
];
/// How many letters a misspelt name may have wrong to be recognised.
const MAX_TYPOS: usize = 2;
/// What a value in a query must escape. Times and lists stay legible.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b',');

/// A URL's parameters, each given once. Only `then`, a step of the funnel, may be repeated. An
/// empty value counts as not given, because forms send every field. An unknown name is an
/// error, because a misspelt filter would give a wrong answer.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(try_from = "Vec<(String, String)>")]
pub(crate) struct QueryParams {
    given: BTreeMap<String, String>,
    /// The funnel's steps.
    pub(crate) then: Vec<String>,
}

impl QueryParams {
    /// A parameter's value; `None` if it was not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }
}

/// The names of all parameters, as a remedy.
pub(crate) fn known_params() -> String {
    format!("the parameters are {}", param_names().join(", "))
}

/// Text as a value in a URL's query.
pub(crate) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, &ESCAPED).to_string()
}

/// The one of `known` that is most like `name`; `None` if none is.
pub(crate) fn similar<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let nearest = known.into_iter().min_by_key(|known| distance(known))?;
    (distance(nearest) <= MAX_TYPOS && nearest.len() > MAX_TYPOS).then_some(nearest)
}

/// The names of all parameters.
pub(crate) fn param_names() -> Vec<&'static str> {
    let dimensions = Dimension::ALL.map(Dimension::name);
    dimensions.into_iter().chain(PARAM_NAMES).collect()
}

impl TryFrom<Vec<(String, String)>> for QueryParams {
    type Error = String;

    fn try_from(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut params = Self::default();
        let names = param_names();
        for (name, value) in pairs {
            if !names.contains(&name.as_str()) {
                let guess = similar(&name, names.iter().copied())
                    .map(|guess| format!(". Did you mean '{guess}'?"));
                return Err(format!(
                    "unknown parameter '{name}'{}",
                    guess.unwrap_or_default()
                ));
            }
            if value.is_empty() {
                continue;
            }
            if name == "then" {
                params.then.push(value);
            } else if params.given.insert(name.clone(), value).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(similar(name, param_names()), expect, "{name}");
        };
        check("acton", Some("action"));
        check("contry", Some("country"));
        check("metirc", Some("metric"));
        check("Range", Some("range"));
        check("colour", None);
        check("x", None);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for (text, expect) in [
            ("Côte d'Ivoire", "C%C3%B4te%20d%27Ivoire"),
            ("2026-11-22T21:00:00Z", "2026-11-22T21:00:00Z"),
            ("a&b=<script>", "a%26b%3D%3Cscript%3E"),
        ] {
            assert_eq!(percent_encode(text), expect);
            let read = percent_encoding::percent_decode_str(expect).decode_utf8();
            assert_eq!(read.unwrap(), text);
        }
    }
}
