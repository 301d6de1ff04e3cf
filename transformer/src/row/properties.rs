//! What the client sent and no column holds: one JSON object, values byte for byte, the
//! last of two equal keys winning.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The entries, in the order in which their keys came first.
#[derive(Debug, Default)]
pub(crate) struct Properties<'r> {
    entries: Vec<(Cow<'r, str>, Cow<'r, str>)>,
}

impl<'r> Properties<'r> {
    /// Takes a value as the client wrote it.
    pub(crate) fn insert(&mut self, key: Cow<'r, str>, value: &'r RawValue) {
        self.put(key, Cow::Borrowed(value.get()));
    }

    /// Takes a text of ours.
    pub(crate) fn insert_text(&mut self, key: &'static str, text: &str) {
        let json = serde_json::to_string(text).expect("text is JSON");
        self.put(Cow::Borrowed(key), Cow::Owned(json));
    }

    /// Takes a flag of ours.
    pub(crate) fn insert_true(&mut self, key: &'static str) {
        self.put(Cow::Borrowed(key), Cow::Borrowed("true"));
    }

    /// Takes JSON that the edge wrote.
    pub(crate) fn insert_object(&mut self, key: &'static str, json: &'r str) {
        self.put(Cow::Borrowed(key), Cow::Borrowed(json));
    }

    /// Takes the entries of the client's own `properties`.
    ///
    /// # Errors
    /// A sentence if it is neither an object nor null nor an empty text.
    pub(crate) fn nest(&mut self, properties: &'r RawValue) -> Result<(), String> {
        if matches!(properties.get(), "null" | "\"\"") {
            return Ok(());
        }
        let entries =
            entries(properties.get()).map_err(|_| "properties: not an object".to_owned())?;
        for (key, value) in entries {
            self.insert(key, value);
        }
        Ok(())
    }

    /// Takes what other properties hold.
    pub(crate) fn extend(&mut self, other: Self) {
        for (key, value) in other.entries {
            self.put(key, value);
        }
    }

    /// Drops the entries that do not stay.
    pub(crate) fn keep(&mut self, stays: impl Fn(&str) -> bool) {
        self.entries.retain(|(known, _)| stays(known));
    }

    /// Gives these entries a text of ours, made of theirs: of a JSON text without its quotes, or of any
    /// other value as it was written. Null stays null.
    pub(crate) fn replace(
        &mut self,
        is_meant: impl Fn(&str) -> bool,
        made: impl Fn(&str) -> String,
    ) {
        for (key, value) in &mut self.entries {
            if is_meant(key) && value != "null" {
                let text = serde_json::from_str::<String>(value);
                let text = made(text.as_deref().unwrap_or(value));
                *value = Cow::Owned(serde_json::to_string(&text).expect("text is JSON"));
            }
        }
    }

    /// Takes JSON of ours.
    pub(crate) fn insert_json(&mut self, key: &'static str, json: String) {
        self.put(Cow::Borrowed(key), Cow::Owned(json));
    }

    /// Drops the entry that has this very value of the client's text.
    pub(crate) fn remove_value(&mut self, value: &'r RawValue) {
        let is_it = |known: &str| std::ptr::eq(known, value.get());
        self.entries.retain(|(_, known)| !is_it(known));
    }

    /// Drops the entry of a key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.entries.retain(|(known, _)| known != key);
    }

    /// Few entries: a list searched from the front beats a map.
    fn put(&mut self, key: Cow<'r, str>, value: Cow<'r, str>) {
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key, value)),
        }
    }

    /// The JSON object; `None` if there is nothing.
    pub(crate) fn json(&self) -> Option<String> {
        if self.entries.is_empty() {
            return None;
        }
        let mut json = String::with_capacity(
            self.entries
                .iter()
                .map(|(key, value)| key.len() + value.len() + 6)
                .sum(),
        );
        for (key, value) in &self.entries {
            json.push(if json.is_empty() { '{' } else { ',' });
            json.push_str(&serde_json::to_string(key).expect("text is JSON"));
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        Some(json)
    }
}

/// Reads an object's entries, in their order, without reading its values.
///
/// # Errors
/// If the text is not an object of JSON.
pub(crate) fn entries(object: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, serde_json::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                entries.push((Cow::Owned(key), value));
            }
            Ok(entries)
        }
    }
    serde_json::Deserializer::from_str(object).deserialize_map(Entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_08_the_last_of_equal_keys_wins_and_values_stay_as_written() {
        let nested: &RawValue =
            serde_json::from_str(r#"{"a":1.50,"b":{"c" : 1e999},"a":123456789012345678901}"#)
                .unwrap();
        let mut properties = Properties::default();
        properties.nest(nested).unwrap();
        properties.insert_text("q", "\"");
        assert_eq!(
            properties.json().unwrap(),
            r#"{"a":123456789012345678901,"b":{"c" : 1e999},"q":"\""}"#
        );
        assert!(Properties::default().json().is_none());
    }
}
