//! A constant says what it measures: `QUERY_TIMEOUT`, `MAX_ROWS`, `CHUNK_BYTES`.

use super::lexer::{Kind, tokens};
use super::{Source, none, not_yet, sources};

/// Names that say neither what is measured nor in which unit.
const VAGUE: &[&str] = &[
    "PATIENCE", "MOST", "CHUNK", "SHOWN", "PIECE", "WAITING", "NAMED", "LETTERS", "BREATH", "NAP",
];
/// Crates that hold such names still.
const NOT_YET: &[&str] = &[];

fn vague(source: &Source) -> Vec<String> {
    let all = tokens(&source.text);
    let code: Vec<_> = all
        .iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let is_vague = |pair: &&[&super::lexer::Token<'_>]| {
        ["const", "static"].contains(&pair[0].text) && VAGUE.contains(&pair[1].text)
    };
    let found = code.windows(2).filter(is_vague);
    found
        .map(|pair| format!("{}:{}: {}", source.path, pair[1].line, pair[1].text))
        .collect()
}

#[test]
fn a_constant_says_what_it_measures() {
    let found = sources().iter().flat_map(vague).collect();
    none("say what it is and its unit", &not_yet(found, NOT_YET));
}

#[test]
fn a_vague_constant_is_found() {
    let text = "const MOST: usize = 1;\n// const CHUNK\nconst MOST_ROWS: usize = 2;\npub(super) const NAP: u8 = 3;";
    assert_eq!(
        vague(&Source::planted("a.rs", text)),
        ["a.rs:1: MOST", "a.rs:4: NAP"]
    );
}
