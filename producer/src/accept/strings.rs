//! The strings of JSON, one after the other, without a tree: what is no JSON gives what strings it
//! has.

use std::borrow::Cow;

/// A string of JSON, and the key that it is the value of.
pub(crate) struct JsonString<'j> {
    /// The nearest key before it; empty if there is none. As it is written.
    pub(crate) key: &'j str,
    pub(crate) text: Cow<'j, str>,
    /// True if it is a key itself.
    pub(crate) is_key: bool,
}

/// Goes over the strings of a text of JSON.
pub(crate) struct JsonStrings<'j> {
    text: &'j str,
    at: usize,
    key: &'j str,
}

impl<'j> JsonStrings<'j> {
    pub(crate) fn of(text: &'j str) -> Self {
        Self {
            text,
            at: 0,
            key: "",
        }
    }
}

impl<'j> Iterator for JsonStrings<'j> {
    type Item = JsonString<'j>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = self.at + bytes[self.at..].iter().position(|&byte| byte == b'"')? + 1;
        let mut end = start;
        let mut has_escapes = false;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        let end = end.min(bytes.len());
        let written = self.text.get(start..end).unwrap_or_default();
        self.at = (end + 1).min(bytes.len());
        let behind = bytes[self.at..]
            .iter()
            .find(|byte| !byte.is_ascii_whitespace());
        let is_key = behind == Some(&b':');
        if is_key {
            self.key = written;
        }
        let text = match has_escapes {
            true => unescape(written),
            false => Cow::Borrowed(written),
        };
        Some(JsonString {
            key: self.key,
            text,
            is_key,
        })
    }
}

/// A string without its escapes, or as it is written if they are none of JSON's.
fn unescape(written: &str) -> Cow<'_, str> {
    let quoted = format!("\"{written}\"");
    match serde_json::from_str::<String>(&quoted) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_with_their_keys_whatever_else_is_there() {
        let check = |json: &str, expect: &[(&str, &str, bool)]| {
            let strings: Vec<_> = JsonStrings::of(json).collect();
            let found: Vec<_> = strings
                .iter()
                .map(|one| (one.key, &*one.text, one.is_key))
                .collect();
            assert_eq!(found, expect, "{json}");
        };
        check(
            r#"{"a":"b","c" : [1,"d",{"e":null}]}"#,
            &[
                ("a", "a", true),
                ("a", "b", false),
                ("c", "c", true),
                ("c", "d", false),
                ("e", "e", true),
            ],
        );
        check(r#"["\"x\" \u003cb\\"]"#, &[("", "\"x\" <b\\", false)]);
        check(r#"{"a":"\q"}"#, &[("a", "a", true), ("a", r"\q", false)]);
        check(r#"{"never ends"#, &[("", "never ends", false)]);
        check(
            r#"{"a":"ends in \"#,
            &[("a", "a", true), ("a", r"ends in \", false)],
        );
        check("\"é\\", &[("", "é\\", false)]);
        check("1", &[]);
        check("", &[]);
    }
}
