//! The parts of a text that are user info of an address, or a parameter with a secret name.
//!
//! A text is an address, or has some in it. So nothing is parsed: user info is what is before the
//! last `@` of an authority, wherever one begins; a parameter is a name behind something that parts
//! parameters, `=`, and what follows up to the next such thing.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::names::{SecretNames, is_name_byte};

/// The schemes whose authority begins behind the colon, with as many slashes as there are.
const SPECIAL_SCHEMES: [&[u8]; 5] = [b"http", b"https", b"ws", b"wss", b"ftp"];
/// What HTML made of an ampersand, behind it; perhaps several times.
const AMPERSAND_RESTS: [&[u8]; 4] = [b"amp;", b"#38;", b"#038;", b"#x26;"];

/// A text, and how often each of its bytes was percent-decoded. A byte that was decoded once more
/// than another parts nothing of what that one is a part of.
#[derive(Clone, Copy)]
pub(super) struct Layer<'t> {
    pub(super) bytes: &'t [u8],
    /// Empty if none of them was decoded.
    pub(super) levels: &'t [u8],
}

impl Layer<'_> {
    pub(super) fn level(&self, at: usize) -> u8 {
        self.levels.get(at).copied().unwrap_or_default()
    }
}

/// Adds the ranges that have to go.
pub(super) fn find(text: Layer<'_>, names: &SecretNames, found: &mut Vec<Range<usize>>) {
    if memchr(b'@', text.bytes).is_some() {
        find_user_info(text, found);
    }
    find_parameters(text, names, found);
}

/// Where an authority begins.
struct UrlAuthority {
    start: usize,
    /// True if the address is a parameter's value as it is, so that another parameter may follow.
    is_value: bool,
}

fn find_user_info(text: Layer<'_>, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(authority) = next_authority(text.bytes, from) {
        let start = authority.start;
        let end = authority_end(text, &authority);
        if let Some(last) = memrchr(b'@', &text.bytes[start..end]) {
            found.push(start..start + last + 1);
        }
        from = start;
    }
}

/// The first authority that begins behind `from`.
fn next_authority(text: &[u8], mut from: usize) -> Option<UrlAuthority> {
    let slashes_end = |mut at: usize| {
        while is_slash(&text[at..]) {
            at += 1;
        }
        at
    };
    loop {
        let at = from + memchr2(b':', b'/', text.get(from..)?)?;
        from = at + 1;
        let (begin, start) = match text[at] {
            b':' => {
                let scheme = word_start(text, at, |byte| matches!(byte, b'+' | b'-' | b'.'));
                let is_special = SPECIAL_SCHEMES
                    .iter()
                    .any(|special| special.eq_ignore_ascii_case(&text[scheme..at]));
                match (is_special, text[from..].starts_with(b"//")) {
                    (true, _) => (scheme, slashes_end(from)),
                    (false, true) => (scheme, from + 2),
                    (false, false) => continue,
                }
            }
            _ if is_slash(&text[from..]) && is_outset(text, at) => (at, slashes_end(from)),
            _ => continue,
        };
        return Some(UrlAuthority {
            start,
            is_value: begin > 0 && text[begin - 1] == b'=',
        });
    }
}

/// Returns true if a slash is at the beginning, or a backslash, which is one to browsers, unless it
/// begins an escape.
fn is_slash(text: &[u8]) -> bool {
    match text {
        [b'/', ..] => true,
        [b'\\', b'"', ..] => false,
        [b'\\', b'u', digits @ ..] => {
            let digits = digits.get(..4);
            !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        }
        [b'\\', ..] => true,
        _ => false,
    }
}

/// Returns true if an address without its scheme may begin here: not within another's path.
fn is_outset(text: &[u8], at: usize) -> bool {
    at == 0
        || matches!(
            text[at - 1],
            b' ' | b'\t'
                | b'\n'
                | b'\r'
                | b'"'
                | b'\''
                | b'`'
                | b'='
                | b'('
                | b'['
                | b'{'
                | b'<'
                | b'>'
                | b','
                | b';'
                | b'|'
                | b'&'
                | b'?'
                | b'#'
                | b'@'
        )
}

/// Where an authority ends.
fn authority_end(text: Layer<'_>, authority: &UrlAuthority) -> usize {
    let start = authority.start;
    let level = text.level(start - 1);
    let is_end = |(at, byte): (usize, &u8)| match byte {
        b'/' | b'\\' | b'?' | b'#' | b'"' | b'<' | b'>' | b'\n' | b'\r' | b'\t' => true,
        b'&' | b';' => authority.is_value || text.level(start + at) < level,
        b' ' => !is_password_begun(&text.bytes[start..start + at]),
        _ => false,
    };
    let ends = text.bytes[start..].iter().enumerate().position(is_end);
    ends.map_or(text.bytes.len(), |length| start + length)
}

/// Returns true if a colon is followed by what is no port: then a space is a part of a password,
/// and not the end of an address in a sentence.
fn is_password_begun(authority: &[u8]) -> bool {
    let colon = memchr(b':', authority).filter(|_| !authority.starts_with(b"["));
    colon.is_some_and(|colon| !authority[colon + 1..].iter().all(u8::is_ascii_digit))
}

fn find_parameters(text: Layer<'_>, names: &SecretNames, found: &mut Vec<Range<usize>>) {
    let mut gone: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    for equals in memchr_iter(b'=', text.bytes) {
        let before = &text.bytes[..equals];
        if equals < from || !(before.ends_with(b"]") || names.end(before)) {
            continue;
        }
        let start = word_start(text.bytes, equals, |byte| {
            is_name_byte(byte) || matches!(byte, b'[' | b']')
        });
        if !names.have(&text.bytes[start..equals]) || !is_parameter(text.bytes, start) {
            continue;
        }
        let parameter = Parameter {
            start,
            level: text.level(equals),
            end: value_end(text, start, equals),
        };
        from = parameter.end;
        let whole = parameter.with_partings(text, &mut gone);
        gone.push(whole);
    }
    found.append(&mut gone);
}

/// Where the word begins that ends at `end`: letters, digits, and what `others` holds for.
fn word_start(text: &[u8], end: usize, others: impl Fn(u8) -> bool) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || others(*byte);
    let before = text[..end].iter().rposition(|byte| !is_word(byte));
    before.map_or(0, |at| at + 1)
}

/// Returns true if a parameter may begin here: at the text's beginning, behind something that parts
/// parameters, or as a value or a part of a path by itself.
fn is_parameter(text: &[u8], start: usize) -> bool {
    let before = text[..start].trim_ascii_end();
    let is_parted = |last: u8| matches!(last, b'?' | b'&' | b';' | b'#');
    match before.last() {
        None => true,
        Some(last) if before.len() < start => is_parted(*last),
        Some(last) => is_parted(*last) || matches!(last, b'"' | b'=' | b'/'),
    }
}

/// Where the value ends of the parameter that begins at `start` and whose `=` is at `equals`.
fn value_end(text: Layer<'_>, start: usize, equals: usize) -> usize {
    let (bytes, from) = (text.bytes, equals + 1);
    let before = bytes[..start].trim_ascii_end();
    let is_parted_by_semicolon = before.ends_with(b";") && ampersand_before(before) == 0;
    let is_address = is_address(bytes);
    let level = text.level(equals);
    let is_end = |(at, byte): (usize, &u8)| match byte {
        b'&' | b'#' => text.level(from + at) <= level,
        b'"' | b'\n' | b'\r' => true,
        b';' => is_parted_by_semicolon,
        b' ' | b'\t' | b'<' | b'>' => !is_address && text.level(from + at) <= level,
        _ => false,
    };
    let length = bytes[from..].iter().enumerate().position(is_end);
    let end = length.map_or(bytes.len(), |length| from + length);
    match bytes.get(end) {
        // Of JSON within a text; the quote is not to be left alone.
        Some(b'"') => {
            let last = bytes[from..end].iter().rposition(|byte| *byte != b'\\');
            last.map_or(from, |last| from + last + 1)
        }
        _ => end,
    }
}

/// Returns true if the whole text is one address or query, in which a blank is a part of a value.
fn is_address(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let word = text
        .iter()
        .position(|byte| !is_name_byte(*byte) && *byte != b'+');
    match word {
        Some(0) => matches!(text[0], b'/' | b'?' | b'#' | b'&'),
        Some(end) => match text[end] {
            b'=' => true,
            b':' => text.get(end + 1).is_some_and(|next| *next != b' '),
            _ => false,
        },
        None => false,
    }
}

/// A parameter that has to go.
struct Parameter {
    start: usize,
    end: usize,
    /// How often its `=` was decoded.
    level: u8,
}

impl Parameter {
    /// The parameter with what parts it from its neighbours: what follows it, or, if it is the last
    /// one, all that is before it.
    fn with_partings(&self, text: Layer<'_>, gone: &mut Vec<Range<usize>>) -> Range<usize> {
        let (mut start, mut end, bytes) = (self.start, self.end, text.bytes);
        let is_ours = |at: usize| text.level(at) >= self.level;
        let parting = match is_ours(end) {
            true => ampersand(&bytes[end..]).max(usize::from(bytes[end..].starts_with(b";"))),
            false => 0,
        };
        end += parting;
        let is_last = match bytes.get(end) {
            None => true,
            Some(b'#' | b'"' | b' ' | b'\n' | b'\r' | b'<' | b'>') => true,
            Some(b'&') => !is_ours(end),
            Some(_) => false,
        };
        if parting > 0 && !is_last {
            return start..end;
        }
        loop {
            let before = &bytes[..start];
            match gone.last() {
                Some(other) if other.end == start => {
                    start = other.start;
                    gone.pop();
                }
                _ if start == 0 || !is_ours(start - 1) => return start..end,
                _ if ampersand_before(before) > 0 => start -= ampersand_before(before),
                _ if matches!(before.last(), Some(b'?' | b'#' | b';')) => start -= 1,
                _ => return start..end,
            }
        }
    }
}

/// The length of an ampersand at the beginning, with what HTML made of it.
fn ampersand(text: &[u8]) -> usize {
    let Some(mut rest) = text.strip_prefix(b"&") else {
        return 0;
    };
    while let Some(shorter) = AMPERSAND_RESTS
        .iter()
        .find_map(|written| rest.strip_prefix(*written))
    {
        rest = shorter;
    }
    text.len() - rest.len()
}

/// The same at the end.
fn ampersand_before(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some(shorter) = AMPERSAND_RESTS
        .iter()
        .find_map(|written| rest.strip_suffix(*written))
    {
        rest = shorter;
    }
    match rest.strip_suffix(b"&") {
        Some(rest) => text.len() - rest.len(),
        None => 0,
    }
}
