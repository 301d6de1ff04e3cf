//! One pass over the bytes of a JSON object or array, before anything descends into
//! it: where it ends, how deep it goes, and whether its escapes are text.

use crate::Rejection;

/// How deep a click may nest.
pub(crate) const MAX_DEPTH: usize = 16;

/// What is wrong with a stretch of JSON, and at which of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: String,
    pub(crate) position: usize,
}

impl Fault {
    fn new(reason: &str, position: usize) -> Self {
        Self {
            reason: reason.into(),
            position,
        }
    }

    /// serde's own sentence, with its line and column made into a byte.
    pub(crate) fn from_serde(error: &serde_json::Error, text: &str) -> Self {
        let line = error.line().saturating_sub(1);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let position = (start + error.column().saturating_sub(1)).min(text.len());
        let sentence = error.to_string();
        let reason = sentence.split(" at line ").next().unwrap_or(&sentence);
        Self::new(reason, position)
    }

    /// The rejection of a body in which this fault lies `offset` bytes on.
    pub(crate) fn at(self, offset: usize) -> Rejection {
        let position = self.position + offset;
        let reason = format!("the body is not JSON at byte {position}: {}", self.reason);
        Rejection::Malformed {
            reason,
            position: Some(position),
        }
    }
}

/// The end of the object or array that begins at byte 0, nested at most `depth` deep.
/// Brackets are counted, not matched: the parser that follows does that.
pub(crate) fn end(text: &str, depth: usize) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string(bytes, at)?,
            b'{' | b'[' => {
                open += 1;
                if open > depth {
                    return Err(Fault::new(
                        "it is nested too deep (16 levels in a click)",
                        at,
                    ));
                }
            }
            b'}' | b']' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    Err(Fault::new("it ends before it is complete", bytes.len()))
}

/// The closing quote of the string that opens at `from`.
fn string(bytes: &[u8], from: usize) -> Result<usize, Fault> {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(at),
            b'\\' => at += escape(bytes, at)?,
            _ => at += 1,
        }
    }
    Err(Fault::new("a string is not closed", bytes.len()))
}

/// The length of the escape at `at`; a surrogate must come with its other half.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match unit(bytes, at) {
        Some(0xd800..=0xdbff) => match unit(bytes, at + 6) {
            Some(0xdc00..=0xdfff) => Ok(12),
            _ => Err(Fault::new("a lone surrogate is no character", at)),
        },
        Some(0xdc00..=0xdfff) => Err(Fault::new("a lone surrogate is no character", at)),
        Some(_) => Ok(6),
        None => Ok(2),
    }
}

/// The number of a `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_07_depth_is_bounded_and_strings_are_respected() {
        let check = |text: &str, expect: Result<usize, usize>| {
            assert_eq!(
                end(text, 16).map_err(|fault| fault.position),
                expect,
                "{text}"
            );
        };
        check(r#"{"a":"}"} "#, Ok(9));
        check(r#"{"a":"\"}"}"#, Ok(11));
        check(&format!("{}{}", "[".repeat(16), "]".repeat(16)), Ok(32));
        check(&format!("{}{}", "[".repeat(17), "]".repeat(17)), Err(16));
        check(&"[".repeat(100_000), Err(16));
        check(&r#"{"a":"#.repeat(100_000), Err(80));
        check(
            &format!("{{\"a\":\"{}\"}}", "[".repeat(100_000)),
            Ok(100_008),
        );
        check(r#"{"a":1"#, Err(6));
        check(r#"{"a"#, Err(3));
        check(r#"{"a\"#, Err(4));
    }

    #[test]
    fn input_10_lone_surrogates_are_refused() {
        let check = |text: &str, expect: Result<usize, usize>| {
            assert_eq!(
                end(text, 16).map_err(|fault| fault.position),
                expect,
                "{text}"
            );
        };
        check(r#"["\ud83d\ude00"]"#, Ok(16));
        check(r#"["\ud83d"]"#, Err(2));
        check(r#"["\ud83d\n"]"#, Err(2));
        check(r#"["\ude00\ud83d"]"#, Err(2));
        check(r#"["\\ud83d"]"#, Ok(11));
        check(r#"["\uD83D\u0041"]"#, Err(2));
    }
}
