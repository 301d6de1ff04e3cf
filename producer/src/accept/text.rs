//! A body as text: without its byte order mark, and Unicode throughout. What is not Unicode
//! becomes U+FFFD, and it is known where: bytes that are not UTF-8, and half of a character
//! that JavaScript cut in two (`\ud83c`).

use std::borrow::Cow;
use std::ops::Range;

use super::rejection::Rejection;

/// The escape of U+FFFD, as long as that of half a character.
const REPLACEMENT_ESCAPE: &str = r"\ufffd";

/// A body as text. It is borrowed, and nothing is copied, if the body is Unicode.
#[derive(Debug)]
pub(crate) struct BodyText<'b> {
    text: Cow<'b, str>,
    /// The bytes of the text that took the place of something else, ascending.
    replaced: Vec<usize>,
    /// The body behind its byte order mark.
    body: &'b [u8],
    /// The size of that mark in bytes.
    mark: usize,
}

impl<'b> BodyText<'b> {
    /// Reads a body. UTF-16 and UTF-32 are refused.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Rejection> {
        let wide = |sentence: &str| Err(Rejection::Unsupported(sentence.into()));
        match body {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return wide("the body is UTF-16"),
            [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, _, ..] => return wide("the body is UTF-32"),
            // The first character of JSON is ASCII, so a NUL beside it is half of UTF-16.
            [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..] => return wide("the body is UTF-16"),
            _ => {}
        }
        let stripped = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let (text, mut replaced) = lossy(stripped);
        let halves = lone_halves(&text);
        let text = match halves.is_empty() {
            true => text,
            false => Cow::Owned(with_replacements(text.into_owned(), &halves)),
        };
        if !halves.is_empty() {
            replaced.extend(halves);
            replaced.sort_unstable();
        }
        Ok(Self {
            text,
            replaced,
            body: stripped,
            mark: body.len() - stripped.len(),
        })
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if U+FFFD took the place of something in a part of [`BodyText::as_str`], or in
    /// what an adapter made of one.
    pub(super) fn is_replaced(&self, part: &str) -> bool {
        if self.replaced.is_empty() {
            return false;
        }
        if !self.text.as_bytes().as_ptr_range().contains(&part.as_ptr()) {
            return part.contains(char::REPLACEMENT_CHARACTER) || part.contains(REPLACEMENT_ESCAPE);
        }
        let range = self.range(part);
        let first = self.replaced.partition_point(|at| *at < range.start);
        self.replaced.get(first).is_some_and(|at| *at < range.end)
    }

    /// Where a part of [`BodyText::as_str`] is in it.
    fn range(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr().addr() - self.text.as_ptr().addr();
        start..start + part.len()
    }

    /// The byte of the body that is byte `at` of a part of [`BodyText::as_str`].
    pub(super) fn place(&self, part: &str, at: usize) -> usize {
        self.in_body(self.range(part).start + at)
    }

    /// The byte of the body, with its mark, that is byte `at` of the text.
    fn in_body(&self, at: usize) -> usize {
        let (mut text_at, mut body_at) = (0, self.mark);
        if self.replaced.is_empty() {
            return body_at + at;
        }
        for chunk in self.body.utf8_chunks() {
            let valid = chunk.valid().len();
            if at <= text_at + valid {
                return body_at + at - text_at;
            }
            text_at += valid + char::REPLACEMENT_CHARACTER.len_utf8();
            body_at += valid + chunk.invalid().len();
        }
        body_at
    }
}

/// The bytes as text, and where U+FFFD is in the place of bytes that are not UTF-8.
fn lossy(bytes: &[u8]) -> (Cow<'_, str>, Vec<usize>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), Vec::new());
    }
    let (mut text, mut replaced) = (String::with_capacity(bytes.len() + 16), Vec::new());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            replaced.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (Cow::Owned(text), replaced)
}

/// The escapes in JSON of half a character without its other half.
fn lone_halves(text: &str) -> Vec<usize> {
    let (bytes, mut at, mut found) = (text.as_bytes(), 0, Vec::new());
    while let Some(next) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        at += match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                found.push(at);
                6
            }
            Some(_) => 6,
            // What follows may be any character; only a second backslash must be passed over.
            None if bytes.get(at + 1) == Some(&b'\\') => 2,
            None => 1,
        };
    }
    found
}

/// The UTF-16 unit of the `\uXXXX` at `at`; `None` if another escape is there.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn with_replacements(mut text: String, halves: &[usize]) -> String {
    for at in halves {
        text.replace_range(*at..*at + REPLACEMENT_ESCAPE.len(), REPLACEMENT_ESCAPE);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], expect: Result<&str, u16>, replaced: &[usize]) {
        let read = BodyText::read(body);
        let text = read.as_ref().map(BodyText::as_str);
        assert_eq!(text.map_err(Rejection::status), expect, "{body:?}");
        if let Ok(read) = read {
            assert_eq!(read.replaced, replaced, "{body:?}");
        }
    }

    #[test]
    fn input_10_text_that_is_not_utf_8() {
        check(b"{}", Ok("{}"), &[]);
        check(b"\xef\xbb\xbf{}", Ok("{}"), &[]);
        check(b"\xff\xfe{\0}\0", Err(415), &[]);
        check(b"\xfe\xff\0{\0}", Err(415), &[]);
        check(b"{\0}\0", Err(415), &[]);
        check(b"\0{\0}", Err(415), &[]);
        check(b"{\"a\":\"caf\xe9\"}", Ok("{\"a\":\"caf\u{fffd}\"}"), &[9]);
        check(
            b"{\"a\":\"\xed\xa0\x80\"}",
            Ok("{\"a\":\"\u{fffd}\u{fffd}\u{fffd}\"}"),
            &[6, 9, 12],
        );
    }

    #[test]
    fn b54_half_a_character_is_replaced_in_its_place() {
        check(br#"["\ud83d\ude00"]"#, Ok(r#"["\ud83d\ude00"]"#), &[]);
        check(br#"["x\ud83d"]"#, Ok(r#"["x\ufffd"]"#), &[3]);
        check(br#"["\ud83d\n"]"#, Ok(r#"["\ufffd\n"]"#), &[2]);
        check(br#"["\ude00\ud83d"]"#, Ok(r#"["\ufffd\ufffd"]"#), &[2, 8]);
        check(br#"["\\ud83d"]"#, Ok(r#"["\\ud83d"]"#), &[]);
        check(br#"["\\\ud83d"]"#, Ok(r#"["\\\ufffd"]"#), &[4]);
        check(br#"["\uD83D\u0041"]"#, Ok(r#"["\ufffd\u0041"]"#), &[2]);
        check(
            br#"["\ud83d\ud83d\ude00"]"#,
            Ok(r#"["\ufffd\ud83d\ude00"]"#),
            &[2],
        );
        check("[\"\\é\\ud83d\"]".as_bytes(), Ok("[\"\\é\\ufffd\"]"), &[5]);
        check(br#"["\ud8"#, Ok(r#"["\ud8"#), &[]);
        check(b"\\", Ok("\\"), &[]);
    }

    #[test]
    fn a_place_in_the_text_is_told_as_a_place_in_the_body() {
        let read = BodyText::read(b"\xef\xbb\xbfa\xe9b\xe9c").unwrap();
        assert_eq!(read.as_str(), "a\u{fffd}b\u{fffd}c");
        let places = [0, 4, 8, 9].map(|at| read.in_body(at));
        assert_eq!(places, [3, 5, 7, 8]);
        assert_eq!(BodyText::read(b"\xef\xbb\xbfabc").unwrap().in_body(2), 5);
        let is_replaced = [0..1, 0..4, 4..5, 5..9];
        let is_replaced = is_replaced.map(|range| read.is_replaced(&read.as_str()[range]));
        assert_eq!(is_replaced, [false, true, false, true]);
        let made = ["a", "a\u{fffd}", r"\ufffd"].map(|made| read.is_replaced(made));
        assert_eq!(made, [false, true, true]);
    }
}
