//! One pass over the bytes of a JSON object or array, before a parser descends into it:
//! where it ends, how deep it is nested, and whether its escapes are text.

use std::ops::Range;

use super::fault::JsonFault;

/// How deep a click may be nested.
pub(crate) const MAX_DEPTH: usize = 16;
const TOO_DEEP: &str = "it is nested too deep (16 levels in a click)";

/// Returns the end of the object or array that begins at byte 0 and is nested at most
/// `depth` deep. Brackets are counted, not matched: the parser that follows matches them.
pub(crate) fn end(text: &str, depth: usize) -> Result<usize, JsonFault> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string(bytes, at)?,
            b'{' | b'[' => {
                open += 1;
                if open > depth {
                    return Err(JsonFault::no_click(TOO_DEEP, at));
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
    Err(JsonFault::new("it ends before it is complete", bytes.len()))
}

/// The items of the array that begins at byte 0, at most `limit` and one more, and where the
/// array ends. An item may be anything that has its quotes and brackets in pairs, so one that is
/// not JSON costs none of its neighbours.
pub(super) fn items(text: &str, limit: usize) -> Result<(Vec<Range<usize>>, usize), JsonFault> {
    let bytes = text.as_bytes();
    let (mut open, mut at, mut from, mut found) = (0_usize, 0_usize, 1_usize, Vec::new());
    while let Some(byte) = bytes.get(at) {
        let mut item = |end: usize, is_last: bool| {
            let is_blank = text[from..end].trim_ascii().is_empty();
            if is_blank && !(is_last && found.is_empty()) {
                return Err(JsonFault::new("a value is missing", end));
            }
            if !is_blank && found.len() <= limit {
                found.push(from..end);
            }
            from = end + 1;
            Ok(())
        };
        match byte {
            b'"' => at = string(bytes, at)?,
            b'{' | b'[' => open += 1,
            b',' if open == 1 => item(at, false)?,
            b'}' | b']' => {
                if open <= 1 {
                    if *byte == b'}' {
                        return Err(JsonFault::new("expected `,` or `]`", at));
                    }
                    item(at, true)?;
                    return Ok((found, at + 1));
                }
                open -= 1;
            }
            _ => {}
        }
        at += 1;
    }
    Err(JsonFault::new("it ends before it is complete", bytes.len()))
}

/// Returns the closing quote of the string that opens at `from`.
fn string(bytes: &[u8], from: usize) -> Result<usize, JsonFault> {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(at),
            b'\\' => at += escape(bytes, at)?,
            _ => at += 1,
        }
    }
    Err(JsonFault::new("a string is not closed", bytes.len()))
}

/// Returns the length of the escape at `at`. A surrogate must come with its other half.
fn escape(bytes: &[u8], at: usize) -> Result<usize, JsonFault> {
    match unit(bytes, at) {
        Some(0xd800..=0xdbff) => match unit(bytes, at + 6) {
            Some(0xdc00..=0xdfff) => Ok(12),
            _ => Err(JsonFault::new("a lone surrogate is no character", at)),
        },
        Some(0xdc00..=0xdfff) => Err(JsonFault::new("a lone surrogate is no character", at)),
        Some(_) => Ok(6),
        None => Ok(2),
    }
}

/// Returns the UTF-16 unit of the `\uXXXX` at `at`; `None` if another escape is there.
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

    #[test]
    fn an_arrays_items_are_found_whatever_they_are() {
        let check = |text: &str, expect: Result<(&[&str], usize), usize>| {
            let found = items(text, 2).map_err(|fault| fault.position);
            let found = found.map(|(ranges, end)| {
                let shown = ranges.into_iter().map(|range| text[range].to_owned());
                (shown.collect::<Vec<_>>(), end)
            });
            let expect = expect
                .map(|(items, end)| (items.iter().map(|item| (*item).to_owned()).collect(), end));
            assert_eq!(found, expect, "{text}");
        };
        check("[]", Ok((&[], 2)));
        check("[ ] x", Ok((&[], 3)));
        check("[1, {\"a\":[2,3]}]", Ok((&["1", " {\"a\":[2,3]}"], 16)));
        check("[\"],\\\"\",nope]", Ok((&["\"],\\\"\"", "nope"], 13)));
        check("[1,2,3,4]", Ok((&["1", "2", "3"], 9)));
        check("[1,]", Err(3));
        check("[,1]", Err(1));
        check("[1,,2]", Err(3));
        check("[{]", Err(3));
        check("[1}", Err(2));
        check("[\"", Err(2));
        let deep = format!("[{}{},1]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(items(&deep, 2).unwrap().0.len(), 2);
    }
}
