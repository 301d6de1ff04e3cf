//! Comments and messages are plain English: a program is "it", and things are where they are.

use super::lexer::{Kind, tokens};
use super::workspace::documents;
use super::{Source, none, not_yet, sources};

/// Words of a translator.
const WORDS: &[&str] = &["he", "whoever", "stands", "lies", "bears", "is told"];
/// Places whose prose is not rewritten yet.
const NOT_YET: &[&str] = &[];

/// The lines of a file's comments and string literals that hold one of the words.
fn foreign(source: &Source) -> Vec<String> {
    let is_prose = |kind| matches!(kind, Kind::Comment | Kind::Text);
    let prose = tokens(&source.text)
        .into_iter()
        .filter(|token| is_prose(token.kind));
    prose
        .flat_map(|token| foreign_lines(&source.path, token.text, token.line))
        .collect()
}

/// The lines of a text that hold one of the words; the first has the number `first`.
fn foreign_lines(path: &str, text: &str, first: usize) -> Vec<String> {
    let mut found = Vec::new();
    for (below, line) in text.lines().enumerate() {
        for word in WORDS.iter().filter(|word| holds(line, word)) {
            found.push(format!("{path}:{}: {word}: {}", first + below, line.trim()));
        }
    }
    found
}

/// Returns true if the line holds the word as a whole one, in any case.
fn holds(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

#[test]
fn prose_is_plain_english() {
    let mut found: Vec<String> = sources()
        .iter()
        // The list above would be a finding.
        .filter(|source| !source.path.ends_with("house/prose.rs"))
        .flat_map(foreign)
        .collect();
    let pages = documents();
    found.extend(
        pages
            .iter()
            .flat_map(|page| foreign_lines(&page.path, &page.text, 1)),
    );
    none("say it in plain words", &not_yet(found, NOT_YET));
}

#[test]
fn a_translators_word_is_found_in_comments_and_messages() {
    let text =
        "/// What stands\n/// there.\nfn he() { say(\"he lies\"); }\n// the helies\n// Is told";
    let found = foreign(&Source::planted("a.rs", text));
    assert_eq!(
        found,
        [
            "a.rs:1: stands: / What stands",
            "a.rs:3: he: he lies",
            "a.rs:3: lies: he lies",
            "a.rs:5: is told: Is told",
        ]
    );
}
