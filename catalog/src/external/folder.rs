//! Columns that the names of folders give: `year=2026/month=11`.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// How Hive and its followers write that a value is missing.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// A folder's key and value on the way to a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FolderValue {
    pub(super) key: String,
    /// `None` if it is missing.
    pub(super) value: Option<String>,
    /// True if DuckDB reads the same value from the path by itself.
    pub(super) plain: bool,
}

/// The folder values of a path, each key once.
pub(super) fn folder_values(path: &str) -> Vec<FolderValue> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    let mut values: Vec<FolderValue> = Vec::new();
    for folder in folders.split('/') {
        let Some((key, raw)) = folder.split_once('=') else {
            continue;
        };
        let known = values.iter().any(|one| one.key.eq_ignore_ascii_case(key));
        if key.is_empty() || known {
            continue;
        }
        let value = percent_decode_str(raw).decode_utf8_lossy().into_owned();
        // DuckDB reads these in ways of its own.
        let odd = raw.contains(['=', '\\', '?', '\n']) || value.eq_ignore_ascii_case("null");
        values.push(FolderValue {
            key: key.to_owned(),
            value: (value != NULL_FOLDER).then_some(value),
            plain: !odd && !key.contains(['\\', '?', '\n']),
        });
    }
    values
}

/// The type of each key over all paths: a number only if every value is one, so that `08` and
/// `store=online` stay what they are.
#[derive(Debug, Default)]
pub(super) struct FolderKinds {
    /// Key in the spelling that came first, and whether all values are numbers, by the key in
    /// small letters.
    keys: BTreeMap<String, (String, bool)>,
    /// The keys in the order in which they came.
    order: Vec<String>,
}

impl FolderKinds {
    /// Counts a file's values in.
    pub(super) fn add(&mut self, values: &[FolderValue]) {
        for FolderValue { key, value, .. } in values {
            let number = value.as_deref().is_some_and(is_number);
            let lower = key.to_ascii_lowercase();
            match self.keys.get_mut(&lower) {
                Some((_, all)) => *all &= number,
                None => {
                    self.keys.insert(lower.clone(), (key.clone(), number));
                    self.order.push(lower);
                }
            }
        }
    }

    /// The keys with their types.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.order.iter().map(|lower| {
            let (key, number) = &self.keys[lower];
            (key.as_str(), if *number { "BIGINT" } else { "VARCHAR" })
        })
    }
}

/// Returns true if a whole number, written out again, is this text.
fn is_number(text: &str) -> bool {
    text.parse::<i64>()
        .is_ok_and(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_number_only_if_all_its_values_are() {
        let check = |values: &[&str], expect: &str| {
            let mut kinds = FolderKinds::default();
            for value in values {
                kinds.add(&folder_values(&format!("/t/k={value}/a.parquet")));
            }
            let columns: Vec<_> = kinds.columns().collect();
            assert_eq!(columns, [("k", expect)], "{values:?}");
        };
        check(&["1", "12", "-3", "0"], "BIGINT");
        check(&["00", "10", "23"], "VARCHAR");
        check(&["123", "abc"], "VARCHAR");
        check(&["1", NULL_FOLDER], "VARCHAR");
        check(&["2026-11-22"], "VARCHAR");
        check(&["1.5"], "VARCHAR");
        check(&["9223372036854775807"], "BIGINT");
        check(&["9223372036854775808"], "VARCHAR");
        check(&["+5"], "VARCHAR");
        check(&[""], "VARCHAR");
    }

    #[test]
    fn values_are_decoded_and_odd_ones_are_told() {
        let check = |folder: &str, value: Option<&str>, plain: bool| {
            let values = folder_values(&format!("s3://b/{folder}/x=y.parquet"));
            assert_eq!(values.len(), 1, "{values:?}");
            assert_eq!(values[0].value.as_deref(), value, "{folder}");
            assert_eq!(values[0].plain, plain, "{folder}");
        };
        check("k=a%20b", Some("a b"), true);
        check("k=caf%C3%A9", Some("café"), true);
        check("k=a+b", Some("a+b"), true);
        check("k=a=b", Some("a=b"), false);
        check("k=null", Some("null"), false);
        check("k=__HIVE_DEFAULT_PARTITION__", None, true);
        let twice = folder_values("/Year=1/year=2/a");
        assert_eq!(twice.len(), 1, "{twice:?}");
    }
}
