//! The fields of a line that are separated by spaces, where quotes and brackets keep some together.

use std::borrow::Cow;

const UNCLOSED: &str = "a quote is not closed: the line may be cut off";

/// Reads the fields of a line from left to right.
pub(super) struct FieldReader<'l> {
    rest: &'l str,
}

impl<'l> FieldReader<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { rest: line }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'l str {
        self.rest.trim()
    }

    /// Returns the next field without its quotes, its escapes undone; `None` at the end.
    pub(super) fn bytes(&mut self) -> Result<Option<Cow<'l, [u8]>>, String> {
        let rest = self.rest.trim_start_matches(' ');
        let (field, rest) = match rest.as_bytes().first() {
            None => return Ok(None),
            Some(b'"') => {
                let quoted = &rest[1..];
                let end = closing(quoted, true).or_else(|| closing(quoted, false));
                let end = end.ok_or(UNCLOSED)?;
                (unescaped(&quoted[..end]), &quoted[end + 1..])
            }
            Some(b'[') => {
                let end = rest.find(']').ok_or("a bracket is not closed")?;
                (Cow::Borrowed(&rest.as_bytes()[1..end]), &rest[end + 1..])
            }
            Some(_) => {
                let (field, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                (Cow::Borrowed(field.as_bytes()), rest)
            }
        };
        self.rest = rest;
        Ok(Some(field))
    }

    /// Returns the next field as text. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub(super) fn text(&mut self) -> Result<Option<String>, String> {
        Ok(self.bytes()?.map(|bytes| match bytes {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()),
        }))
    }
}

/// Returns the place of the quote that ends a field: a space or the line's end comes after it, since
/// not every server escapes the quotes that a client sends.
fn closing(quoted: &str, escapes: bool) -> Option<usize> {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 1,
            b'"' if matches!(bytes.get(at + 1), None | Some(b' ')) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Undoes the escapes of Apache and nginx: `\"`, `\\`, `\t`, `\xe4` and so on. Other backslashes
/// are what they are.
fn unescaped(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('\\') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, taken) = match (first, tail) {
            (b'\\', [b'x', high, low, ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, 4),
                _ => (b'\\', 1),
            },
            (b'\\', [sign @ (b'"' | b'\\'), ..]) => (*sign, 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'b', ..]) => (0x8, 2),
            (b'\\', [b'f', ..]) => (0xc, 2),
            (b'\\', [b'v', ..]) => (0xb, 2),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[taken..];
    }
    Cow::Owned(bytes)
}

/// The value of a hexadecimal digit.
pub(super) fn digit(letter: u8) -> Option<u8> {
    let value = char::from(letter).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_servers_write_them() {
        let check = |line: &str, expect: &[&str]| {
            let mut fields = FieldReader::new(line);
            let mut read = Vec::new();
            while let Some(field) = fields.text().unwrap() {
                read.push(field);
            }
            assert_eq!(read, expect, "{line}");
        };
        check("a  b \"c d\" [e f] g", &["a", "b", "c d", "e f", "g"]);
        check(r#""a \"b\" c" "\\" d"#, &[r#"a "b" c"#, r"\", "d"]);
        check(
            r#""\x22\xc3\xa4\xff\xzz\q" x"#,
            &["\"ä\u{fffd}\\xzz\\q", "x"],
        );
        // A server that escapes nothing.
        check(r#""a "b"""#, &[r#"a "b""#]);
        check(r#""C:\""#, &[r"C:\"]);
        check("", &[]);
        for line in [r#""a b"#, r#""a"b"#, "[a b", r#"a ""#] {
            let mut fields = FieldReader::new(line);
            // What is broken ends the line.
            let broken = loop {
                match fields.text() {
                    Ok(Some(_)) => {}
                    ended => break ended.is_err(),
                }
            };
            assert!(broken, "{line}");
        }
    }
}
