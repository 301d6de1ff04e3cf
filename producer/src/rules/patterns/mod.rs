//! Attacks by what they look like: families of patterns over decoded texts.

mod decode;
mod family;

pub(super) use family::{PatternFamily, PatternHit};

use decode::DecodedText;

/// A text, decoded unless it is seen at once that no pattern can match it.
pub(super) enum LookedText<'t> {
    Harmless,
    Decoded(DecodedText<'t>),
}

impl<'t> LookedText<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        match is_harmless(text) {
            true => Self::Harmless,
            false => Self::Decoded(DecodedText::of(text)),
        }
    }
}

/// Looks for the families in a text. Returns the first pattern that is found.
pub(super) fn find(families: &[PatternFamily], text: &LookedText<'_>) -> Option<PatternHit> {
    match text {
        LookedText::Harmless => None,
        LookedText::Decoded(text) => families.iter().find_map(|family| family.find(text)),
    }
}

/// Returns true for a text that no pattern can match, as nearly all texts of clicks are: words,
/// numbers, names, times, without any sign that an attack needs.
fn is_harmless(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut before = 0;
    for &byte in bytes {
        let is_plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b' ' | b'_' | b',' | b'-' | b'.' | b':' | b'/');
        // Two of these are a comment or a way up, and a dot behind a slash is a hidden file.
        let is_pair = matches!(
            (before, byte),
            (b'-', b'-') | (b'.' | b'/', b'.') | (b':', b'/')
        );
        if !is_plain || is_pair {
            return false;
        }
        before = byte;
    }
    !family::has_keyword(bytes)
}
