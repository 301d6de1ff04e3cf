//! The parts of a request that are kept, as an object of JSON whose values are texts.

use std::borrow::Cow;

use crate::secrets::AddressCleaner;

/// How much of a value is kept.
const MAX_VALUE_BYTES: usize = 1_024;
/// How large all of it may be: each click of a body has it. What does not fit is left out.
const MAX_PARTS_BYTES: usize = 4_096;

/// What is kept of a request.
pub(super) struct RequestParts<'c> {
    cleaner: &'c AddressCleaner,
    names: Vec<String>,
    json: String,
    /// True if a secret was taken out.
    is_redacted: bool,
}

impl<'c> RequestParts<'c> {
    pub(super) fn new(cleaner: &'c AddressCleaner) -> Self {
        Self {
            cleaner,
            names: Vec::new(),
            json: String::new(),
            is_redacted: false,
        }
    }

    /// Adds a part, unless it is there already or is empty.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        if value.is_empty() || self.names.iter().any(|known| known == name) {
            return;
        }
        // Where a text is cut nothing shows any more what a secret is.
        let cleaned = self.cleaner.clean(value);
        let cut = &cleaned[..cleaned.floor_char_boundary(MAX_VALUE_BYTES)];
        let quoted = |text: &str| serde_json::to_string(text).expect("text is JSON");
        let (member, value) = (quoted(name), quoted(cut));
        if self.json.len() + member.len() + value.len() + 3 > MAX_PARTS_BYTES {
            return;
        }
        self.is_redacted |= matches!(cleaned, Cow::Owned(_));
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.json.push_str(&member);
        self.json.push(':');
        self.json.push_str(&value);
        self.names.push(name.to_owned());
    }

    /// The object, and whether a secret was taken out; `None` if nothing was added.
    pub(super) fn end(mut self) -> Option<(String, bool)> {
        if self.json.is_empty() {
            return None;
        }
        self.json.push('}');
        Some((self.json, self.is_redacted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_cleaned_and_there_once() {
        let cleaner = AddressCleaner::of(&[]);
        let mut parts = RequestParts::new(&cleaner);
        parts.put("referer", "https://u:p@h/");
        parts.put("referer", "twice");
        parts.put("empty", "");
        parts.put("long", &"é".repeat(1_000));
        parts.put("quoted", &"\"".repeat(500));
        for name in ["a", "b", "c", "d"] {
            parts.put(name, &"x".repeat(1_024));
        }
        let (json, is_redacted) = parts.end().unwrap();
        assert!(json.len() <= MAX_PARTS_BYTES && is_redacted, "{json}");
        let read: std::collections::BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
        let names: Vec<_> = read.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "long", "quoted", "referer"], "{}", json.len());
        assert_eq!(
            (&*read["referer"], read["long"].len()),
            ("https://h/", 1_024)
        );
        assert!(RequestParts::new(&cleaner).end().is_none());
    }
}
