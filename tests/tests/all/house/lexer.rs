//! Splits Rust source into words, signs, texts and comments, as far as the rules need it.

/// What a piece of source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// One character of punctuation, or `::`.
    Sign,
    /// The inside of a string literal, with its escapes as written.
    Text,
    /// The inside of a comment, of a documentation comment too.
    Comment,
}

/// A piece of source and the line on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    pub(super) line: usize,
}

/// All tokens of a file. Characters and lifetimes are left out.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut rest = source;
    let mut line = 1;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (kind, length, inside) = piece(rest, first);
        if let Some(kind) = kind {
            let text = &rest[inside.0..inside.1];
            tokens.push(Token { kind, text, line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The code of a file: no comments, no texts, and no items that only tests compile.
pub(super) fn code(source: &str) -> Vec<Token<'_>> {
    let is_code = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Sign);
    let all: Vec<_> = tokens(source).into_iter().filter(is_code).collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if is_test_only(&all[at..]) {
            at = item_end(&all, at);
        } else {
            kept.push(all[at]);
            at += 1;
        }
    }
    kept
}

/// The index after the bracket that closes the one at `open`.
pub(super) fn closed(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

type Piece = (Option<Kind>, usize, (usize, usize));

/// The kind of the piece that begins here (`None` if it is left out), its length, and where
/// its inside begins and ends.
fn piece(rest: &str, first: char) -> Piece {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if rest.starts_with("//") {
        let end = rest.find('\n').unwrap_or(rest.len());
        return (Some(Kind::Comment), end, (2, end));
    }
    if rest.starts_with("/*") {
        let end = block_comment(rest);
        return (Some(Kind::Comment), end, (2, end.saturating_sub(2).max(2)));
    }
    if let Some(text) = raw_text(rest).or_else(|| text(rest)) {
        return text;
    }
    if first == '\'' {
        return (None, character(rest), (0, 0));
    }
    if is_word(first) {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        return (Some(Kind::Word), end, (0, end));
    }
    if rest.starts_with("::") {
        return (Some(Kind::Sign), 2, (0, 2));
    }
    let length = first.len_utf8();
    let kind = (!first.is_whitespace()).then_some(Kind::Sign);
    (kind, length, (0, length))
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let (open, close) = (rest[at..].find("/*"), rest[at..].find("*/"));
        match (open, close) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                at += open + 2;
            }
            (_, Some(close)) => {
                depth -= 1;
                at += close + 2;
            }
            (_, None) => return rest.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// `r"…"`, `br#"…"#` and so on.
fn raw_text(rest: &str) -> Option<Piece> {
    let after = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let after = after.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let begin = rest.len() - inside.len();
    let closing = format!("\"{}", &after[..hashes]);
    let end = inside.find(&closing)? + begin;
    Some((Some(Kind::Text), end + closing.len(), (begin, end)))
}

/// `"…"`, `b"…"`, `c"…"`.
fn text(rest: &str) -> Option<Piece> {
    let inside = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let inside = inside.strip_prefix('"')?;
    let begin = rest.len() - inside.len();
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((Some(Kind::Text), begin + at + 1, (begin, begin + at))),
            _ => {}
        }
    }
    None
}

/// The length of a character literal, or of the quote that begins a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(1, |end| end + 4),
        Some(_) => match inside.next() {
            Some((at, '\'')) => at + 2,
            _ => 1,
        },
        None => 1,
    }
}

/// Returns true if an attribute begins here that leaves its item to tests.
fn is_test_only(tokens: &[Token<'_>]) -> bool {
    let begins = |words: &[&str]| {
        let texts = tokens.iter().map(|token| token.text);
        texts.take(words.len()).eq(words.iter().copied())
    };
    begins(&["#", "[", "cfg", "(", "test", ")", "]"])
        || begins(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// The index after the item whose first attribute begins at `at`.
fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        at = closed(tokens, at + 1);
    }
    let is_use = tokens.get(at).is_some_and(|token| token.text == "use");
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" if !is_use => return closed(tokens, at),
            "(" | "[" | "{" => at = closed(tokens, at),
            _ => at += 1,
        }
    }
    at
}

#[test]
fn source_is_split_into_words_signs_texts_and_comments() {
    use Kind::{Comment, Sign, Text, Word};
    for (source, expect) in [
        (
            "a::b(1) // why\n",
            &[
                (Word, "a"),
                (Sign, "::"),
                (Word, "b"),
                (Sign, "("),
                (Word, "1"),
                (Sign, ")"),
                (Comment, " why"),
            ][..],
        ),
        (
            "/* a /* b */ c */ d",
            &[(Comment, " a /* b */ c "), (Word, "d")],
        ),
        (r#""a \" // b" c"#, &[(Text, r#"a \" // b"#), (Word, "c")]),
        (r##"r#"a " b"# br"c""##, &[(Text, "a \" b"), (Text, "c")]),
        (r"'\'' '\u{1}' 'a' b", &[(Word, "b")]),
        ("&'a str", &[(Sign, "&"), (Word, "a"), (Word, "str")]),
    ] {
        let found = tokens(source);
        let found: Vec<_> = found.iter().map(|one| (one.kind, one.text)).collect();
        assert_eq!(found, expect, "{source}");
    }
    let lines: Vec<_> = tokens("a\n\"b\nc\"\nd")
        .iter()
        .map(|one| one.line)
        .collect();
    assert_eq!(lines, [1, 2, 4]);
}

#[test]
fn code_is_what_the_product_compiles() {
    for (source, expect) in [
        ("a; #[cfg(test)] mod tests { b; c { d } } e", "a ; e"),
        ("#[cfg(test)] #[path(f)] use a::{b, c}; d", "d"),
        ("#[cfg(test)] const A: [u8; 2] = b(); c", "c"),
        ("#[cfg(all(test, unix))] fn a<B>(c: D) { e } f", "f"),
        (
            "#[cfg(unix)] fn a() {} // b",
            "# [ cfg ( unix ) ] fn a ( ) { }",
        ),
    ] {
        let found: Vec<_> = code(source).iter().map(|token| token.text).collect();
        assert_eq!(found.join(" "), expect, "{source}");
    }
}
