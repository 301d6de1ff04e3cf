//! The look at a text that tells most of them from those that may have secrets.

use memchr::{memchr_iter, memchr3_iter};

use super::names::SecretNames;

/// Returns false if there is certainly nothing to take out, neither in the text nor in what it says
/// once it is decoded. This is all that most clicks cost.
pub(super) fn is_suspect(text: &[u8], names: &SecretNames) -> bool {
    // No encoder encodes these but to hide something, or another layer.
    let is_hidden = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@%\\".contains(&byte);
    let is_parameter = |at: usize| {
        let name = &text[..at];
        names.end(name)
            || [&b"]"[..], b"%5D", b"%5d"]
                .iter()
                .any(|end| name.ends_with(end))
    };
    let is_found = |at: usize| match text[at] {
        b'@' => true,
        b'=' => is_parameter(at),
        _ => match hex(text.get(at + 1..at + 3)) {
            Some(b'=') => is_parameter(at),
            Some(byte) => is_hidden(byte),
            None => false,
        },
    };
    let is_escaped = |at: usize| {
        let digits = text
            .get(at + 1..)
            .and_then(|rest| rest.strip_prefix(b"u00"));
        match hex(digits.and_then(|digits| digits.get(..2))) {
            Some(b'=') => is_parameter(at),
            Some(byte) => is_hidden(byte),
            None => false,
        }
    };
    memchr3_iter(b'@', b'=', b'%', text).any(is_found) || memchr_iter(b'\\', text).any(is_escaped)
}

/// The byte that two digits are; `None` if they are none.
pub(super) fn hex(digits: Option<&[u8]>) -> Option<u8> {
    let &[high, low] = digits? else { return None };
    let digit = |letter: u8| char::from(letter).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}
