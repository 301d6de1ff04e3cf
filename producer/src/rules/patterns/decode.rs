//! A text as what it attacks would read it: without the disguises that attackers know.

use std::borrow::Cow;

/// How often a text is decoded: attackers encode twice, and no client does so three times.
const MAX_PASSES: usize = 3;

/// A decoded text.
pub(crate) struct DecodedText<'t> {
    lines: Cow<'t, str>,
    text: Option<String>,
}

impl<'t> DecodedText<'t> {
    /// Decodes percent signs, entities and escapes, twice and once more, and brings letters and
    /// quotes into one form.
    pub(crate) fn of(text: &'t str) -> Self {
        let mut lines = Cow::Borrowed(text);
        for _pass in 0..MAX_PASSES {
            match decode_once(&lines) {
                Some(decoded) => lines = Cow::Owned(decoded),
                None => break,
            }
        }
        if lines
            .bytes()
            .any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase() || byte == 0)
        {
            lines = Cow::Owned(in_one_form(&lines));
        }
        let text = needs_collapse(&lines).then(|| collapse(&without_comments(&lines)));
        Self { lines, text }
    }

    /// The text without comments, in lower case, its white space as single spaces.
    pub(crate) fn as_str(&self) -> &str {
        self.text.as_deref().unwrap_or(&self.lines)
    }

    /// The text with its comments and its lines.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }
}

/// One pass of decoding. `None` if nothing is encoded.
fn decode_once(text: &str) -> Option<String> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'&' | b'\\')) {
        return None;
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut changed = false;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let found = match rest[0] {
            b'%' => percent(rest),
            b'&' => entity(rest),
            b'\\' => escape(rest),
            _ => None,
        };
        match found {
            Some((DecodedUnit::Byte(byte), length)) => {
                decoded.push(byte);
                at += length;
                changed = true;
            }
            Some((DecodedUnit::Char(letter), length)) => {
                decoded.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
                changed = true;
            }
            None => {
                decoded.push(rest[0]);
                at += 1;
            }
        }
    }
    changed.then(|| match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

enum DecodedUnit {
    Byte(u8),
    Char(char),
}

/// The number that so many hexadecimal digits are.
fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let digits = std::str::from_utf8(digits?).ok()?;
    let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// `%3c`, and `%u003c` as IIS reads it.
fn percent(rest: &[u8]) -> Option<(DecodedUnit, usize)> {
    if let Some(b'u' | b'U') = rest.get(1) {
        let letter = char::from_u32(hex(rest.get(2..6))?)?;
        return Some((DecodedUnit::Char(letter), 6));
    }
    let byte = u8::try_from(hex(rest.get(1..3))?).ok()?;
    Some((DecodedUnit::Byte(byte), 3))
}

/// `\u003c`, `\u{3c}` and `\x3c`.
fn escape(rest: &[u8]) -> Option<(DecodedUnit, usize)> {
    let (code, length) = match rest.get(1)? {
        b'u' if rest.get(2) == Some(&b'{') => {
            let end = rest.iter().take(10).position(|&byte| byte == b'}')?;
            (hex(rest.get(3..end))?, end + 1)
        }
        b'u' | b'U' => (hex(rest.get(2..6))?, 6),
        b'x' | b'X' => (hex(rest.get(2..4))?, 4),
        _ => return None,
    };
    Some((DecodedUnit::Char(char::from_u32(code)?), length))
}

/// The entities that browsers read and attackers write; the first four need no semicolon.
const ENTITIES: [(&str, char); 27] = [
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("amp", '&'),
    ("apos;", '\''),
    ("colon;", ':'),
    ("semi;", ';'),
    ("lpar;", '('),
    ("rpar;", ')'),
    ("lbrack;", '['),
    ("rbrack;", ']'),
    ("lsqb;", '['),
    ("rsqb;", ']'),
    ("lbrace;", '{'),
    ("rbrace;", '}'),
    ("tab;", '\t'),
    ("newline;", '\n'),
    ("nbsp;", ' '),
    ("sol;", '/'),
    ("bsol;", '\\'),
    ("excl;", '!'),
    ("equals;", '='),
    ("num;", '#'),
    ("grave;", '`'),
    ("comma;", ','),
    ("period;", '.'),
    ("dollar;", '$'),
];

/// `&lt;`, `&#60;` and `&#x3c;`, with a semicolon or without it.
fn entity(rest: &[u8]) -> Option<(DecodedUnit, usize)> {
    if rest.get(1) == Some(&b'#') {
        let is_hex = matches!(rest.get(2), Some(b'x' | b'X'));
        let from = if is_hex { 3 } else { 2 };
        let is_digit = |byte: &u8| match is_hex {
            true => byte.is_ascii_hexdigit(),
            false => byte.is_ascii_digit(),
        };
        let digits = rest[from..]
            .iter()
            .take(10)
            .take_while(|byte| is_digit(byte))
            .count();
        let text = std::str::from_utf8(&rest[from..from + digits]).ok()?;
        let code = u32::from_str_radix(text, if is_hex { 16 } else { 10 }).ok()?;
        let end = from + digits;
        let semicolon = usize::from(rest.get(end) == Some(&b';'));
        return Some((DecodedUnit::Char(char::from_u32(code)?), end + semicolon));
    }
    let name = &rest[1..];
    let is_named = |entity: &str| {
        let head = name.get(..entity.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(entity.as_bytes()))
    };
    let (entity, letter) = ENTITIES.into_iter().find(|(entity, _)| is_named(entity))?;
    let end = 1 + entity.len();
    let semicolon = usize::from(rest.get(end) == Some(&b';'));
    Some((DecodedUnit::Char(letter), end + semicolon))
}

/// Lower case, one form of each quote, wide letters as narrow ones, and no NUL, which some parsers
/// pass over.
fn in_one_form(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\0' => {}
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' | '\u{02bc}'
            | '\u{00b4}' => plain.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2033}' => plain.push('"'),
            '\u{2013}' | '\u{2014}' => plain.push_str("--"),
            '\u{00a0}' | '\u{2028}' | '\u{2029}' | '\u{3000}' => plain.push(' '),
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter);
                plain.push(narrow.to_ascii_lowercase());
            }
            // Both are letters of ASCII to a server that ignores case.
            '\u{017f}' => plain.push('s'),
            '\u{212a}' => plain.push('k'),
            _ => plain.push(letter.to_ascii_lowercase()),
        }
    }
    plain
}

fn needs_collapse(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .windows(2)
        .any(|pair| pair[0] == b' ' && pair[1] == b' ' || pair == b"/*")
        || bytes.iter().any(|&byte| byte < b' ')
}

/// The text with what a database reads of it: nothing of `/* … */`, and the inside of `/*! … */`.
fn without_comments(text: &str) -> Cow<'_, str> {
    if !text.contains("/*") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        let Some(length) = rest[start + 2..].find("*/") else {
            break;
        };
        plain.push_str(&rest[..start]);
        plain.push(' ');
        let inside = &rest[start + 2..start + 2 + length];
        if let Some(inside) = inside.strip_prefix('!') {
            plain.push_str(inside.trim_start_matches(|c: char| c.is_ascii_digit()));
            plain.push(' ');
        }
        rest = &rest[start + 2 + length + 2..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// White space and control characters as single spaces.
fn collapse(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut was_space = false;
    for letter in text.chars() {
        let is_space = letter <= ' ';
        match is_space {
            true if was_space => {}
            true => plain.push(' '),
            false => plain.push(letter),
        }
        was_space = is_space;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_28_disguises_are_taken_off() {
        let check = |text: &str, expect: &str| {
            assert_eq!(DecodedText::of(text).as_str(), expect, "{text}");
        };
        check("plain text", "plain text");
        check("%3Cscript%3E", "<script>");
        check("%253Cscript%253E", "<script>");
        check("%u003cb%u003E", "<b>");
        check("&lt;b&gt;&#60;&#x3C;&#x3cs &lpar;&Tab;1", "<b><<<s ( 1");
        check("&LT b &quot", "< b \"");
        check(r"\u003cb\x3E\u{3e}", "<b>>");
        check("ＵＮＩＯＮ　ſelect", "union select");
        check("‘ or 1=1 –", "' or 1=1 --");
        check("UN\0ION", "union");
        check("UNION/**/SELECT", "union select");
        check("/*!50000UNION*/ a/*b*/c", " union a c");
        check("a\t\r\n b", "a b");
        check("a/*never ends", "a/*never ends");
        for kept in [
            "100%",
            "%zz",
            "%",
            "&",
            "&;",
            "\\",
            "\\u12",
            "&#;",
            "&#x110000;",
            "a & b",
        ] {
            check(kept, kept);
        }
        assert_eq!(DecodedText::of("a%0d%0ab").lines(), "a\r\nb");
    }

    #[test]
    fn input_28_what_is_not_unicode_once_it_is_decoded_is_still_read() {
        assert_eq!(DecodedText::of("%ff<b%c3").as_str(), "\u{fffd}<b\u{fffd}");
    }
}
