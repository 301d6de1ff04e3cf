//! What a hit shows of a request: short, on one line, and no secret.

use std::sync::LazyLock;

use regex::Regex;

/// How many letters of a text and of a name are shown.
const MAX_SHOWN_CHARS: usize = 100;
const MAX_NAME_CHARS: usize = 40;
const MAX_PATH_CHARS: usize = 120;

/// Parameters, headers and keys that hold a secret.
const SECRET_NAMES: &str = r"(?i)pass(?:w|$|phrase)|pwd|secret|token|api[_-]?key|write[_-]?key|^key$|auth|session|^sid$|signature|^sig$|credential|cookie|jwt|^code$|^state$|nonce|otp|^pin$|card|cvv|iban";

static SECRET_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(SECRET_NAMES).expect("the words are compiled in"));

/// A secret beside its name within a text, and the user info of an address.
static SECRET_VALUE: LazyLock<Regex> = LazyLock::new(|| {
    let assigned = r#"(?i)(\b[\w-]*(?:pass\w*|pwd|secret|token|key|auth\w*|session\w*|sid|sig\w*|jwt|code|otp)["']?\s*[=:]\s*["']?)[^&\s"';,]+|(//)[^/@\s]+(@)"#;
    Regex::new(assigned).expect("the words are compiled in")
});

/// A text that a client sent as the text `name`, fit to be shown.
pub(super) fn text(name: &str, text: &str) -> String {
    if SECRET_NAME.is_match(name) {
        return "(hidden)".into();
    }
    let text = SECRET_VALUE.replace_all(text, "$1$2(hidden)$3");
    cut(&text, MAX_SHOWN_CHARS)
}

/// The name of a text, in quotes behind a space; empty if it has none.
pub(super) fn name(name: &str) -> String {
    match name {
        "" => String::new(),
        name => format!(" `{}`", cut(name, MAX_NAME_CHARS)),
    }
}

/// A path, without the query that it never has.
pub(super) fn path(path: &str) -> String {
    let path = SECRET_VALUE.replace_all(path, "$1$2(hidden)$3");
    cut(&path, MAX_PATH_CHARS)
}

/// The head of a text on one line. Control characters and those that turn the direction of a text
/// are shown as numbers.
fn cut(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, letter) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match letter.is_control() || turns {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_26_no_secret_is_shown() {
        let check = |name: &str, value: &str, expect: &str| {
            assert_eq!(text(name, value), expect, "{name} {value}");
        };
        check("q", "<script>", "<script>");
        check("password", "' or 1=1 --", "(hidden)");
        check("access_token", "abc", "(hidden)");
        check("Cookie", "a", "(hidden)");
        check(
            "referer",
            "https://a.example/?token=abc&q=<b",
            "https://a.example/?token=(hidden)&q=<b",
        );
        check(
            "url",
            "https://u:p@a.example/",
            "https://(hidden)@a.example/",
        );
        check(
            "body",
            r#"{"api_key": "abc", "x": 1}"#,
            r#"{"api_key": "(hidden)", "x": 1}"#,
        );
        check("q", "a\r\nb\u{202e}c", r"a\r\nb\u{202e}c");
        assert_eq!(
            text("q", &"é".repeat(500)).chars().count(),
            MAX_SHOWN_CHARS + 1
        );
        assert_eq!(path("/a/token=abc/b"), "/a/token=(hidden)");
        assert_eq!(name(""), "");
        assert_eq!(name("q"), " `q`");
    }
}
