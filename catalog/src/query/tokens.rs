//! The words of a statement, as DuckDB's lexer divides it: for what must be known of a text before
//! its syntax tree, or where there is none.

use std::ops::Range;

/// A part of a statement. Whitespace and comments are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SqlToken {
    /// A keyword, or a name without quotes, in small letters.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A text value.
    Text(String),
    /// One character of anything else.
    Sign(char),
}

impl SqlToken {
    /// Returns true if it is this keyword.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(known) if known == word)
    }
}

/// Reads a statement's tokens one after another.
struct Lexer<'s> {
    sql: &'s str,
    at: usize,
}

/// The tokens of a statement with their places. A quote or a comment that does not end reaches to
/// the end of the text.
pub(crate) fn tokens(sql: &str) -> Vec<(SqlToken, Range<usize>)> {
    let mut lexer = Lexer { sql, at: 0 };
    let mut tokens = Vec::new();
    while let Some((start, token)) = lexer.next() {
        tokens.push((token, start..lexer.at));
    }
    tokens
}

/// A statement up to its first semicolon, without comments behind it.
pub(crate) fn without_end(sql: &str) -> &str {
    let end = tokens(sql).into_iter();
    let mut end = end.filter(|(token, _)| *token == SqlToken::Sign(';'));
    end.next().map_or(sql, |(_, place)| &sql[..place.start])
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.sql[self.at..]
    }

    /// Passes whitespace and comments.
    fn pass(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            let comment = match rest {
                _ if blank > 0 => blank,
                _ if rest.starts_with("--") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
                _ if rest.starts_with("/*") => block_comment(rest),
                _ => return,
            };
            self.at += comment;
        }
    }

    fn next(&mut self) -> Option<(usize, SqlToken)> {
        self.pass();
        let start = self.at;
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (token, length) = match first {
            '"' => {
                let (text, length) = quoted(rest, '"', false);
                (SqlToken::Name(text), length)
            }
            '\'' => {
                let (text, length) = quoted(rest, '\'', false);
                (SqlToken::Text(text), length)
            }
            'e' | 'E' if rest[1..].starts_with('\'') => {
                let (text, length) = quoted(&rest[1..], '\'', true);
                (SqlToken::Text(text), length + 1)
            }
            '$' => dollar_quoted(rest).unwrap_or((SqlToken::Sign('$'), 1)),
            first if first.is_alphabetic() || first == '_' => {
                let inside = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
                let end = rest.find(|letter| !inside(letter)).unwrap_or(rest.len());
                (SqlToken::Word(rest[..end].to_lowercase()), end)
            }
            first if first.is_ascii_digit() => {
                let inside = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
                let end = rest.find(|letter| !inside(letter)).unwrap_or(rest.len());
                (SqlToken::Sign('0'), end)
            }
            other => (SqlToken::Sign(other), other.len_utf8()),
        };
        self.at += length;
        Some((start, token))
    }
}

/// The length of a comment in `/* */`, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        let step = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// What is between quotes, which are doubled inside, and the length with them.
fn quoted(text: &str, quote: char, escapes: bool) -> (String, usize) {
    let mut inside = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && escapes {
            inside.extend(letters.next().map(|(_, letter)| letter));
        } else if letter != quote {
            inside.push(letter);
        } else if letters.next_if(|&(_, next)| next == quote).is_some() {
            inside.push(quote);
        } else {
            return (inside, at + quote.len_utf8());
        }
    }
    (inside, text.len())
}

/// `$$text$$` or `$tag$text$tag$`.
fn dollar_quoted(text: &str) -> Option<(SqlToken, usize)> {
    let tag = &text[..text[1..].find('$')? + 2];
    let word = &tag[1..tag.len() - 1];
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    if word.starts_with(|letter: char| letter.is_ascii_digit()) || !word.chars().all(inside) {
        return None;
    }
    let body = &text[tag.len()..];
    let (end, length) = match body.find(tag) {
        Some(end) => (end, tag.len() + end + tag.len()),
        None => (body.len(), text.len()),
    };
    Some((SqlToken::Text(body[..end].to_owned()), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_divided_as_duckdb_divides_it() {
        let check = |sql: &str, expect: &[&str]| {
            let found: Vec<String> = tokens(sql)
                .into_iter()
                .map(|(token, _)| match token {
                    SqlToken::Word(word) => word,
                    SqlToken::Name(name) => format!("\"{name}\""),
                    SqlToken::Text(text) => format!("'{text}'"),
                    SqlToken::Sign(sign) => sign.to_string(),
                })
                .collect();
            assert_eq!(found, expect, "{sql}");
        };
        check("SELECT a.b FROM t", &["select", "a", ".", "b", "from", "t"]);
        check("/* x /* y */ -- z */ SELECT--\n1", &["select", "0"]);
        check("-- only\n", &[]);
        check(
            "'it''s' \"a\"\"b\" E'\\'x'",
            &["'it's'", "\"a\"b\"", "''x'"],
        );
        check("$$a'b$$ $t$c$$d$t$ $1", &["'a'b'", "'c$$d'", "$", "0"]);
        check("'open", &["'open'"]);
        check("/* open", &[]);
        check("ünï·1e5+é", &["ünï", "·", "0", "+", "é"]);
    }

    #[test]
    fn an_end_is_cut_off_with_what_is_behind_it() {
        let check = |sql, expect| assert_eq!(without_end(sql), expect);
        check("SELECT ';' -- ;\n; -- all", "SELECT ';' -- ;\n");
        check("SELECT 1", "SELECT 1");
    }
}
